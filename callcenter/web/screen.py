"""What templates need: times in the programme's zone, durations in words, numbers in pairs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, request, session, url_for
from flask_babel import Babel, format_date, format_datetime, format_decimal, get_locale, ngettext
from flask_babel import gettext as _
from flask_login import current_user

from callcenter.domain.people import mask_phone
from callcenter.domain.window import Standing, standing
from callcenter.services import clocks, ladders
from callcenter.store import places
from callcenter.store.models import Ticket
from callcenter.web import alarms, telephone
from callcenter.web.context import now, wiring
from callcenter.web.labels import label
from ivr.numbers import format_number

LANGUAGES = {"id": "Bahasa Indonesia", "en": "English"}
_DAY = 86_400

villages_by_district = places.villages_by_district


def language() -> str:
    """The reader's language: chosen in this session, else the user's own, else Indonesian."""
    chosen = session.get("language") or getattr(current_user, "language", "id")
    return chosen if chosen in LANGUAGES else "id"


def _local(moment: datetime) -> datetime:
    return moment.astimezone(wiring().config.programme.zone)


def wita(moment: datetime | None, style: str = "full") -> str:
    """A time as the programme's zone shows it; `style`: full, short (today: time only), day."""
    if moment is None:
        return "–"
    local = _local(moment)
    if style == "day":
        return str(format_datetime(local, "d MMMM y", rebase=False))
    if style == "short":
        today = local.date() == _local(now()).date()
        return str(format_datetime(local, "HH.mm" if today else "d MMM HH.mm", rebase=False))
    return str(format_datetime(local, "d MMM y, HH.mm", rebase=False)) + " WITA"


def wita_clock(moment: datetime) -> str:
    """`10.20.31` in the programme's zone."""
    return f"{_local(moment):%H.%M.%S}"


def whole_day(day: date) -> str:
    """A day of the programme's zone: `10 Maret 2026`."""
    return str(format_date(day, "d MMMM y"))


