"""What is typed at the desk: kept as it is typed, never overwritten unseen; one owner at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest
from sqlalchemy import select

from callcenter.services import claims, desk, drafts
from callcenter.services.desk import DeskForm
from callcenter.services.drafts import Hand, Written
from callcenter.services.errors import Conflict
from callcenter.store.desk_models import DeskClaim, DeskDraft
from callcenter.store.models import Audit
from tests.services.conftest import MINUTE, T0, TICK, TYPED, Town, together


def _keep(
    town: Town,
    complaint_id: int,
    text: str,
    version: int,
    *,
    tab: str = "a",
    actor: str = "ani",
    at: datetime = T0,
    instead: bool = False,
) -> Written:
    with town.store.write() as db:
        return drafts.keep(
            db,
            complaint_id,
            {"transcript": text},
            version=version,
            hand=Hand(actor, tab, at),
            lasts=town.rules.claim_lasts,
            instead=instead,
        )


def _take(
    town: Town, complaint_id: int, actor: str, at: datetime = T0, *, over: bool = False
) -> str:
    """Who has it after `actor` opened it, or took it over."""
    with town.store.write() as db:
        if over:
            return claims.take_over(db, complaint_id, actor=actor, now=at).by
        taken = claims.take(db, complaint_id, actor=actor, now=at, lasts=town.rules.claim_lasts)
        return taken.by if taken else ""


def _texts(town: Town, complaint_id: int) -> tuple[str, set[str]]:
    """The desk's own text, and those beside it."""
    with town.store.read() as db:
        own = drafts.own(db, complaint_id)
        beside = {row.fields["transcript"] for row in drafts.beside(db, complaint_id)}
        return (own.fields.get("transcript", "") if own else ""), beside


# ---------------------------------------------------------------- texts


def test_each_text_replaces_the_one_that_was_read(town: Town) -> None:
    complaint_id = town.complaint()
    assert _keep(town, complaint_id, "Po", 0).version == 1
    assert _keep(town, complaint_id, "Pohon ", 1).version == 2
    assert _texts(town, complaint_id) == ("Pohon ", set())


def test_a_second_tab_overwrites_nothing_and_its_text_is_kept(town: Town) -> None:
    complaint_id = town.complaint()
    _keep(town, complaint_id, "Pohon", 0)
    for longer in ("Jal", "Jalan"):
        lost = _keep(town, complaint_id, longer, 0, tab="b", actor="budi")
        assert (lost.won, lost.version, lost.by.actor) == (False, 1, "ani")
    assert _texts(town, complaint_id) == ("Pohon", {"Jalan"})


def test_taking_the_place_of_the_other_text_keeps_that_one(town: Town) -> None:
    complaint_id = town.complaint()
    _keep(town, complaint_id, "Pohon", 0)
    _keep(town, complaint_id, "Jalan", 0, tab="b")
    won = _keep(town, complaint_id, "Jalan raya", 0, tab="b", instead=True)
    assert (won.won, won.version) == (True, 2)
    assert _texts(town, complaint_id) == ("Jalan raya", {"Pohon"})
    assert not _keep(town, complaint_id, "Pohon tumbang", 1).won
    assert _texts(town, complaint_id) == ("Jalan raya", {"Pohon tumbang"})


def test_an_answer_lost_on_the_way_makes_nobody_a_loser(town: Town) -> None:
    complaint_id = town.complaint()
    _keep(town, complaint_id, "Po", 0)
    again = _keep(town, complaint_id, "Pohon", 0)
    assert (again.won, again.version, again.by.tab) == (False, 1, "a")
    assert _keep(town, complaint_id, "Pohon", again.version).won
    assert _texts(town, complaint_id) == ("Pohon", set())


