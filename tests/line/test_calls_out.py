"""Calls that the line places itself, over a real Asterisk, all of them at the same time.

The carrier, the people behind it and the operator are telephones of the tests. Prompts are
noises of known length. The dialler and the filing are the product's own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from callcenter.dialler import Dialler, Ways
from callcenter.domain.call_back import Outcome as Came
from callcenter.domain.call_back import Reason
from callcenter.domain.call_back import State as Standing
from callcenter.domain.out_call import Outcome, State
from callcenter.domain.window import Night
from callcenter.gateways.asterisk import CallsOut, Operator, Trunk
from callcenter.gateways.dialling import Dialling, Order
from callcenter.gateways.pbx import PbxUnavailable
from callcenter.services import out_calls
from callcenter.services.filing import Filing, Sweeper
from callcenter.store.line_models import CallBack
from callcenter.store.models import Base, Call
from callcenter.store.outgoing_models import OutCall
from callcenter.store.session import Store, make_engine
from ivr.caller.hearing import contains
from ivr.caller.script import read_audio
from ivr.spool import Spool
from tests.line.asterisk import RunningAsterisk, start, until
from tests.line.desk import Desk
from tests.line.noises import RATE, make_noises, noise
from tests.line.people import People, Person
from tests.line.softphone import alaw

pytestmark = [pytest.mark.line, pytest.mark.timeout(120)]

ACCOUNT = Operator("op1", "a-secret-of-op1")
NO_NIGHT = Night(time(3, 0), time(3, 0), ZoneInfo("Asia/Makassar"))
SPOKEN = read_audio(Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav")[: 2 * RATE]
GREETING = noise("id", "what the operator says")
CONSENT = noise("id", "welcome_consent")
VOICE = alaw(SPOKEN / 32768)
RING_S = 4

TALKS, BUSY, AWAY, WRONG, RUDE = (f"+62812000010{n}" for n in range(5))
KILLED_BEFORE, KILLED_AFTER = "+628120000201", "+628120000202"


def local(telephone: str) -> str:
    return "0" + telephone[3:]


PEOPLE = {
    local(TALKS): Person(steps=((CONSENT, VOICE),), talk_s=3.0),
    local(BUSY): Person(refuses="486 Busy Here"),
    local(AWAY): Person(rings=True),
    local(WRONG): Person(refuses="404 Not Found"),
    local(RUDE): Person(talk_s=0.2),  # hangs up while the consent is said
    local(KILLED_BEFORE): Person(steps=((CONSENT, VOICE),)),
    local(KILLED_AFTER): Person(steps=((CONSENT, VOICE),)),
}


class Killed(Dialling):
    """An exchange under whose dialler the application dies, before or after the order."""

    dies = ""

    def place(self, order: Order) -> None:
        if self.dies == "after":
            super().place(order)
        raise PbxUnavailable("killed")


@dataclass
class Town:
    """The exchange, the people, and what the product's own parts made of it."""

    pbx: RunningAsterisk
    people: People
    operator: Desk
    store: Store
    recordings: Path

    def out_call(self, telephone: str) -> OutCall:
        with self.store.read() as db:
            found = db.scalars(select(OutCall).where(OutCall.telephone == telephone)).all()
            [only] = found
            return only

    def call(self, telephone: str) -> Call:
        with self.store.read() as db:
            whole = select(Call).options(
                selectinload(Call.recordings), selectinload(Call.complaint)
            )
            uid = self.out_call(telephone).call_uid
            return db.scalars(whole.where(Call.call_uid == uid)).one()

    def call_back(self, telephone: str) -> CallBack:
        with self.store.read() as db:
            entry = db.scalars(select(CallBack).where(CallBack.caller == telephone)).one()
            _ = entry.attempts
            return entry


def asked(store: Store, telephone: str) -> int:
    """Somebody wants to be called back."""
    now = datetime.now(UTC)
    with store.write() as db:
        entry = CallBack(
            caller=telephone,
            open_caller=telephone,
            reason=Reason.ASKED,
            state=Standing.WAITING,
            requested_at=now,
            next_at=now,
        )
        db.add(entry)
        db.flush()
        return entry.id


def click(store: Store, telephone: str) -> None:
    """An operator asks for this call."""
    call_back_id = asked(store, telephone)
    with store.write() as db:
        out_calls.call_back_now(
            db,
            call_back_id,
            operator=ACCOUNT.user,
            actor="operator",
            now=datetime.now(UTC),
            forbidden=NO_NIGHT,
        )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("pbx")
    make_noises(folder / "prompts", "id", KEYS)
    store = Store(make_engine(f"sqlite:///{folder}/db.sqlite"))
    Base.metadata.create_all(store.engine)
    with ExitStack() as stack:
        people = stack.enter_context(People(PEOPLE))
        operator = stack.enter_context(Desk(say=alaw(GREETING / 32768) * 4, talk_s=40.0))
        pbx = start(
            folder,
            prompts=folder / "prompts" / "id",
            trunk=Trunk("127.0.0.1", "03665501000", "carrier-secret", people.port),
            calls_out=CallsOut(ring_seconds=RING_S, operator_seconds=6),
            operators=(ACCOUNT,),
        )
        stack.callback(pbx.stop)
        assert operator.register(pbx.sip_port, ACCOUNT.user, ACCOUNT.secret) == "200"
        spool = Spool(pbx.spool, folder / "quarantine")
        spool.prepare()
        ways = Ways(store, spool, "pbx1", NO_NIGHT, most=20, backs=True)
        _killed(ways, pbx)
        asked(store, TALKS)
        for telephone in (BUSY, AWAY, WRONG, RUDE):
            click(store, telephone)
        _run(stack, ways, pbx, Filing(store, spool, folder / "recordings", 0.5))
        until(lambda: _all_over(store), 60)
        yield Town(pbx, people, operator, store, folder / "recordings")