def iso(moment: datetime) -> str:
    """For the `datetime` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def duration(span: timedelta | float) -> str:
    """The two largest units: `3 jam 12 menit`; sign is dropped."""
    seconds = int(abs(span.total_seconds() if isinstance(span, timedelta) else span))
    days, rest = divmod(seconds, _DAY)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    words = [
        (days, ngettext("%(num)d hari", "%(num)d hari", days)),
        (hours, ngettext("%(num)d jam", "%(num)d jam", hours)),
        (minutes, ngettext("%(num)d menit", "%(num)d menit", minutes)),
        (seconds, ngettext("%(num)d detik", "%(num)d detik", seconds)),
    ]
    first = next((i for i, (n, _word) in enumerate(words) if n), 3)
    return " ".join(str(word) for n, word in words[first : first + 2] if n or first == 3)


def ago(moment: datetime) -> str:
    """Time since `moment`, one unit: lists are read at a glance."""
    seconds = max(0, int((now() - moment).total_seconds()))
    if seconds < 60:
        return str(_("baru saja"))
    if seconds < 3600:
        return str(ngettext("%(num)d mnt", "%(num)d mnt", seconds // 60))
    if seconds < 2 * _DAY:
        hours, minutes = seconds // 3600, seconds % 3600 // 60
        return str(_("%(h)d j %(m)02d mnt", h=hours, m=minutes))
    return str(ngettext("%(num)d hari", "%(num)d hari", seconds // _DAY))


def hms(span: timedelta) -> str:
    """A countdown's face, `23:59:07`; what is past shows a minus sign."""
    seconds = int(span.total_seconds())
    sign, seconds = ("−", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def clip_length(seconds: float) -> str:
    """`0:07`, as audio players write it."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def place(code: str | None) -> str:
    """`Cempaga, Kec. Bangli`; empty without a village."""
    found = places.village(code or "")
    return f"{found.name}, Kec. {found.district}" if found else ""


def step_name(key: str | None) -> str:
    """A rung of the ladder in words: the sample's keys are known, others show themselves."""
    return label(key, "step").replace("_", " ")


def step_to(key: str | None, ticket: Ticket) -> str:
    """Whom a rung addresses."""
    steps = ladders.steps_for(ticket, wiring().rules)
    to = next((s.to for s in steps if s.key == key), ())
    return ", ".join(label(post.value, "post") for post in to)


def actor_name(actor: str | None) -> str:
    """Who did it: `person:pupr_1` by name, the line and the clock in words, users as they are."""
    kind, _colon, key = (actor or "").partition(":")
    if kind == "line":
        return str(_("saluran telepon"))
    if kind in ("clock", "config"):
        return str(_("sistem"))
    return _people().get(key or kind, actor or "")


def _people() -> dict[str, str]:
    """Names of all configured people by key."""
    config = wiring().config
    names = {p.key: p.name for p in config.offices}
    for agency in config.agencies:
        names |= {p.key: p.name for p in (agency.head, *agency.team)}
        if agency.secretary:
            names[agency.secretary.key] = agency.secretary.name
    return names


def asset(name: str) -> str:
    """The address of one of our own static files, changing whenever the file does."""
    return url_for("static", filename=name, v=_stamp(name))


@cache
def _stamp(name: str) -> str:
    return sha256((Path(__file__).parent / "static" / name).read_bytes()).hexdigest()[:10]


def menu() -> list[tuple[tuple[str, ...], str, str]]:
    """The main menu: rights, endpoint, words; only what the reader may open is shown."""
    entries: list[tuple[tuple[str, ...], str, str]] = [
        (("work_desk",), "inbox.home", _("Kotak masuk")),
        (("work_desk", "see_own_tickets"), "search.index", _("Aduan")),
        (("see_all_tickets", "see_own_tickets"), "tickets.index", _("Tiket")),
        (("see_roster",), "roster.index", _("Piket")),
        (("see_calls",), "inbox.calls", _("Panggilan")),
        (("call_back",), "callbacks.index", _("Telepon balik")),
        (("see_messages",), "messages.index", _("Pesan")),
        (("see_machinery",), "machinery.page", _("Sistem")),
        (("edit_prompts",), "prompts.index", _("Suara")),
        (("switch_line",), "line.page", _("Saluran")),
        (("see_audit",), "audit_log.index", _("Audit")),
    ]
    if wiring().config.line.operators:
        entries.insert(6, (("see_operators",), "operators.index", _("Operator")))
    if wiring().config.sample:
        entries.append((("try_line",), "phone.page", _("Telepon uji")))
    return entries


def standing_of(ticket: Ticket) -> Standing:
    """How the ticket stands against its window now."""
    return standing(ticket.times, now())


def answered_late_by(ticket: Ticket) -> timedelta | None:
    """By how much the answer came after the window; None when in time or not yet answered."""
    answered = ticket.times.answered_at
    return answered - ticket.due_at if answered and answered >= ticket.due_at else None


def _helpers() -> dict[str, Any]:
    config = wiring().config
    return {
        "programme": config.programme,
        "sample": config.sample,
        "now": now(),
        "language": language(),
        "languages": LANGUAGES,
        "here": request.full_path.rstrip("?"),
        "Standing": Standing,
        "standing_of": standing_of,
        "answered_late_by": answered_late_by,
        "menu": menu(),
        "asset": asset,
        "step_name": step_name,
        "step_to": step_to,
        "category_name": _category_name,
        "agency_name": _agency_name,
        "alarms": alarms.on_page,
        "my_telephone": telephone.on_page,
        "clocks_of": lambda ticket: clocks.clocks_of(ticket, now(), wiring().rules),
    }


def _category_name(key: str | None) -> str:
    row = wiring().rules.category(key)
    return row.name if row else ""


def _agency_name(key: str | None) -> str:
    row = wiring().config.agency(key or "")
    return row.name if row else (key or "")


def local_date(text: str) -> date | None:
    """A date field's value; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def from_local(text: str) -> datetime | None:
    """The value of a `datetime-local` field, read in the programme's zone, as UTC."""
    try:
        naive = datetime.fromisoformat(text)
        if naive.tzinfo is not None:
            return naive.astimezone(UTC)
        return naive.replace(tzinfo=wiring().config.programme.zone).astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 has no earlier day
        return None


def to_local(moment: datetime) -> str:
    """A moment as a `datetime-local` field wants it."""
    return _local(moment).strftime("%Y-%m-%dT%H:%M")


def init(app: Flask) -> None:
    """Gettext, filters and helpers for the templates."""
    app.config["BABEL_DEFAULT_LOCALE"] = "id"
    zone = app.extensions["aduan24"].config.programme.timezone
    Babel(app, locale_selector=language, timezone_selector=lambda: zone)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        wita=wita,
        whole_day=whole_day,
        wita_clock=wita_clock,
        decimal=format_decimal,
        iso=iso,
        duration=duration,
        ago=ago,
        hms=hms,
        clip_length=clip_length,
        place=place,
        label=label,
        said=_,  # what a service said when it was stored
        actor=actor_name,
        number=format_number,
        mask=mask_phone,
        telephone=telephone.telephone_name,
        pause=telephone.pause_name,
        to_local=to_local,
    )
    app.jinja_env.globals["get_locale"] = get_locale
    app.context_processor(_helpers)