def test_what_is_saved_ends_the_typing_and_an_older_tab_writes_no_more(town: Town) -> None:
    complaint_id = town.complaint()
    _keep(town, complaint_id, "Pohon", 0)
    form = DeskForm(**TYPED)

    def save(draft: int) -> None:
        with town.store.write() as db:
            desk.save(
                db, complaint_id, form, actor="ani", now=T0, rules=town.rules, draft=draft, tab="a"
            )

    with pytest.raises(Conflict, match="Bandingkan"):
        save(0)
    save(1)
    assert _texts(town, complaint_id) == ("", set())
    assert not _keep(town, complaint_id, "Jalan", 1, tab="b").won
    assert _texts(town, complaint_id) == ("", {"Jalan"})


def test_saving_over_what_another_tab_types_keeps_that(town: Town) -> None:
    complaint_id = town.complaint()
    _keep(town, complaint_id, "Pohon", 0)
    form = DeskForm(**TYPED)
    with town.store.write() as db:  # it was compared: this version was read
        desk.save(db, complaint_id, form, actor="ani", now=T0, rules=town.rules, draft=1, tab="b")
    assert _texts(town, complaint_id) == ("", {"Pohon"})


def test_a_text_for_a_version_that_never_was_is_refused(town: Town) -> None:
    with pytest.raises(Conflict, match="Muat ulang"):
        _keep(town, town.complaint(), "Pohon", 7)


def test_only_the_fields_of_the_desk_are_kept(town: Town) -> None:
    fields = {"transcript": "a\x00b\u202ec\n" + "x" * 30_000, "state": "closed", "order": "Cek"}
    kept = drafts.plain(fields)
    assert set(kept) == {"transcript", "order"}
    assert kept["transcript"].startswith("abc\nxxx")
    assert len(kept["transcript"]) == 20_000


# ---------------------------------------------------------------- owners


def test_opening_takes_it_and_the_second_sees_by_whom(town: Town) -> None:
    complaint_id = town.complaint()
    assert _take(town, complaint_id, "ani") == "ani"
    assert _take(town, complaint_id, "budi", T0 + MINUTE) == "ani"
    with pytest.raises(Conflict, match="dikerjakan orang lain"), town.store.write() as db:
        desk.save(
            db, complaint_id, DeskForm(**TYPED), actor="budi", now=T0 + MINUTE, rules=town.rules
        )


def test_a_claim_comes_free_after_its_time_and_not_before(town: Town) -> None:
    complaint_id, lasts = town.complaint(), town.rules.claim_lasts
    _take(town, complaint_id, "ani")
    _keep(town, complaint_id, "Pohon", 0, at=T0 + MINUTE)  # a sign of work
    free = T0 + MINUTE + lasts
    assert _take(town, complaint_id, "budi", free - TICK) == "ani"
    assert _take(town, complaint_id, "budi", free) == "budi"
    lost = _keep(town, complaint_id, "Pohon tumbang", 1, at=free)
    assert (lost.won, lost.by.actor) == (False, "budi")
    assert _texts(town, complaint_id) == ("Pohon", {"Pohon tumbang"})


def test_a_take_over_is_in_the_history_and_in_the_audit(town: Town) -> None:
    complaint_id = town.complaint()
    _take(town, complaint_id, "ani")
    assert _take(town, complaint_id, "budi", over=True) == "budi"
    last = town.history(complaint_id=complaint_id)[-1]
    assert (last.verb, last.actor, last.why) == ("take_over", "budi", "ani")
    with town.store.read() as db:
        row = db.scalars(select(Audit).where(Audit.action == "complaint_taken")).one()
        assert (row.actor, row.detail) == ("budi", {"from": "ani"})
    assert _take(town, complaint_id, "ani") == "budi"


def test_letting_go_and_the_end_of_the_work_make_it_free(town: Town) -> None:
    complaint_id = town.complaint()
    _take(town, complaint_id, "ani")
    with town.store.write() as db:
        claims.let_go(db, complaint_id, actor="budi", now=T0)
    assert _take(town, complaint_id, "budi") == "ani"
    with town.store.write() as db:
        claims.let_go(db, complaint_id, actor="ani", now=T0)
    assert _take(town, complaint_id, "budi") == "budi"


def test_what_an_agency_has_is_nobodys_desk(town: Town) -> None:
    complaint_id = town.complaint_of(town.sent())
    assert _take(town, complaint_id, "ani") == ""
    with pytest.raises(Conflict, match="tidak menunggu"):
        _take(town, complaint_id, "ani", over=True)


