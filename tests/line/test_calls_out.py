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
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import soundfile
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from callcenter.config import load
from callcenter.dialler import Dialler, Ways
from callcenter.domain.call_back import Outcome as Came
from callcenter.domain.call_back import Reason
from callcenter.domain.call_back import State as Standing
from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.complaint import Outcome as Solved
from callcenter.domain.out_call import Outcome, State
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Night
from callcenter.errands import Errands
from callcenter.gateways.asterisk import CallsOut, Operator, Trunk
from callcenter.gateways.dialling import Dialling, Order
from callcenter.gateways.pbx import PbxUnavailable
from callcenter.services import directory, out_calls
from callcenter.services.filing import Filing, Sweeper
from callcenter.services.out_plans import Ground, call_officer
from callcenter.services.pins import officer_pin
from callcenter.store.line_models import CallBack
from callcenter.store.models import Base, Call, Complaint, Notice, Recording, Ticket
from callcenter.store.models import Person as Officer
from callcenter.store.outgoing_models import OutCall
from callcenter.store.session import Store, make_engine
from callcenter.wiring import rules_of
from ivr.asterisk import LineSettings, serve
from ivr.caller.g711 import Samples
from ivr.caller.hearing import contains
from ivr.caller.script import read_audio
from ivr.menu import Limits
from ivr.menu_out import build_closing_menu, build_officer_menu
from ivr.numbers import make_number
from ivr.spool import Spool
from tests.line.asterisk import RunningAsterisk, start, until
from tests.line.desk import Desk
from tests.line.noises import RATE, keys_of, make_noises, noise
from tests.line.people import People, Person
from tests.line.softphone import SILENCE, alaw, key_tone

pytestmark = [pytest.mark.line, pytest.mark.timeout(120)]