KEYS = {"welcome", "welcome_consent", "beep", "pause"}


def exchange(pbx: RunningAsterisk, kind: type[Dialling] = Dialling) -> Dialling:
    settings = pbx.settings
    return kind(port=settings.ami_port, user=settings.dialler_user, secret=settings.ami_secret)


def _killed(ways: Ways, pbx: RunningAsterisk) -> None:
    """Two applications that die with a call in their hands; whoever comes next looks at it."""
    for dies, telephone in (("before", KILLED_BEFORE), ("after", KILLED_AFTER)):
        click(ways.store, telephone)
        dying = exchange(pbx, Killed)
        assert isinstance(dying, Killed)
        dying.dies = dies
        dying.start()
        until(partial(getattr, dying, "connected"))
        with pytest.raises(PbxUnavailable):
            Dialler(ways, dying).turn()
        dying.stop()


def _run(stack: ExitStack, ways: Ways, pbx: RunningAsterisk, filing: Filing) -> None:
    over = threading.Event()
    sweeper = Sweeper(filing, "pbx1", 600)
    dialler = Dialler(ways, exchange(pbx))
    looking = exchange(pbx)

    def file() -> None:
        looking.start()
        until(lambda: looking.connected)
        while not over.wait(0.2):
            sweeper.sweep(datetime.now(UTC), looking.live_calls)
        looking.stop()

    thread = threading.Thread(target=file, daemon=True)
    dialler.start()
    thread.start()
    stack.callback(thread.join)
    stack.callback(over.set)
    stack.callback(dialler.stop)


def _all_over(store: Store) -> bool:
    with store.read() as db:
        calls = db.scalars(select(OutCall)).all()
        waiting = db.scalars(select(CallBack).where(CallBack.claimed_at.is_(None))).all()
        done = {call.call_back_id for call in calls}
        return all(c.state is State.ENDED for c in calls) and all(w.id in done for w in waiting)


# ---------------------------------------------------------------- call-backs


def test_who_asked_is_called_back_talks_and_is_recorded_after_the_consent(town: Town) -> None:
    out, call = town.out_call(TALKS), town.call(TALKS)
    assert out.outcome is Outcome.ANSWERED
    assert (call.caller, call.mode) == (TALKS, "out-back")
    assert call.consent_at is not None
    [talk] = [clip for clip in call.recordings if clip.kind == "talk"]
    recorded = read_audio(town.recordings / talk.path)
    assert contains(recorded, SPOKEN[: RATE // 2])
    assert not contains(recorded, CONSENT)
    heard = town.people.talk(local(TALKS)).samples()
    assert contains(heard, CONSENT) and contains(heard, GREETING)
    assert town.call_back(TALKS).state is Standing.TALKED
    assert call.complaint and call.complaint.reporter_phone == TALKS


@pytest.mark.parametrize(
    ("telephone", "outcome", "came"),
    [
        (BUSY, Outcome.BUSY, Came.BUSY),
        (AWAY, Outcome.NO_ANSWER, Came.NO_ANSWER),
        (WRONG, Outcome.FAILED, Came.FAILED),
        (RUDE, Outcome.NO_ANSWER, Came.NO_ANSWER),
    ],
)
def test_who_is_not_reached_is_tried_again_later(
    town: Town, telephone: str, outcome: Outcome, came: Came
) -> None:
    entry, out = town.call_back(telephone), town.out_call(telephone)
    assert out.outcome is outcome
    assert [attempt.outcome for attempt in entry.attempts] == [came]
    assert entry.state is Standing.WAITING and entry.tries == 1
    assert entry.next_at and out.ended_at and entry.next_at - out.ended_at == timedelta(minutes=5)
    assert town.call(telephone).recordings == []


@pytest.mark.parametrize(("telephone", "orders"), [(KILLED_BEFORE, 2), (KILLED_AFTER, 1)])
def test_an_application_that_dies_around_the_order_makes_one_call(
    town: Town, telephone: str, orders: int
) -> None:
    assert len(town.people.talks(local(telephone))) == 1
    assert town.out_call(telephone).orders == orders
    assert town.out_call(telephone).outcome is Outcome.ANSWERED


def test_a_person_sees_the_hotline_and_no_other_number(town: Town) -> None:
    shown = town.people.talk(local(TALKS)).invite
    assert "<sip:03665501000@" in shown
    assert all(number == "03665501000" for number in town.operator.callers)
