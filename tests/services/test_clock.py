"""The clock's turns: everything in its time, nothing because of another, nothing from memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from callcenter.clock import Duty, Turns, duties
from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import TicketState
from callcenter.domain.timekeeping import MOST_DRIFT
from callcenter.gateways.channel import Arrival
from callcenter.services.notices import LEASE
from callcenter.store.models import Notice
from callcenter.store.session import Letter
from tests.databases import Database
from tests.services.conftest import (
    DAY,
    HOUR,
    MINUTE,
    SQLITE,
    T0,
    Mail,
    Town,
    keys,
    minutes,
    together,
)


def _counts(name: str, every_s: float, done: list[str], results: Iterable[int] = ()) -> Duty:
    left = list(results)

    def work(_now: datetime) -> int:
        done.append(name)
        return left.pop(0) if left else 0

    return Duty(name, every_s, work)


def _breaks(error: Exception) -> Duty:
    def work(_now: datetime) -> int:
        raise error

    return Duty("broken", 1.0, work)


# ---------------------------------------------------------------- turns


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT 1", {"phone": "+628123456789"}, Exception("the disk is full")),
        KeyError("emergency"),
        ValueError("+628123456789"),
        RuntimeError(),
        RecursionError(),
    ],
)
def test_a_duty_that_fails_holds_up_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    turns = Turns((_breaks(error), _counts("sound", 1.0, done), _breaks(error)))
    for second in range(5):
        turns.turn(T0, float(second))
    assert done == ["sound"] * 5
    assert "broken failed" in caplog.text
    assert "8123" not in caplog.text


def test_a_duty_that_fails_is_tried_again_after_a_while_not_at_once() -> None:
    tries: list[float] = []
    moment = 0.0

    def work(_now: datetime) -> int:
        tries.append(moment)
        raise ValueError

    turns = Turns((Duty("broken", 0.1, work),))
    while moment < 10:
        moment += max(0.01, turns.turn(T0, moment))
    assert all(1.9 < later - earlier < 2.1 for earlier, later in pairwise(tries))
    assert len(tries) == 5


def test_each_duty_has_its_own_pace() -> None:
    done: list[str] = []
    turns = Turns((_counts("quick", 0.5, done), _counts("slow", 5.0, done)))
    moment = 0.0
    while moment < 10:
        moment += turns.turn(T0, moment)
    assert done.count("quick") == 20
    assert done.count("slow") == 2


def test_a_duty_that_had_work_is_asked_again_at_once_without_starving_the_others() -> None:
    done: list[str] = []
    turns = Turns((_counts("busy", 60.0, done, [100, 100, 3]), _counts("other", 0.0, done)))
    rests = [turns.turn(T0, 0.0) for _ in range(5)]
    assert rests[:3] == [0.0, 0.0, 0.0]
    assert done.count("busy") == 4
    assert done.count("other") == 5


# ---------------------------------------------------------------- duties


class Letterbox:
    """A postman who keeps what he is given."""

    def __init__(self) -> None:
        self.posted: list[Letter] = []
        self.asked: list[int] = []

    def post(self, letters: Sequence[Letter]) -> None:
        self.posted += letters

    def ask(self, notice_ids: Iterable[int]) -> None:
        self.asked += notice_ids


def _duties(town: Town, box: Letterbox) -> dict[str, Callable[[datetime], int]]:
    made = duties(town.store, box, town.rules)  # type: ignore[arg-type]
    return {duty.name: duty.work for duty in made}


def test_what_was_never_posted_is_found_by_the_sweep_emergencies_first(town: Town) -> None:
    for urgency in ("report", "emergency", "report"):
        town.sent(urgency=urgency)
    box = Letterbox()
    _duties(town, box)["sweep"](T0)
    assert box.posted == [(2, True), (1, False), (3, False)]
    _duties(town, box)["sweep"](T0)
    assert len(box.posted) == 6  # until somebody has taken them


def test_the_sweep_leaves_alone_what_is_in_hands_sent_put_off_or_dead(town: Town) -> None:
    for _ in range(6):
        town.sent()
    states = ("sending", "sent", "delivered", "dead", "queued")
    with town.store.write() as db:
        for number, state in enumerate(states, 1):
            notice = db.get_one(Notice, number)
            notice.state, notice.claimed_at = state, T0
            notice.not_before = T0 + HOUR if state == "queued" else T0
    box = Letterbox()
    sweep = _duties(town, box)["sweep"]
    sweep(T0 + LEASE / 2)
    assert box.posted == [(6, False)]
    box.posted.clear()
    sweep(T0 + LEASE)
    assert [number for number, _ in box.posted] == [1, 6]
    box.posted.clear()
    sweep(T0 + HOUR)
    assert sorted(number for number, _ in box.posted) == [1, 5, 6]


def test_what_a_wrong_clock_stamped_with_the_future_is_not_waited_for(town: Town) -> None:
    """Written, put off or taken while the time was a day ahead: today it is due all the same."""
    for _ in range(3):
        town.sent(T0 + DAY)
    with town.store.write() as db:
        db.get_one(Notice, 2).not_before = T0 + DAY + HOUR
        taken = db.get_one(Notice, 3)
        taken.state, taken.claimed_at, taken.created_at = "sending", T0 + DAY, T0
    box = Letterbox()
    sweep = _duties(town, box)["sweep"]
    sweep(T0)
    assert sorted(number for number, _ in box.posted) == [1, 2, 3]
    box.posted.clear()
    sweep(T0 + DAY - MOST_DRIFT)  # from here on it may as well have been another machine's clock
    assert sorted(number for number, _ in box.posted) == []


def test_the_provider_is_asked_about_what_was_sent(town: Town, mail: Mail) -> None:
    town.sent()
    mail.work(T0)
    box = Letterbox()
    ask = _duties(town, box)["ask"]
    ask(T0 + MINUTE / 20)
    assert box.asked == []
    ask(T0 + MINUTE)
    assert box.asked == [1]
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    mail.ask(1, T0 + MINUTE)
    ask(T0 + DAY)
    assert box.asked == [1]


@SQLITE
def test_a_week_of_turns_carries_a_complaint_to_its_end(town: Town, mail: Mail) -> None:
    """One clock, one worker, a citizen who says nothing; in turns of five minutes."""
    ticket_id = town.sent()
    complaint_id = town.complaint_of(ticket_id)
    box = Letterbox()
    turns = Turns(duties(town.store, box, town.rules))  # type: ignore[arg-type]
    for channel in mail.all:
        channel.later = channel.receipt(Arrival.DELIVERED)
    todo: dict[datetime, Callable[[datetime], None]] = {
        T0 + 21 * HOUR: lambda at: town.respond(ticket_id, at),
        T0 + 22 * HOUR: lambda at: town.wait(ticket_id, at, at + 2 * DAY),
        T0 + 76 * HOUR: lambda at: town.report(ticket_id, at),
        T0 + 80 * HOUR: lambda at: town.asked(complaint_id, at),
    }
    for number, moment in enumerate(minutes(T0, T0 + 7 * DAY, 5)):
        todo.get(moment, lambda _at: None)(moment)
        turns.turn(moment, number * 300.0)
        for notice_id, _ in box.posted:
            mail.deliver(notice_id, moment)
        for notice_id in box.asked:
            mail.ask(notice_id, moment)
        box.posted.clear()
        box.asked.clear()
    found = town.found(complaint_id)
    assert (found.state, found.outcome) == (ComplaintState.CLOSED, Outcome.UNCONFIRMED)
    assert found.closed_at == T0 + 80 * HOUR + 3 * DAY
    assert town.ticket(ticket_id).state is TicketState.CLOSED
    assert keys(town.taken(ticket_id)) == [
        "dispatch",
        "next_officer",
        "secretary",
        "remind_team",
        "remind_head",
    ]
    assert {n.state for n in town.notices()} == {"delivered"}
    assert len(mail.sent()) == len({m.key for c in mail.all for m in c.sent}) == 11


def test_two_clocks_that_turn_at_random_do_everything_once(town: Town, database: Database) -> None:
    seed = random.randrange(10**6)
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    town.report_arrives(ticket_id, T0 + HOUR)
    town.asked(town.complaint_of(ticket_id), T0 + HOUR)
    sleeping = town.sent()
    town.respond(sleeping, T0 + HOUR)
    town.wait(sleeping, T0 + HOUR, T0 + 2 * DAY)
    forgotten = town.sent()

    def run(chance: random.Random) -> None:
        own = Town(database.store(), town.rules, town.folder, [])
        work = list(_duties(own, Letterbox()).values())
        moment = T0 + HOUR
        while moment < T0 + 5 * DAY:
            chance.shuffle(work)
            for duty in work:
                duty(moment)
            moment += chance.choice((HOUR, 3 * HOUR, 9 * HOUR))

    came = together(*(lambda n=n: run(random.Random(seed + n)) for n in range(2)))
    assert came == [None, None], seed
    town.clock(T0 + 6 * DAY)
    assert town.state(town.complaint_of(ticket_id)) is ComplaintState.CLOSED, seed
    verbs = [h.verb for h in town.history(ticket_id=sleeping)]
    assert verbs.count("wake") == 1, seed
    assert len(keys(town.taken(forgotten))) == len(set(keys(town.taken(forgotten)))) == 7, seed


def test_a_database_that_is_away_is_asked_again(town: Town, database: Database) -> None:
    """Its tables are gone for a while: every duty fails, none of them ends the clock."""
    ticket_id = town.sent()
    turns = Turns(duties(town.store, Letterbox(), town.rules))  # type: ignore[arg-type]
    _rename(database, "tickets", "elsewhere")
    turns.turn(T0 + 16 * MINUTE, 0.0)
    assert turns.turn(T0 + 16 * MINUTE, 1.0) > 0
    _rename(database, "elsewhere", "tickets")
    turns.turn(T0 + 16 * MINUTE, 10.0)
    assert keys(town.taken(ticket_id)) == ["dispatch", "next_officer"]


def _rename(database: Database, old: str, new: str) -> None:
    with database.store().write() as db:
        db.execute(text("PRAGMA legacy_alter_table=ON")) if "sqlite" in database.url else None
        db.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
