"""The line's pages: switched after a second look, called back once, silent numbers masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from playwright.sync_api import Page
from sqlalchemy import select

from callcenter.config.schema import CallsOut
from callcenter.domain.call_back import Outcome, State
from callcenter.domain.line_mode import LineMode
from callcenter.services import alarms, callbacks, line_mode, receipts
from callcenter.services.pins import pin_of
from callcenter.services.room import Room
from callcenter.services.wording import Words
from callcenter.store.line_models import CallBack, CallerFlag
from callcenter.store.models import Audit, Call
from callcenter.store.outgoing_models import OutCall
from callcenter.wiring import Wiring
from tests.services.calls import CONSENT, call_with_speech, file, heard, silent_call
from tests.web.conftest import axe, post, shot

NOON = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)  # 12.00 WITA
MOBILE, OTHER = "+6281234567801", "+6281234567802"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AsUser = Callable[[str], FlaskClient]


@pytest.fixture
def noon() -> Any:
    """A moment in the hours in which citizens may be called."""
    with time_machine.travel(NOON, tick=False):
        yield


# ---------------------------------------------------------------- the line's mode


@pytest.fixture
def admin(as_user: AsUser) -> FlaskClient:
    return as_user("admin")


def mode(wired: Wiring, at: datetime | None = None) -> LineMode:
    """As the line itself reads it."""
    return wired.entry.mode_file.read(at or datetime.now(UTC))


def test_the_line_is_switched_only_after_a_second_look(
    admin: FlaskClient, wired: Wiring, audits: Callable[[str], int]
) -> None:
    wish = {"mode": "emergency_only", "until": "", "note": "Gempa <b>Bangli</b>"}
    asked = post(admin, "/line", page="/line", **wish)
    assert asked.status_code == 200
    assert "Ya, alihkan" in asked.text
    assert "Hanya darurat" in asked.text
    assert (mode(wired), audits("line_switched")) == (LineMode.NORMAL, 0)
    done = post(admin, "/line", page="/line", confirmed="1", **wish)
    assert done.status_code == 302
    assert (mode(wired), audits("line_switched")) == (LineMode.EMERGENCY_ONLY, 1)
    page = admin.get("/line").text
    assert "Saluran sudah dialihkan." in page
    assert "Gempa &lt;b&gt;Bangli&lt;/b&gt;" in page


@pytest.mark.usefixtures("noon")
def test_until_is_local_and_the_line_is_normal_again_then(
    admin: FlaskClient, wired: Wiring
) -> None:
    wish = {"mode": "announcement", "until": "2026-03-11T14:30", "note": ""}
    assert "11 Mar 2026, 14.30 WITA" in post(admin, "/line", page="/line", **wish).text
    post(admin, "/line", page="/line", confirmed="1", **wish)
    end = NOON + 2.5 * HOUR
    assert mode(wired, end - timedelta(microseconds=1)) is LineMode.ANNOUNCEMENT
    assert mode(wired, end) is LineMode.NORMAL


@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("mode", {"mode": "closed"}),
        ("mode", {}),
        ("until", {"mode": "emergency_only", "until": "2026-03-11T12:00"}),
        ("until", {"mode": "emergency_only", "until": "soon"}),
    ],
)
def test_a_mistake_is_named_and_what_was_typed_stays(
    admin: FlaskClient, wired: Wiring, field: str, wish: dict[str, str]
) -> None:
    for confirmed in ({}, {"confirmed": "1"}):
        answer = post(admin, "/line", page="/line", note="Banjir", **wish, **confirmed)
        assert answer.status_code == 400
        assert f'id="{field}-problem"' in answer.text
        assert 'value="Banjir"' in answer.text
    assert mode(wired) is LineMode.NORMAL


@pytest.mark.usefixtures("noon")
def test_a_switch_that_has_ended_shows_a_normal_line(admin: FlaskClient, wired: Wiring) -> None:
    with wired.store.write() as db:
        line_mode.switch(
            db,
            LineMode.EMERGENCY_ONLY,
            actor="admin",
            now=NOON - 2 * HOUR,
            until=NOON - HOUR,
            note="Latihan selesai",
        )
    page = admin.get("/line").text
    now_card = page[page.index("Sekarang") : page.index("Alihkan</h2>")]
    assert "Biasa" in now_card
    assert "Latihan selesai" not in now_card
    assert "Latihan selesai" in page  # in its history


def test_with_the_disk_full_the_switch_is_kept_and_said_to_be_late(
    admin: FlaskClient, wired: Wiring
) -> None:
    folder = wired.entry.mode_file.path.parent
    folder.write_text("a file where the folder should be")
    wish = {"mode": "emergency_only", "until": "", "note": "", "confirmed": "1"}
    assert post(admin, "/line", page="/line", **wish).status_code == 302
    assert "Saluran mengikuti" in admin.get("/line").text
    with wired.store.read() as db:
        assert line_mode.current(db).mode is LineMode.EMERGENCY_ONLY


# ---------------------------------------------------------------- call-backs


@pytest.fixture
def operator(as_user: AsUser) -> FlaskClient:
    return as_user("operator")


def asks(wired: Wiring, caller: str = MOBILE, ago: timedelta = HOUR) -> None:
    at = datetime.now(UTC) - ago
    file(wired.store, heard(caller, at, CONSENT, ("call_back", "asked")))


def rings_off(wired: Wiring, caller: str, ago: timedelta = HOUR) -> None:
    file(wired.store, heard(caller, datetime.now(UTC) - ago))


def entry(wired: Wiring) -> CallBack:
    with wired.store.read() as db:
        found = db.scalars(select(CallBack)).one()
        _ = found.attempts
        return found


@pytest.mark.usefixtures("noon")
def test_the_list_is_masked_and_who_asked_is_on_top(operator: FlaskClient, wired: Wiring) -> None:
    rings_off(wired, OTHER)
    asks(wired)
    page = operator.get("/call-backs").text
    assert "1234567801" not in page
    assert page.index("•••801") < page.index("•••802")
    assert "Minta ditelepon" in page
    assert "Putus sebelum bicara" in page


@pytest.mark.usefixtures("noon")
def test_the_whole_number_is_shown_to_whoever_calls_and_that_is_written_down(
    operator: FlaskClient, wired: Wiring, audits: Callable[[str], int]
) -> None:
    asks(wired)
    assert f"tel:{MOBILE}" in operator.get("/call-backs/1").text
    assert audits("call_back_seen") == 1
    assert operator.get("/call-backs/2").status_code == 404


@pytest.mark.usefixtures("noon")
def test_what_came_of_it_is_one_button(operator: FlaskClient, wired: Wiring) -> None:
    asks(wired)
    url = "/call-backs/1"
    post(operator, f"{url}/called", page=url, outcome="no_answer")
    assert (entry(wired).state, entry(wired).next_at) == (State.WAITING, NOON + 5 * MINUTE)
    assert 'data-due="' in operator.get("/call-backs").text
    assert "Tidak dijawab" in operator.get(url).text
    post(operator, f"{url}/called", page=url, outcome="talked")
    assert entry(wired).state is State.TALKED
    assert "•••801" not in operator.get("/call-backs").text
    assert "Sudah bicara" in operator.get("/call-backs?tab=done").text
    assert "Sudah ditelepon" not in operator.get(url).text


@pytest.mark.usefixtures("noon")
def test_a_nonsense_outcome_and_a_call_under_way_are_refused(
    operator: FlaskClient, wired: Wiring
) -> None:
    asks(wired)
    url = "/call-backs/1"
    answer = post(operator, f"{url}/called", page=url, outcome="maybe")
    assert (answer.status_code, 'id="outcome-problem"' in answer.text) == (400, True)
    with wired.store.write() as db:
        forbidden = wired.config.no_call_backs
        held = callbacks.claim(db, NOON, by="dialler", forbidden=forbidden)
    assert held is not None
    answer = post(operator, f"{url}/called", page=url, outcome="talked")
    assert (answer.status_code, "sedang ditelepon" in answer.text) == (409, True)
    with wired.store.write() as db:
        callbacks.settle(db, held, Outcome.TALKED, now=NOON, forbidden=forbidden)
    assert post(operator, f"{url}/called", page="/call-backs", outcome="talked").status_code == 409


@pytest.fixture
def dialling(wired: Wiring) -> Wiring:
    """A deployment whose line may call."""
    line = wired.config.line.model_copy(update={"calls_out": CallsOut()})
    wired.config = wired.config.model_copy(update={"line": line})
    return wired


@pytest.mark.usefixtures("noon")
def test_one_click_calls_back_once(
    dialling: Wiring, operator: FlaskClient, audits: Callable[[str], int]
) -> None:
    asks(dialling)
    url = "/call-backs/1"
    assert "Telepon sekarang" in operator.get(url).text
    assert post(operator, f"{url}/call", page=url).status_code == 302
    assert entry(dialling).state is State.CALLING
    with dialling.store.read() as db:
        [call] = db.scalars(select(OutCall)).all()
    assert (call.telephone, call.operator) == (MOBILE, "")
    assert audits("call_back_dialled") == 1
    assert "Telepon sekarang" not in operator.get(url).text
    assert post(operator, f"{url}/call", page="/call-backs").status_code == 409


@pytest.mark.usefixtures("noon")
def test_a_line_that_may_not_call_offers_no_such_button(
    operator: FlaskClient, wired: Wiring
) -> None:
    asks(wired)
    url = "/call-backs/1"
    assert "Telepon sekarang" not in operator.get(url).text
    assert post(operator, f"{url}/call", page=url).status_code == 404


def test_at_night_the_page_says_that_nobody_is_called(as_user: AsUser, wired: Wiring) -> None:
    assert wired.config.no_call_backs.start == time(20, 0)
    for hour, said in ((7.99, False), (8, True)):  # 20.00 WITA, sharp
        with time_machine.travel(NOON + hour * HOUR, tick=False):
            page = as_user("operator").get("/call-backs").text
            assert ("Di luar jam telepon balik" in page) is said


def test_a_refreshing_list_is_the_list_alone(operator: FlaskClient) -> None:
    for url in ("/call-backs", "/silent"):
        assert "<html" not in operator.get(url, headers={"HX-Request": "true"}).text


# ---------------------------------------------------------------- silent calls


@pytest.fixture
def ghost(wired: Wiring) -> None:
    """Three silent calls of one number."""
    for n in range(3):
        silent_call(wired.store, MOBILE, at=datetime.now(UTC) - (n + 1) * HOUR)


@pytest.mark.usefixtures("ghost")
def test_silent_calls_are_grouped_by_a_masked_number(operator: FlaskClient, wired: Wiring) -> None:
    silent_call(wired.store, "", at=datetime.now(UTC))
    call_with_speech(wired.store, OTHER, at=datetime.now(UTC))
    page = operator.get("/silent").text
    assert "1234567801" not in page
    assert page.count("•••801") == 1
    assert "tersembunyi" in page
    assert "•••802" not in page
    assert "singkat" in page  # three in a day: the short welcome


@pytest.mark.usefixtures("ghost")
def test_a_prank_takes_two_people(
    operator: FlaskClient, as_user: AsUser, wired: Wiring, audits: Callable[[str], int]
) -> None:
    last = _last_call(wired)
    post(operator, f"/silent/{last}/prank", page="/silent")
    assert "Diduga iseng" in operator.get("/silent").text
    assert f'id="agree{last}"' not in operator.get("/silent").text
    post(operator, f"/silent/{last}/prank/confirm", page="/silent")
    assert "Orang kedua" in operator.get("/silent").text
    second = as_user("operator2")
    assert f'id="agree{last}"' in second.get("/silent").text
    post(second, f"/silent/{last}/prank/confirm", page="/silent")
    assert re.search(r"chip danger[^>]*>Iseng", second.get("/silent").text)
    post(second, f"/silent/{last}/prank/lift", page="/silent")
    assert "Tandai iseng" in second.get("/silent").text
    assert [audits(f"prank_{a}") for a in ("proposed", "confirmed", "lifted")] == [1, 1, 1]


@pytest.mark.usefixtures("ghost")
def test_an_administrator_sees_flags_and_sets_none(admin: FlaskClient, wired: Wiring) -> None:
    page = admin.get("/silent").text
    assert "•••801" in page
    assert "Tandai iseng" not in page
    assert post(admin, f"/silent/{_last_call(wired)}/prank", page="/silent").status_code == 403
    with wired.store.read() as db:
        assert db.scalars(select(CallerFlag)).all() == []


def _last_call(wired: Wiring) -> int:
    with wired.store.read() as db:
        return db.scalars(select(Call.id).order_by(Call.id.desc())).first() or 0


# ---------------------------------------------------------------- receipts


def test_a_receipt_in_the_outbox_names_no_telephone_and_holds_no_pin(
    as_user: AsUser, wired: Wiring
) -> None:
    now = datetime.now(UTC)
    number = "10000012"
    file(wired.store, heard(MOBILE, now, CONSENT, speech=1.8, number=number))
    with wired.store.write() as db:
        receipts.write_receipts(db, now=now, rules=wired.receipt_rules)
    page = as_user("supervisor").get("/messages").text
    assert "Tanda terima aduan" in page
    assert "Pelapor" in page
    assert "1234567801" not in page
    assert f"PIN: {pin_of(number, wired.secret_key)}" not in page


def test_the_audit_names_the_person_who_switched(admin: FlaskClient, wired: Wiring) -> None:
    wish = {"mode": "announcement", "until": "", "note": "", "confirmed": "1"}
    post(admin, "/line", page="/line", **wish)
    with wired.store.read() as db:
        row = db.scalars(select(Audit).where(Audit.action == "line_switched")).one()
    assert (row.actor, row.address) == ("admin", "127.0.0.1")


# ---------------------------------------------------------------- room on the disk


def full_disk(wired: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the alarm stands."""
    words = Words("DISK PENUH", "Kosongkan disk.")
    detail = {"free_mb": 12, "folder": "/srv/recordings"}
    with wired.store.write() as db:
        alarms.begin(db, "room", "low", words, now=NOON - HOUR, detail={"free_mb": 1800})
        alarms.begin(db, "room", "full", words, now=NOON, detail=detail)
    there = Room(12_000_000, Path("/srv/recordings"))
    monkeypatch.setattr("callcenter.web.line.measure", lambda _: there)