ACCOUNT = Operator("op1", "a-secret-of-op1")
NO_NIGHT = Night(time(3, 0), time(3, 0), ZoneInfo("Asia/Makassar"))
SPOKEN = read_audio(Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav")[: 2 * RATE]
GREETING = noise("id", "what the operator says")
CITIZEN = noise("id", "what the citizen said")
CONSENT = noise("id", "welcome_consent")
VOICE = alaw(SPOKEN / 32768)
RING_S = 4
CONFIG = load(Path(__file__).parents[2] / "config.yaml")
RULES = rules_of(CONFIG)
SECRET = "the installation's secret"
LIMITS = Limits(
    complaint_s=8, complaint_silence_s=2, digit_wait_s=2.0, again_wait_s=1.0, status_tries=1
)

TALKS, BUSY, AWAY, WRONG, RUDE = (f"+62812000010{n}" for n in range(5))
KILLED_BEFORE, KILLED_AFTER = "+628120000201", "+628120000202"


def local(telephone: str) -> str:
    return "0" + telephone[3:]


def keys(digits: str) -> bytes:
    """Keys as a telephone without events presses them."""
    return b"".join(SILENCE * 10 + key_tone(digit) for digit in digits)


def officer(key: str, *steps: tuple[str, bytes], person: str, **values: Any) -> Person:
    """Types the PIN, then a key at the menu, then does the rest."""
    pin = keys(officer_pin(person, SECRET))
    told = (("officer_pin", pin), ("officer_menu", keys(key)), *steps)
    return Person(
        steps=tuple((noise("id", prompt), sound) for prompt, sound in told),
        **{"hangs_up": False, **values},
    )


def citizen(*steps: tuple[str, bytes]) -> Person:
    return Person(
        steps=tuple((noise("id", prompt), sound) for prompt, sound in steps), hangs_up=False
    )


REPORT = SILENCE * 40 + VOICE
OFFICERS = {
    "pupr_1": officer("1", person="pupr_1"),
    "dishub_1": officer("2", person="dishub_1"),
    "dlh_1": officer("3", person="dlh_1"),
    "dinkes_1": officer("4", ("ask_report", REPORT), person="dinkes_1"),
    "dinsos_1": Person(rings=True),
    "dinsos_2": officer("1", person="dinsos_2"),
    "dukcapil_1": Person(steps=((noise("id", "officer_pin"), keys("0000")),), talk_s=0.5),
    "dukcapil_2": Person(refuses="486 Busy Here"),
    "satpolpp_1": officer(
        "4", ("ask_report", REPORT), person="satpolpp_1", hangs_up=True, talk_s=2.5
    ),
}
TELEPHONES = {
    person.key: person.phone or "" for agency in CONFIG.agencies for person in agency.team
}
SOLVED, NOT_SOLVED, SILENT = (f"+62812000030{n}" for n in range(3))
CITIZENS = {
    SOLVED: citizen(("closing_menu", keys("1"))),
    NOT_SOLVED: citizen(("closing_menu", keys("2")), ("ask_reason", REPORT)),
    SILENT: citizen(),
}
PEOPLE = {local(TELEPHONES[key]): person for key, person in OFFICERS.items()} | {
    local(telephone): person for telephone, person in CITIZENS.items()
}
PEOPLE |= {
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
    book = make_noises(folder / "prompts", "id", KEYS)
    store = Store(make_engine(f"sqlite:///{folder}/db.sqlite"))
    Base.metadata.create_all(store.engine)
    with ExitStack() as stack:
        people = stack.enter_context(People(PEOPLE))
        operator = stack.enter_context(
            Desk(say=(alaw(GREETING / 32768) + SILENCE * 80) * 15, talk_s=40.0)
        )
        pbx = start(
            folder,
            prompts=folder / "prompts" / "id",
            trunk=Trunk("127.0.0.1", "03665501000", "carrier-secret", people.port),
            calls_out=CallsOut(ring_seconds=RING_S, operator_seconds=6),
            operators=(ACCOUNT,),
        )
        stack.callback(pbx.stop)
        assert operator.register(pbx.sip_port, ACCOUNT.user, ACCOUNT.secret) == "200"
        pbx.sign_in(ACCOUNT.user)
        spool = Spool(pbx.spool, folder / "quarantine")
        spool.prepare()
        with store.write() as db:
            directory.sync(db, CONFIG, datetime.now(UTC))
        (folder / "recordings").mkdir()
        ground = Ground(NO_NIGHT, RULES, folder / "recordings", tries=1)
        ways = Ways(store, spool, "pbx1", ground, most=20, backs=True)
        _killed(ways, pbx)
        _tickets(store, folder / "recordings")
        _answered(store)
        errands = Errands(store, lambda: {"id": book}, LIMITS, folder / "recordings", SECRET)
        line = serve(
            LineSettings(
                *(pbx.spool, folder / "quarantine", folder / "prompts"),
                port=pbx.settings.agi_port,
                limits=LIMITS,
                errand=errands.of,
            ),
            books=lambda: {"id": book},
        )
        line.start()
        stack.callback(line.stop)
        asked(store, TALKS)
        for telephone in (BUSY, AWAY, WRONG, RUDE):
            click(store, telephone)
        _run(stack, ways, pbx, Filing(store, spool, folder / "recordings", 0.5))
        try:
            until(lambda: _all_over(store), 40)
        except AssertionError:
            raise AssertionError(_standing(store, spool)) from None
        yield Town(pbx, people, operator, store, folder / "recordings")


KEYS = keys_of(build_officer_menu(LIMITS), build_closing_menu(LIMITS)) | {
    *("welcome", "welcome_consent", "brief_report", "time_left", "hours", "minutes", "days"),
}


def _tickets(store: Store, recordings: Path) -> None:
    """A ticket for each of these agencies, whose first officer is called; one has a voice."""
    now = datetime.now(UTC)
    soundfile.write(recordings / "complaint.wav", CITIZEN / 32768, RATE, subtype="PCM_16")
    with store.write() as db:
        for serial, key in enumerate(k for k in OFFICERS if k.endswith("_1")):
            complaint = _complaint(db, serial, ComplaintState.DISPATCHED, now)
            ticket = _ticket(complaint, key.removesuffix("_1"), TicketState.DISPATCHED, now)
            db.flush()
            if key == "pupr_1":
                complaint.call = _spoken(now)
            person = db.get_one(Officer, key)
            assert call_officer(db, ticket.id, person, "next_officer", now=now)
            assert call_officer(db, ticket.id, person, "next_officer", now=now) is None


def _answered(store: Store) -> None:
    """Complaints that are answered and reported: whether they are solved is asked."""
    now = datetime.now(UTC)
    with store.write() as db:
        for serial, telephone in enumerate(CITIZENS, 100):
            complaint = _complaint(db, serial, ComplaintState.ANSWERED, now)
            complaint.reporter_phone = telephone
            _ticket(complaint, "pupr", TicketState.REPORTED, now)


def _complaint(db: Session, serial: int, state: ComplaintState, now: datetime) -> Complaint:
    complaint = Complaint(
        public_number=make_number(500_000 + serial), state=state, channel="phone", received_at=now
    )
    db.add(complaint)
    return complaint


def _ticket(complaint: Complaint, agency: str, state: TicketState, now: datetime) -> Ticket:
    ticket = Ticket(
        agency_key=agency,
        urgency=Urgency.REPORT,
        state=state,
        dispatched_at=now,
        due_at=now + timedelta(hours=24),
    )
    complaint.tickets.append(ticket)
    return ticket


def _spoken(now: datetime) -> Call:
    clip = Recording(
        kind="complaint",
        take=1,
        path="complaint.wav",
        sha256="0" * 64,
        bytes=1,
        seconds=1.0,
        speech_seconds=1.0,
    )
    return Call(call_uid="pbx1-1.1", line="pbx1", started_at=now, filed_at=now, recordings=[clip])


def exchange(pbx: RunningAsterisk, kind: type[Dialling] = Dialling) -> Dialling:
    settings = pbx.settings
    return kind(port=settings.ami_port, user=settings.dialler_user, secret=settings.dialler_secret)


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

    def live() -> frozenset[str] | None:
        try:
            return looking.live_calls()
        except PbxUnavailable:
            return None

    def file() -> None:
        looking.start()
        until(lambda: looking.connected)
        while not over.wait(0.2):
            sweeper.sweep(datetime.now(UTC), live)
        looking.stop()

    thread = threading.Thread(target=file, daemon=True)
    dialler.start()
    thread.start()
    stack.callback(thread.join)
    stack.callback(over.set)
    stack.callback(dialler.stop)


def _standing(store: Store, spool: Spool) -> str:
    """What is not over, for whoever has to find out why."""
    with store.read() as db:
        calls = db.scalars(select(OutCall)).all()
        asked_for = db.scalars(select(CallBack)).all()
    left = [f"{c.key} {c.state} {c.call_uid}" for c in calls if c.state is not State.ENDED]
    lying = [(call_id, spool.sidecar_path(call_id).read_text()) for call_id in spool.call_ids()]
    backs = [f"{b.caller} {b.reason} {b.state} {b.claimed_at}" for b in asked_for]
    return "\n".join([f"{len(calls)} of {len(PEOPLE)} calls", *left, *backs, *map(str, lying)])


def _all_over(store: Store) -> bool:
    with store.read() as db:
        calls = db.scalars(select(OutCall)).all()
        waiting = db.scalars(select(CallBack).where(CallBack.claimed_at.is_(None))).all()
        done = {call.call_back_id for call in calls}
        if len(calls) < len(PEOPLE):
            return False
        return all(c.state is State.ENDED for c in calls) and all(w.id in done for w in waiting)


# ---------------------------------------------------------------- call-backs


def test_who_asked_is_called_back_talks_and_is_recorded_after_the_consent(town: Town) -> None:
    out, call = town.out_call(TALKS), town.call(TALKS)
    assert out.outcome is Outcome.ANSWERED
    assert (call.caller, call.mode) == (TALKS, "out-back")
    assert call.consent_at is not None
    [talk] = [clip for clip in call.recordings if clip.kind == "talk"]
    recorded = read_audio(town.recordings / talk.path)
    pieces = (SPOKEN[at : at + RATE // 2] for at in range(0, 2 * RATE, RATE // 2))
    assert any(contains(recorded, piece) for piece in pieces)  # the operator speaks, too
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


# ---------------------------------------------------------------- officers


def heard_by(town: Town, person: str) -> Samples:
    return town.people.talk(local(TELEPHONES[person])).samples()


def ticket_of(town: Town, agency: str) -> Ticket:
    with town.store.read() as db:
        ticket = db.scalars(
            select(Ticket)
            .where(Ticket.agency_key == agency)
            .order_by(Ticket.id)
            .options(selectinload(Ticket.attachments), selectinload(Ticket.report))
        ).first()
        assert ticket
        return ticket


def test_an_officer_hears_the_citizen_and_accepts(town: Town) -> None:
    heard = heard_by(town, "pupr_1")
    said = ("officer_greeting", "brief_report", "number_intro", "officer_menu", "officer_accepted")
    assert all(contains(heard, noise("id", prompt)) for prompt in said)
    assert contains(heard, CITIZEN)
    ticket = ticket_of(town, "pupr")
    assert (ticket.state, ticket.accepted_by) == (TicketState.ACCEPTED, "person:pupr_1")
    assert town.people.talks(local(TELEPHONES["pupr_2"])) == []


def test_an_officer_returns_what_is_not_theirs(town: Town) -> None:
    assert ticket_of(town, "dishub").state is TicketState.RETURNED


def test_an_officer_who_has_to_wait_accepts_and_is_asked_what_for(town: Town) -> None:
    assert ticket_of(town, "dlh").accepted_by == "person:dlh_1"
    with town.store.read() as db:
        [notice] = db.scalars(select(Notice).where(Notice.kind == "waiting-asked")).all()
        assert notice.person_key == "dlh_1"


@pytest.mark.parametrize("agency", ["dinkes", "satpolpp"])
def test_a_report_is_spoken_and_one_who_hangs_up_has_spoken_too(town: Town, agency: str) -> None:
    ticket = ticket_of(town, agency)
    assert ticket.state is TicketState.HANDLED and ticket.report
    [voice] = ticket.attachments
    assert (voice.purpose, voice.added_by) == ("spoken", f"person:{agency}_1")
    spoken = read_audio(town.recordings / voice.path)
    assert contains(spoken, SPOKEN[: RATE // 2])


def test_who_does_not_answer_is_followed_by_the_next_of_the_team(town: Town) -> None:
    assert town.out_call(TELEPHONES["dinsos_1"]).outcome is Outcome.NO_ANSWER
    assert ticket_of(town, "dinsos").accepted_by == "person:dinsos_2"


def test_without_the_pin_nothing_is_heard_and_the_next_is_called(town: Town) -> None:
    heard = heard_by(town, "dukcapil_1")
    assert not contains(heard, noise("id", "officer_menu"))
    assert town.out_call(TELEPHONES["dukcapil_1"]).word == ""
    assert town.out_call(TELEPHONES["dukcapil_2"]).outcome is Outcome.BUSY
    assert ticket_of(town, "dukcapil").state is TicketState.DISPATCHED


def test_nobody_is_called_twice(town: Town) -> None:
    for number in PEOPLE:
        assert len(town.people.talks(number)) == 1, number


# ---------------------------------------------------------------- is it solved?


def complaint_of(town: Town, telephone: str) -> Complaint:
    with town.store.read() as db:
        out = town.out_call(telephone)
        return db.get_one(Complaint, out.complaint_id)


def test_a_citizen_says_that_it_is_solved(town: Town) -> None:
    complaint = complaint_of(town, SOLVED)
    assert (complaint.state, complaint.outcome) == (ComplaintState.CLOSED, Solved.SOLVED)


def test_a_citizen_says_that_it_is_not_solved_and_why(town: Town) -> None:
    assert complaint_of(town, NOT_SOLVED).state is ComplaintState.REOPENED
    [reason] = town.call(NOT_SOLVED).recordings
    assert reason.kind == "reason"
    assert contains(read_audio(town.recordings / reason.path), SPOKEN[: RATE // 2])


def test_silence_after_the_last_try_starts_to_count_and_closes_nothing_yet(town: Town) -> None:
    complaint = complaint_of(town, SILENT)
    assert (complaint.state, complaint.outcome) == (ComplaintState.ANSWERED, None)
    assert complaint.asked_at is not None


def test_what_is_said_to_us_makes_no_complaint(town: Town) -> None:
    with town.store.read() as db:
        made = db.scalars(select(Complaint).join(Call, Complaint.call_id == Call.id)).all()
        modes = {complaint.call.mode for complaint in made if complaint.call}
    assert "out" not in modes
