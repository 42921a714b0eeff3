"""Silent calls are measured and listed; who is silent again and again is hurried, never lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callcenter.domain.line_mode import LineMode
from callcenter.domain.silence import Heard, limited_until
from callcenter.services import line_mode, silence
from callcenter.services.entry import Entry
from callcenter.services.errors import NotFound, Refused
from callcenter.services.line_mode import ModeFile
from callcenter.services.silence import LimitedFile
from callcenter.store import queries
from callcenter.store.models import Audit, Call
from callcenter.store.session import Store
from ivr.menu import ENTRIES
from tests.services.calls import CONSENT, call_with_speech, file, heard, silent_call
from tests.services.conftest import DAY, HOUR, MINUTE, SQLITE, T0, TICK

GHOST, OTHER = "+6281234567801", "+6281234567802"


def hurried(store: Store, caller: str = GHOST, at: datetime = T0) -> bool:
    with store.read() as db:
        answer = silence.hurried(db, caller, at)
        assert answer == (caller in silence.limited_callers(db, at))
        return answer


def silent(store: Store, *ago: timedelta, caller: str = GHOST) -> None:
    for span in ago:
        silent_call(store, caller, at=T0 - span)


# ---------------------------------------------------------------- the rule


def calls(*ago: timedelta) -> list[Heard]:
    return [Heard(T0 - span, silent=True) for span in ago]


@pytest.mark.parametrize(
    ("heard", "end"),
    [
        (calls(HOUR, MINUTE), None),
        (calls(2 * HOUR, HOUR, MINUTE), T0 - 2 * HOUR + DAY),
        (calls(MINUTE, 2 * HOUR, HOUR), T0 - 2 * HOUR + DAY),  # in whatever order
        (calls(DAY + MINUTE, HOUR, MINUTE + TICK), T0 - MINUTE),
        (calls(DAY + MINUTE, HOUR, MINUTE), None),  # not within a day of each other
        (calls(5 * HOUR, 4 * HOUR, 3 * HOUR, 2 * HOUR), T0 - 4 * HOUR + DAY),
    ],
)
def test_three_silent_calls_within_a_day(heard: list[Heard], end: datetime | None) -> None:
    assert limited_until(heard, 3) == end


def test_one_word_begins_everything_anew() -> None:
    spoken = Heard(T0, silent=False)
    assert limited_until([*calls(3 * HOUR, 2 * HOUR, HOUR), spoken], 3) is None
    assert limited_until([*calls(-HOUR, -2 * HOUR), spoken, *calls(HOUR)], 3) is None


# ---------------------------------------------------------------- in the database


def test_the_third_silent_call_of_a_day_hurries_this_telephone_alone(store: Store) -> None:
    silent(store, 3 * HOUR, 2 * HOUR)
    assert not hurried(store)
    silent(store, HOUR)
    assert hurried(store)
    assert not hurried(store, OTHER)


def test_it_ends_when_the_day_is_over(store: Store) -> None:
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    assert hurried(store, at=T0 + 21 * HOUR - TICK)
    assert not hurried(store, at=T0 + 21 * HOUR)


def test_it_ends_with_a_call_in_which_somebody_speaks(store: Store) -> None:
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    call_with_speech(store, GHOST, at=T0 - MINUTE)
    assert not hurried(store)


@pytest.mark.parametrize("caller", ["0812 3456 7801", "6281234567801", "+62 812-3456-7801"])
def test_the_number_may_be_written_in_any_way(store: Store, caller: str) -> None:
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    with store.read() as db:
        assert silence.hurried(db, caller, T0)


def test_who_hides_the_number_is_never_hurried_for_others(store: Store) -> None:
    silent(store, 4 * HOUR, 3 * HOUR, 2 * HOUR, HOUR, caller="anonymous")
    assert not hurried(store, "")
    with store.read() as db:
        assert not silence.hurried(db, "anonymous", T0)


@pytest.mark.parametrize(
    "note",
    [
        ("step", "served"),
        ("step", "queue"),
        ("inquiry", "found"),
        ("connected", "talked"),
        ("call_back", "asked"),
    ],
)
def test_who_was_served_without_a_word_was_not_silent(store: Store, note: tuple[str, str]) -> None:
    for n in range(5):
        file(store, heard(GHOST, T0 - n * HOUR, CONSENT, note))
    assert not hurried(store)
    with store.read() as db:
        assert queries.calls(db, silent=True) == []


@pytest.mark.parametrize("note", [("inquiry", "notfound"), ("connected", "nobody"), ("key", "1")])
def test_a_key_alone_is_not_a_word(store: Store, note: tuple[str, str]) -> None:
    file(store, heard(GHOST, T0, CONSENT, note))
    with store.read() as db:
        assert len(queries.calls(db, silent=True)) == 1


# ---------------------------------------------------------------- the line's file


@pytest.fixture
def limited(tmp_path: Path) -> LimitedFile:
    return LimitedFile(tmp_path / "line" / "limited.json", "the installation's own secret")


def test_the_file_answers_as_the_database_does(store: Store, limited: LimitedFile) -> None:
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    silent(store, HOUR, caller=OTHER)
    assert not limited.covers(GHOST, T0)
    limited.publish(store, T0)
    assert limited.covers("0812 3456 7801", T0 + 21 * HOUR - TICK)
    assert not limited.covers(GHOST, T0 + 21 * HOUR)
    assert not limited.covers(OTHER, T0)
    assert not limited.covers("", T0)
    call_with_speech(store, GHOST, at=T0)
    limited.publish(store, T0)
    assert not limited.covers(GHOST, T0)


@SQLITE
def test_the_file_names_no_telephone(store: Store, limited: LimitedFile) -> None:
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    limited.publish(store, T0)
    assert "234567801" not in limited.path.read_text()


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"null", b"\xff"])
def test_a_file_that_cannot_be_understood_hurries_nobody(
    limited: LimitedFile, content: bytes
) -> None:
    limited.path.parent.mkdir()
    limited.path.write_bytes(content)
    assert not limited.covers(GHOST, T0)


@SQLITE
def test_where_a_call_begins(store: Store, limited: LimitedFile, tmp_path: Path) -> None:
    """Whoever is hurried is so under an announcement too; in an emergency all are alike."""
    entry = Entry(ModeFile(tmp_path / "line" / "mode.json"), limited)
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    begins = {}
    for mode in LineMode:
        with store.write() as db:
            line_mode.switch(db, mode, actor="admin", now=T0)
        entry.publish(store, T0)
        begins[mode] = (entry.mode(OTHER, T0), entry.mode(GHOST, T0))
    assert begins == {
        LineMode.NORMAL: ("normal", "limited"),
        LineMode.ANNOUNCEMENT: ("announcement", "limited"),
        LineMode.EMERGENCY_ONLY: ("emergency_only", "emergency_only"),
    }
    of_a_full_disk = {"no_room"}
    assert {name for pair in begins.values() for name in pair} == set(ENTRIES) - of_a_full_disk


# ---------------------------------------------------------------- list and flag


def call_id(store: Store, caller: str = GHOST) -> int:
    with store.read() as db:
        return db.scalars(select(Call.id).where(Call.caller == caller)).all()[-1]


def test_silent_calls_are_listed_by_telephone_the_latest_first(store: Store) -> None:
    silent(store, 5 * HOUR, 4 * HOUR)
    silent(store, 3 * HOUR, caller="")
    silent(store, 2 * HOUR, caller=OTHER)
    silent(store, HOUR)
    call_with_speech(store, OTHER, at=T0)
    with store.read() as db:
        groups = queries.silent_callers(db, since=T0 - DAY)
    assert [(g.caller, g.calls, g.last_at) for g in groups] == [
        (GHOST, 3, T0 - HOUR),
        (OTHER, 1, T0 - 2 * HOUR),
        (None, 1, T0 - 3 * HOUR),
    ]
    assert groups[0].last_call_id == call_id(store)


def test_a_prank_takes_two_people(store: Store) -> None:
    silent(store, HOUR)
    wanted = call_id(store)
    with store.write() as db:
        silence.propose_prank(db, wanted, actor="operator", now=T0)
    with pytest.raises(Refused) as refused, store.write() as db:
        silence.confirm_prank(db, wanted, actor="operator", now=T0)
    assert refused.value.field == "actor"
    with store.write() as db:
        silence.confirm_prank(db, wanted, actor="operator2", now=T0 + MINUTE)
    with store.read() as db:
        flag = silence.flag_of(db, GHOST)
        assert flag is not None
        assert (flag.proposed_by, flag.confirmed_by) == ("operator", "operator2")
        groups = queries.silent_callers(db, since=T0 - DAY)
        assert groups[0].flag is not None


def test_pranksters_and_the_silent_have_few_places_while_many_call(store: Store) -> None:
    def held_back() -> frozenset[str]:
        with store.read() as db:
            return silence.held_back(db, T0)

    silent(store, HOUR, caller=OTHER)
    wanted = call_id(store, OTHER)
    with store.write() as db:
        silence.propose_prank(db, wanted, actor="operator", now=T0)
    assert not held_back()  # one person's word is none
    with store.write() as db:
        silence.confirm_prank(db, wanted, actor="operator2", now=T0)
    assert held_back() == {OTHER}
    silent(store, 3 * HOUR, 2 * HOUR, HOUR)
    assert held_back() == {GHOST, OTHER}
    with store.write() as db:
        silence.lift_prank(db, wanted, actor="operator", now=T0)
    assert held_back() == {GHOST}


def test_a_flag_is_lifted_and_may_be_set_again_and_every_step_is_written_down(store: Store) -> None:
    silent(store, HOUR)
    wanted = call_id(store)
    for verb, actor in (
        (silence.propose_prank, "operator"),
        (silence.confirm_prank, "operator2"),
        (silence.lift_prank, "operator"),
        (silence.propose_prank, "operator2"),
    ):
        with store.write() as db:
            verb(db, wanted, actor=actor, now=T0)
    with store.read() as db:
        flag = silence.flag_of(db, GHOST)
        assert flag is not None
        assert (flag.proposed_by, flag.confirmed_by, flag.lifted_at) == ("operator2", None, None)
        rows = db.execute(select(Audit.action, Audit.actor).order_by(Audit.id)).all()
    assert [tuple(row) for row in rows] == [
        ("prank_proposed", "operator"),
        ("prank_confirmed", "operator2"),
        ("prank_lifted", "operator"),
        ("prank_proposed", "operator2"),
    ]


def test_a_flag_shortens_no_call_and_deletes_none(store: Store) -> None:
    silent(store, HOUR)
    wanted = call_id(store)
    with store.write() as db:
        silence.propose_prank(db, wanted, actor="operator", now=T0)
        silence.confirm_prank(db, wanted, actor="operator2", now=T0)
    assert not hurried(store)
    assert call_with_speech(store, GHOST, at=T0) > 0
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(Call)) == 2


@pytest.mark.parametrize("verb", [silence.confirm_prank, silence.lift_prank])
def test_what_was_not_proposed_can_be_neither_confirmed_nor_lifted(
    store: Store, verb: object
) -> None:
    silent(store, HOUR)
    with pytest.raises(Refused), store.write() as db:
        verb(db, call_id(store), actor="operator", now=T0)  # type: ignore[operator]


def test_hidden_numbers_and_unknown_calls_cannot_be_flagged(store: Store) -> None:
    file(store, heard("", T0, CONSENT))
    with store.read() as db:
        hidden = db.scalars(select(Call.id)).one()
    with pytest.raises(Refused), store.write() as db:
        silence.propose_prank(db, hidden, actor="operator", now=T0)
    with pytest.raises(NotFound), store.write() as db:
        silence.propose_prank(db, hidden + 1, actor="operator", now=T0)