def test_a_full_disk_is_on_the_page_and_in_the_health_check(
    admin: FlaskClient, wired: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Disk penuh" not in admin.get("/line").text
    full_disk(wired, monkeypatch)
    page = admin.get("/line").text
    assert "Disk penuh: aduan lewat telepon tidak bisa direkam" in page
    assert "Sisa 12 MB di /srv/recordings" in page
    assert "masih berlangsung" in page
    answer = admin.get("/healthz").json
    assert answer is not None and answer["alarms"] == ["room:full"]


# ---------------------------------------------------------------- in a browser


@pytest.mark.browser
@pytest.mark.usefixtures("ghost")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_accessible(
    page_as: Callable[..., Page], wired: Wiring, dark: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(wired, monkeypatch)
    rings_off(wired, OTHER)
    asks(wired, "+6281234567803")
    with wired.store.write() as db:
        line_mode.switch(
            db, LineMode.ANNOUNCEMENT, actor="admin", now=datetime.now(UTC), note="Gempa."
        )
    paths = {"operator": ("/call-backs", "/call-backs/1", "/silent", "/calls"), "admin": ("/line",)}
    for username, mine in paths.items():
        for width in (1366, 360):
            page = page_as(username, dark=dark, width=width)
            for path in mine:
                page.goto(path)
                assert axe(page) == [], path
                wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                assert wide <= 0, path
                name = f"line-{'dark' if dark else 'light'}-{width}{path.replace('/', '-')}"
                shot(page, name)
    page.check("input[value=emergency_only]")
    page.click("button.main")
    page.wait_for_selector("button[name=confirmed]")
    assert axe(page) == []
    shot(page, f"line-{'dark' if dark else 'light'}-confirm")


@pytest.mark.browser
def test_a_new_request_appears_in_an_open_list(page_as: Callable[..., Page], wired: Wiring) -> None:
    page = page_as("operator")
    page.goto("/call-backs")
    page.wait_for_selector(".empty")
    asks(wired, ago=MINUTE)
    page.wait_for_selector("#b1", timeout=5000)
