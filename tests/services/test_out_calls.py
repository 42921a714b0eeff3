"""Calls that the line places itself: each at most once, whatever dies in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.config import load
from callcenter.domain import call_back
from callcenter.domain.out_call import (
    Outcome,
    Purpose,
    State,
    call_uid,
    may_be_dialled,
    outcome_of,
)
from callcenter.gateways.dialling import Dialling, Order, digits_of, fields_of
from callcenter.gateways.pbx import CALL_ID
from callcenter.services import callbacks, out_calls
from callcenter.services.callbacks import Claim
from callcenter.services.errors import Refused
from callcenter.services.intake import HeardCall
from callcenter.services.out_calls import DOUBTFUL, Placing
from callcenter.services.out_plans import Ground
from callcenter.store.line_models import CallBack
from callcenter.store.models import Call, Complaint
from callcenter.store.outgoing_models import OutCall
from callcenter.store.session import Store
from callcenter.wiring import rules_of
from tests.services.calls import file
from tests.services.conftest import HOUR, MINUTE, ROOT, T0, TICK, together
from tests.services.test_callbacks import FARMER, HOURS, MAYOR, asks, entry, local

OPERATOR, DIAL = ("operator", "ANSWER"), ("dial", "ANSWER")
CONSENT = ("consent", "abc")
SECOND = timedelta(seconds=1)
NEVER = ("0809",)


@cache
def ground() -> Ground:
    return Ground(HOURS, rules_of(load(ROOT / "config.yaml")), Path("nowhere"))


def out(store: Store) -> OutCall:
    with store.read() as db:
        return db.scalars(select(OutCall).order_by(OutCall.id.desc()).limit(1)).one()


def clicked(store: Store, at: datetime = T0 + MINUTE, forbidden: object = HOURS) -> None:
    with store.write() as db:
        out_calls.call_back_now(
            db, entry(store).id, operator="", actor="operator", now=at, forbidden=HOURS
        )


def next_one(store: Store, at: datetime = T0 + MINUTE, most: int = 4) -> Placing | None:
    with store.write() as db:
        return out_calls.next_to_place(db, at, node="pbx1", most=most, ground=ground())


def doubts(store: Store, at: datetime, *known: str) -> list[Placing | None]:
    with store.read() as db:
        ids = [call.id for call in out_calls.doubtful(db, at, "pbx1")]
    with store.write() as db:
        return [
            out_calls.settle_doubt(db, each, known=known, now=at, ground=ground()) for each in ids
        ]


def placed(store: Store, at: datetime = T0 + MINUTE) -> Placing:
    clicked(store, at)
    placing = next_one(store, at)
    assert placing is not None
    with store.write() as db:
        out_calls.taken(db, placing)
    return placing


def over(
    store: Store, placing: Placing, *notes: tuple[str, str], at: datetime, speech: float = 0
) -> None:
    """The call was filed, and the dialler has looked."""
    call = HeardCall(
        call_uid=placing.call_uid,
        line="pbx1",
        caller_raw=placing.telephone,
        called="",
        started_at=at,
        ended_at=at,
        cause="16",
        mode="out-back",
        consent_at=None,
        number=None,
        number_heard=False,
        path=tuple((at.timestamp(), key, value) for key, value in notes),
        clips=(),
    )
    file(store, call, now=at)
    with store.write() as db:
        out_calls.finish_filed(db, now=at, ground=ground())


# ---------------------------------------------------------------- what may be dialled


@pytest.mark.parametrize(
    "telephone",
    [
        "",
        "0812345678",
        "+14155550100",
        "+62",
        "+62812${SHELL(id)}",
        "+6281234567801@trunk",
        "+62812345678\r\nAction: Command",
        "+62812345678,40",
        "+62٨١٢٣٤٥٦٧",
        "+628123456789012345",
    ],
)
def test_nothing_but_an_indonesian_number_is_ever_dialled(telephone: str) -> None:
    with pytest.raises(ValueError, match="not an Indonesian"):
        digits_of(telephone, plus=False)


def test_a_number_is_dialled_as_the_carrier_wants_it() -> None:
    assert digits_of(MAYOR, plus=False) == "081234567801"
    assert digits_of(MAYOR, plus=True) == "6281234567801"


@pytest.mark.parametrize(
    ("telephone", "may"),
    [
        ("+628091234567", False),
        ("+628091234", False),  # the shortest of all
        ("+62808999999999", True),
        ("+62810000000", True),
        ("+62280912345", True),  # 0809 in the middle
        ("+6285512345678", False),  # 0855 by 085X
        ("+6286412345678", True),
    ],
)
def test_what_begins_as_the_configuration_says_is_not_dialled(telephone: str, may: bool) -> None:
    assert may_be_dialled(telephone, ("0809", "085X")) is may
    assert may_be_dialled(telephone)


def test_a_premium_number_is_not_called_back(store: Store) -> None:
    premium = "+628091234567"
    asks(store, premium)
    with pytest.raises(Refused, match="tidak bisa"), store.write() as db:
        out_calls.call_back_now(
            *(db, entry(store).id),
            operator="",
            actor="operator",
            now=T0 + MINUTE,
            forbidden=HOURS,
            never=NEVER,
        )
    with store.write() as db:
        at = T0 + MINUTE
        assert out_calls.call_back_next(db, now=at, forbidden=HOURS, never=NEVER) is None
    assert entry(store).attempts[0].outcome is call_back.Outcome.GAVE_UP


def test_what_was_planned_before_it_was_forbidden_is_not_placed(store: Store) -> None:
    asks(store, "+628091234567")
    clicked(store)
    strict = replace(ground(), never=NEVER)
    with store.write() as db:
        assert out_calls.next_to_place(db, T0 + MINUTE, node="pbx1", most=9, ground=strict) is None
    assert out(store).outcome is Outcome.FAILED
    assert entry(store).attempts[0].outcome is call_back.Outcome.FAILED


def test_the_gateway_itself_dials_no_such_number() -> None:
    dialling = Dialling(port=1, user="u", secret="s", never=NEVER)
    order = Order(call_uid("pbx1", T0, 7), Purpose.OFFICER, "+628091234567")
    with pytest.raises(ValueError, match="may be dialled"):
        dialling.place(order)


@pytest.mark.parametrize("operator", ["OP1", "op1@elsewhere", "op1/n", "a", "op1,2", "op1\n"])
def test_only_an_operators_name_stands_in_a_channel(operator: str) -> None:
    order = Order("pbx1-1.2", Purpose.CALL_BACK, MAYOR, operator)
    with pytest.raises(ValueError, match="no operator"):
        fields_of(order, plus=False, ring_s=40)


def test_an_order_asks_for_our_own_contexts_alone() -> None:
    uid = call_uid("pbx1", T0, 7)
    assert CALL_ID.fullmatch(uid)
    fields = fields_of(Order(uid, Purpose.OFFICER, MAYOR), plus=False, ring_s=40)
    assert fields["Channel"] == "Local/081234567801@aduan-dial/n"
    assert (fields["Context"], fields["ChannelId"]) == ("aduan-out", uid)
    assert not {"Application", "Data"} & set(fields)
    back = fields_of(Order(uid, Purpose.CALL_BACK, MAYOR), plus=False, ring_s=40)
    assert (back["Channel"], back["Context"]) == ("Local/s@aduan-ring/n", "aduan-call-back")


# ---------------------------------------------------------------- what came of it


@pytest.mark.parametrize(
    ("purpose", "told", "outcome"),
    [
        (Purpose.CALL_BACK, {"operator": "NOANSWER"}, Outcome.NO_OPERATOR),
        (Purpose.CALL_BACK, {"operator": "TIMEOUT"}, Outcome.NO_OPERATOR),
        (Purpose.CALL_BACK, {}, Outcome.NO_OPERATOR),
        (Purpose.CALL_BACK, {"operator": "ANSWER", "dial": "BUSY"}, Outcome.BUSY),
        (Purpose.CALL_BACK, {"operator": "ANSWER", "dial": "ANSWER"}, Outcome.NO_ANSWER),
        (
            Purpose.CALL_BACK,
            {"operator": "ANSWER", "dial": "ANSWER", "consent": "1"},
            Outcome.ANSWERED,
        ),
        (Purpose.OFFICER, {"dial": "ANSWER"}, Outcome.ANSWERED),
        (Purpose.OFFICER, {"dial": "CANCEL"}, Outcome.NO_ANSWER),
        (Purpose.OFFICER, {"dial": "CHANUNAVAIL"}, Outcome.FAILED),
        (Purpose.OFFICER, {}, Outcome.FAILED),
    ],
)
def test_what_came_of_a_call(purpose: Purpose, told: dict[str, str], outcome: Outcome) -> None:
    assert outcome_of(purpose, told) is outcome


def test_a_call_back_that_talked_is_over(store: Store) -> None:
    asks(store)
    over(store, placed(store), OPERATOR, DIAL, CONSENT, at=T0 + 2 * MINUTE)
    assert out(store).outcome is Outcome.ANSWERED
    assert entry(store).state is call_back.State.TALKED


def test_a_call_back_that_is_busy_is_tried_again_later(store: Store) -> None:
    asks(store)
    over(store, placed(store), OPERATOR, ("dial", "BUSY"), at=T0 + 2 * MINUTE)
    assert entry(store).state is call_back.State.WAITING
    assert entry(store).next_at == T0 + 7 * MINUTE
    assert [each.outcome for each in entry(store).attempts] == [call_back.Outcome.BUSY]


def test_without_an_operator_no_try_is_used_up(store: Store) -> None:
    asks(store)
    for at in (T0 + MINUTE, T0 + HOUR):
        over(store, placed(store, at), ("operator", "TIMEOUT"), at=at + MINUTE)
    assert (entry(store).tries, entry(store).attempts) == (0, [])
    assert entry(store).state is call_back.State.WAITING


def test_filing_twice_changes_nothing(store: Store) -> None:
    asks(store)
    placing = placed(store)
    for _ in range(2):
        over(store, placing, OPERATOR, ("dial", "BUSY"), at=T0 + 2 * MINUTE)
    assert entry(store).tries == 1


# ---------------------------------------------------------------- once


def test_two_clicks_make_one_call(store: Store) -> None:
    asks(store)
    clicked(store)
    with pytest.raises(Refused):
        clicked(store)


@pytest.mark.parametrize(("at", "allowed"), [(local(2, 19, 59), True), (local(2, 20), False)])
def test_no_citizen_is_called_outside_the_hours(store: Store, at: datetime, allowed: bool) -> None:
    asks(store, at=local(2, 19))
    if not allowed:
        with pytest.raises(Refused):
            clicked(store, at)
        return
    clicked(store, at)
    assert next_one(store, local(2, 20)) is None
    assert next_one(store, at) is not None


def test_two_diallers_place_one_call(store: Store) -> None:
    asks(store)
    clicked(store)
    found = together(lambda: next_one(store), lambda: next_one(store))
    assert len([each for each in found if each is not None]) == 1


def test_no_more_than_so_many_at_once(store: Store) -> None:
    asks(store)
    clicked(store)
    assert next_one(store, most=0) is None


def test_an_order_without_an_answer_is_looked_up_before_it_is_given_again(store: Store) -> None:
    asks(store)
    clicked(store)
    at = T0 + MINUTE
    placing = next_one(store, at)
    assert placing is not None
    assert doubts(store, at + DOUBTFUL - TICK) == []
    [again] = doubts(store, at + DOUBTFUL)
    assert again is not None and again.call_uid == placing.call_uid
    assert (again.order, out(store).orders) == (2, 2)


def test_a_call_that_the_exchange_knows_is_not_ordered_again(store: Store) -> None:
    asks(store)
    clicked(store)
    placing = next_one(store)
    assert placing is not None
    assert doubts(store, T0 + MINUTE + DOUBTFUL, placing.call_uid) == [None]
    assert out(store).state is State.PLACED


def test_a_call_that_was_filed_meanwhile_is_not_ordered_again(store: Store) -> None:
    asks(store)
    clicked(store)
    placing = next_one(store)
    assert placing is not None
    over(store, placing, OPERATOR, DIAL, CONSENT, at=T0 + MINUTE + SECOND)
    assert doubts(store, T0 + HOUR) == []
    assert out(store).outcome is Outcome.ANSWERED


def test_an_exchange_that_takes_no_order_ends_it(store: Store) -> None:
    asks(store)
    clicked(store)
    at = T0 + MINUTE
    assert next_one(store, at)
    for _ in range(5):
        at += DOUBTFUL
        doubts(store, at)
    assert out(store).outcome is Outcome.FAILED
    assert entry(store).attempts[0].outcome is call_back.Outcome.FAILED


def test_a_call_that_is_nowhere_has_failed_and_is_not_placed_twice(store: Store) -> None:
    asks(store)
    placed(store)
    assert doubts(store, T0 + 2 * MINUTE) == [None]
    assert out(store).outcome is Outcome.FAILED


def test_another_exchange_looks_at_no_call_of_this_one(store: Store) -> None:
    """It knows nothing of them: it would place them again, or give up one that goes on."""
    asks(store)
    clicked(store)
    assert next_one(store) is not None
    late = T0 + HOUR
    with store.read() as db:
        assert [len(out_calls.doubtful(db, late, node)) for node in ("pbx1", "pbx2", "pbx")] == [
            *(1, 0, 0)
        ]


def test_the_calls_of_another_exchange_stand_in_nobodys_way(store: Store) -> None:
    asks(store)
    clicked(store)
    assert next_one(store) is not None
    asks(store, FARMER)
    with store.read() as db:
        due = [
            out_calls.somebody_due(db, T0 + 2 * MINUTE, HOURS, node) for node in ("pbx1", "pbx2")
        ]
    assert due == [False, True]
    with store.write() as db:
        assert out_calls.call_back_next(db, now=T0 + 2 * MINUTE, forbidden=HOURS)
    for node, free in (("pbx1", False), ("pbx2", True)):
        with store.write() as db:
            placing = out_calls.next_to_place(
                db, T0 + 2 * MINUTE, node=node, most=1, ground=ground()
            )
            assert (placing is not None) is free


def test_a_filed_call_is_left_to_the_filing_and_never_ordered_again(store: Store) -> None:
    asks(store)
    clicked(store)
    placing = next_one(store)
    assert placing is not None
    with store.write() as db:
        db.add(Call(call_uid=placing.call_uid, line="pbx1", started_at=T0, filed_at=T0))
    assert doubts(store, T0 + HOUR) == [None]
    assert out(store).state is State.PLACING


def test_what_cannot_be_written_down_holds_up_no_other_call(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(store)
    first = placed(store)
    asks(store, FARMER)
    with store.write() as db:
        assert out_calls.call_back_next(db, now=T0 + MINUTE, forbidden=HOURS)
    second = next_one(store)
    assert second is not None
    work = callbacks.settle

    def broken(session: Session, held: Claim, *rest: Any, **more: Any) -> bool:
        if held.caller == first.telephone:
            raise RuntimeError("broken")
        return work(session, held, *rest, **more)

    monkeypatch.setattr(callbacks, "settle", broken)
    for placing in (first, second):
        over(store, placing, OPERATOR, DIAL, CONSENT, at=T0 + 2 * MINUTE)
    with store.read() as db:
        states = {c.telephone: c.state for c in db.scalars(select(OutCall))}
    assert states == {first.telephone: State.PLACED, second.telephone: State.ENDED}
    monkeypatch.undo()
    with store.write() as db:
        assert out_calls.filed(db)
        out_calls.finish_filed(db, now=T0 + HOUR, ground=ground())
        assert not out_calls.filed(db)


def test_a_stale_call_back_is_not_placed_in_the_morning(store: Store) -> None:
    asks(store, at=local(2, 19))
    clicked(store, local(2, 19, 59))
    with store.write() as db:  # a day later somebody has talked to this person
        db.get_one(CallBack, 1).fence += 1
    assert next_one(store, local(3, 8)) is None
    assert out(store).outcome is Outcome.NEEDLESS


def test_a_call_of_ours_is_neither_silent_nor_a_complaint(store: Store) -> None:
    asks(store)
    over(store, placed(store), ("operator", "TIMEOUT"), at=T0 + 2 * MINUTE)
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(Complaint)) == 0
