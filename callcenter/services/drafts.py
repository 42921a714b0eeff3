"""What is typed at the desk, kept while it is typed: a crash of anything costs a second of it.

One text per complaint with a version; whoever writes names the version that they have read. Who
comes second overwrites nothing: their text is kept beside the other and shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from callcenter.services import claims
from callcenter.services.errors import Conflict
from callcenter.services.holding import hold
from callcenter.store.desk_models import DeskDraft

#: What a desk holds: the fields of the form, and how many characters of each.
LONGEST = {
    "transcript": 20_000,
    "category_key": 40,
    "village_code": 13,
    "place_note": 300,
    "urgency": 20,
    "reporter_name": 120,
    "reporter_phone": 40,
    "agency_key": 40,
    "order": 2000,
    "reply": 1200,
    "position": 300,
}
_TAB = 40
_OWN = ""


@dataclass(frozen=True, slots=True)
class Hand:
    """Who types, in which tab of theirs, and when."""

    actor: str
    tab: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a text: `won`, with the version that it has now; or it is kept beside the
    one that `by` wrote."""

    won: bool
    version: int
    by: Hand


def own(session: Session, complaint_id: int) -> DeskDraft | None:
    """What is typed and not saved; None when nothing ever was."""
    return session.get(DeskDraft, (complaint_id, _OWN))


def beside(session: Session, complaint_id: int) -> Sequence[DeskDraft]:
    """Texts that came second, the latest first."""
    return session.scalars(
        select(DeskDraft)
        .where(DeskDraft.complaint_id == complaint_id, DeskDraft.beside != _OWN)
        .order_by(DeskDraft.written_at.desc(), DeskDraft.beside)
    ).all()


def keep(
    session: Session,
    complaint_id: int,
    fields: Mapping[str, str],
    *,
    version: int,
    hand: Hand,
    lasts: timedelta,
    instead: bool = False,
) -> Written:
    """Write the text over the version that was read, if that is still the one; else beside it.

    `instead`: the other text was seen, and gives way: it is kept beside ours. Harmless to repeat
    after an answer that was lost on the way: a tab's own text is put beside nothing.
    """
    hold(session, complaint_id)
    found = own(session, complaint_id)
    try:
        claims.check(session, complaint_id, actor=hand.actor, now=hand.at, lasts=lasts)
    except Conflict:
        lose(session, complaint_id, fields, hand)
        claim = claims.current(session, complaint_id, now=hand.at, lasts=lasts)
        by = Hand(claim.by, "", claim.taken_at) if claim else hand
        return Written(False, found.version if found else 0, by)
    if instead and found is not None and found.version != version:
        lose(session, complaint_id, found.fields, _hand_of(found))
        version = found.version
    if _replace(session, complaint_id, plain(fields), version, hand):
        if (older := session.get(DeskDraft, (complaint_id, hand.tab))) is not None:
            session.delete(older)  # what this tab typed is the desk's own now
        return Written(True, version + 1, hand)
    if found is None:
        raise Conflict("Muat ulang halaman, lalu ketik lagi.")  # a version that never was
    if found.tab != hand.tab:
        lose(session, complaint_id, fields, hand)
    return Written(False, found.version, _hand_of(found))


def settle(session: Session, complaint_id: int, *, version: int, hand: Hand) -> None:
    """It is saved: the text is empty from now on, and older versions can write no more.

    Conflict when somebody wrote after `version`. What another tab had typed is kept beside. For
    verbs that hold the complaint.
    """
    found = own(session, complaint_id)
    typed = None if found is None or found.tab == hand.tab else (found.fields, _hand_of(found))
    if not _replace(session, complaint_id, {}, version, Hand(hand.actor, "", hand.at)):
        raise Conflict("Tab atau orang lain sedang mengetik di aduan ini. Bandingkan dulu.")
    if typed:
        lose(session, complaint_id, *typed)
    if (older := session.get(DeskDraft, (complaint_id, hand.tab))) is not None and hand.tab:
        session.delete(older)  # it is what was saved


def lose(session: Session, complaint_id: int, fields: Mapping[str, str], hand: Hand) -> None:
    """Keep a text that came second: one row per tab, however long it goes on typing.

    An empty text is no loss.
    """
    typed, tab = plain(fields), hand.tab[:_TAB] or "-"
    if not any(value for name, value in typed.items() if name != "urgency"):
        return
    row = session.get(DeskDraft, (complaint_id, tab))
    if row is None:
        row = DeskDraft(complaint_id=complaint_id, beside=tab, version=0)
        session.add(row)
    row.fields, row.tab, row.written_by, row.written_at = typed, tab, hand.actor, hand.at
    session.flush()


def plain(fields: Mapping[str, str]) -> dict[str, str]:
    """The desk's fields alone, as typed, without what nobody sees, cut to their length."""
    return {
        name: "".join(c for c in str(fields[name]) if c.isprintable() or c in "\n\t")[:longest]
        for name, longest in LONGEST.items()
        if name in fields
    }


def _hand_of(row: DeskDraft) -> Hand:
    return Hand(row.written_by, row.tab, row.written_at)


def _replace(
    session: Session, complaint_id: int, fields: dict[str, str], version: int, hand: Hand
) -> bool:
    """The conditional UPDATE; the first text of all is an INSERT."""
    values = {
        "fields": fields,
        "tab": hand.tab[:_TAB],
        "written_by": hand.actor,
        "written_at": hand.at,
    }
    row = own(session, complaint_id)
    if row is None:
        if version == 0:
            session.add(DeskDraft(complaint_id=complaint_id, beside=_OWN, version=1, **values))
            session.flush()
        return version == 0
    changed = session.execute(
        update(DeskDraft)
        .where(
            DeskDraft.complaint_id == complaint_id,
            DeskDraft.beside == _OWN,
            DeskDraft.version == version,
        )
        .values(version=version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    won: bool = changed.rowcount == 1  # type: ignore[attr-defined]
    if won:
        session.expire(row)
    return won