# ---------------------------------------------------------------- two at once


@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.endurance)])
def test_two_operators_on_one_complaint_never_own_it_both_and_overwrite_nothing(
    town: Town, rounds: int
) -> None:
    chance = random.Random(24)
    complaint_id = town.complaint()
    people = [_Operator(town, complaint_id, name) for name in ("ani", "budi")]
    for number in range(rounds):
        at = T0 + number * MINUTE
        works: list[Callable[[], object]] = [p.turn(chance, number, at) for p in people]
        for result in together(*works):
            assert not isinstance(result, Exception) or isinstance(result, Conflict), result
        _nothing_is_overwritten(town, complaint_id, people)
        _one_owner(town, complaint_id)
    writes, lost = sum(len(p.won) for p in people), sum(len(p.lost) for p in people)
    print(f"\n{rounds} rounds: {writes} texts written, {lost} kept beside, 0 overwritten, 1 owner")


class _Operator:
    """Types, opens, takes over, lets go, at random; remembers what the desk said."""

    def __init__(self, town: Town, complaint_id: int, name: str) -> None:
        self.town, self.complaint_id, self.name = town, complaint_id, name
        self.read = 0
        self.won: dict[int, str] = {}
        self.lost: list[str] = []

    def turn(self, chance: random.Random, number: int, at: datetime) -> Callable[[], object]:
        what = chance.choice(["type", "type", "type", "open", "over", "let_go", "look"])
        return lambda: getattr(self, what)(number, at)

    def open(self, _number: int, at: datetime) -> None:
        _take(self.town, self.complaint_id, self.name, at)

    def over(self, _number: int, at: datetime) -> None:
        _take(self.town, self.complaint_id, self.name, at, over=True)

    def let_go(self, _number: int, at: datetime) -> None:
        with self.town.store.write() as db:
            claims.let_go(db, self.complaint_id, actor=self.name, now=at)

    def look(self, _number: int, _at: datetime) -> None:
        with self.town.store.read() as db:
            found = drafts.own(db, self.complaint_id)
            self.read = found.version if found else 0

    def type(self, number: int, at: datetime) -> None:
        text, tab = f"{self.name} {number}", f"{self.name}-{number}"
        done = _keep(self.town, self.complaint_id, text, self.read, tab=tab, actor=self.name, at=at)
        if done.won:
            assert done.version == self.read + 1  # it replaced what this person had read
            self.read, self.won[done.version] = done.version, text
        else:
            self.lost.append(text)


def _nothing_is_overwritten(town: Town, complaint_id: int, people: list[_Operator]) -> None:
    """No version was won twice; the last one stands; whoever lost has the text beside it."""
    versions = [version for person in people for version in person.won]
    assert sorted(versions) == list(range(1, len(versions) + 1))
    own, beside = _texts(town, complaint_id)
    texts = {version: text for person in people for version, text in person.won.items()}
    assert own == (texts[max(texts)] if texts else "")
    lost = {text for person in people for text in person.lost}
    assert beside == lost


def _one_owner(town: Town, complaint_id: int) -> None:
    """Each claim began when the one before had ended."""
    with town.store.read() as db:
        rows = db.scalars(select(DeskClaim).order_by(DeskClaim.id)).all()
    assert [row.open_id for row in rows if row.ended_at is None] in ([], [complaint_id])
    for earlier, later in pairwise(rows):
        assert earlier.ended_at is not None
        assert earlier.ended_at <= later.taken_at


def test_the_database_itself_refuses_a_second_owner(town: Town) -> None:
    complaint_id = town.complaint()
    _take(town, complaint_id, "ani")
    second = DeskClaim(
        complaint_id=complaint_id, open_id=complaint_id, by="budi", taken_at=T0, seen_at=T0
    )
    with pytest.raises(Exception, match=r"(?i)unique"), town.store.write() as db:
        db.add(second)
    assert town.count(DeskDraft) == 0
