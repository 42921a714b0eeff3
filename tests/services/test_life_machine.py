"""Any sequence of all verbs, clocks, workers, deaths and late answers keeps the house in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import select

from callcenter.config.load import load
from callcenter.domain.complaint import ComplaintState, Outcome, all_answered, all_reported
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import next_step
from callcenter.gateways.channel import Arrival, Outgoing, Receipt, TransportError
from callcenter.services import delivery, desk, directory, notices, reports, sequence
from callcenter.services.delivery import Carriers, Claim, Result
from callcenter.services.errors import Refused
from callcenter.services.links import LinkSigner
from callcenter.store.models import Base, Complaint, Escalation, History, Notice, Ticket
from callcenter.store.search_index import differing
from callcenter.store.session import Store, make_engine
from callcenter.wiring import rules_of
from tests.services.conftest import DAY, HOUR, MINUTE, ROOT, T0, Town

CONFIG = load(ROOT / "config.yaml")
RULES = rules_of(CONFIG)
SPANS = (timedelta(seconds=50), 2 * MINUTE, 15 * MINUTE, HOUR, 5 * HOUR, 13 * HOUR, 30 * HOUR)
PEOPLE = ("pupr_1", "pupr_2", "pupr_head", "pdam_1", "coordinator")
ANSWERS = ("sent", "sent", "delivered", "busy", "refused", "lost", "lost but taken", "failed")

_WORKABLE = (
    TicketState.DISPATCHED,
    TicketState.ACCEPTED,
    TicketState.RESPONDED,
    TicketState.WAITING,
    TicketState.IN_PROGRESS,
)

picks = st.integers(0, 5)


class Provider:
    """A channel that knows what it took, and says so when it is asked; `answer` is the next one."""

    def __init__(self, name: str) -> None:
        self.name, self.answer, self.blind = name, "sent", False
        self.taken: dict[str, list[tuple[str, Arrival]]] = defaultdict(list)

    def send(self, message: Outgoing) -> Receipt:
        if self.answer == "busy":
            raise TransportError("429")
        if self.answer == "refused":
            raise TransportError("no such number", permanent=True)
        if self.answer == "lost":
            raise TransportError("timeout", ambiguous=True)
        arrival = Arrival.SENT if self.answer == "lost but taken" else Arrival(self.answer)
        mine = self.taken[message.key]
        mine.append((f"{self.name}/{message.key}/{len(mine)}"[-80:], arrival))
        if self.answer == "lost but taken":
            raise TransportError("timeout", ambiguous=True)
        return Receipt(*mine[-1])

    def find(self, message: Outgoing, since: datetime, *_: object) -> Receipt | None:
        if self.blind:
            raise TransportError("nobody answers", ambiguous=True)
        mine = self.taken[message.key]
        return Receipt(*mine[-1]) if mine else None

    def arrival(self, provider_id: str) -> Receipt:
        raise TransportError("nobody answers")

    def becomes(self, provider_id: str, arrival: Arrival) -> None:
        """What is known of a message changes."""
        for mine in self.taken.values():
            mine[:] = [(one, arrival if one == provider_id else was) for one, was in mine]


class Life(RuleBasedStateMachine):
    """The regency, three providers, and a clock that only we turn."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.engine = make_engine("sqlite://")
        Base.metadata.create_all(self.engine)
        self.letters: list[tuple[int, bool]] = []
        store = Store(self.engine, posted=self.letters.extend)
        self.town = Town(store, RULES, Path(self.folder.name), self.letters)
        self.providers = {name: Provider(name) for name in ("whatsapp", "sms", "email")}
        signer = LinkSigner("key", "https://aduan.example")
        self.carriers = Carriers.of(self.providers.values(), signer)
        self.now = T0
        self.stalled: list[tuple[Claim, Result]] = []
        self.complaints: list[int] = []
        self.tickets: list[int] = []

    @initialize(both=st.booleans())
    def a_first_complaint(self, both: bool) -> None:
        """Everybody of the configuration, and a complaint that one or two agencies have."""
        with self.town.store.write() as db:
            directory.sync(db, CONFIG, T0)
        self.complaints.append(self.town.complaint(self.now))
        for agency in ("pupr", "pdam")[: 1 + both]:
            self.tickets.append(self.town.dispatch(self.complaints[0], self.now, agency))

    def teardown(self) -> None:
        """When nothing more happens, everything comes to its end."""
        try:
            self._let_it_end()
        finally:
            self.engine.dispose()
            self.folder.cleanup()

    def _let_it_end(self) -> None:
        for provider in self.providers.values():
            provider.answer, provider.blind = "delivered", False
        for _ in range(12):
            self.now += 10 * DAY
            self.town.clock(self.now)
            self._work()
        for notice in self.town.notices():
            assert notice.state in ("sent", "delivered", "dead"), notice.key
            assert notice.error or notice.state != "dead"
        with self.town.store.read() as db:
            assert db.scalars(select(Ticket.id).where(Ticket.next_step_at.is_not(None))).all() == []
        self.everything_is_in_order()

    # ------------------------------------------------------------ time

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: timedelta) -> None:
        self.now += span

    @rule(duty=st.sampled_from(["steps", "wake", "close", "clock"]))
    def the_clock_turns(self, duty: str) -> None:
        getattr(self.town, duty)(self.now)

    @rule(days=st.integers(1, 4))
    def days_pass_in_turns(self, days: int) -> None:
        for _ in range(days * 4):
            self.now += 6 * HOUR
            self.town.clock(self.now)

    # ------------------------------------------------------------ desk and citizen

    @rule(urgency=st.sampled_from(["report", "emergency"]))
    def a_complaint_comes(self, urgency: str) -> None:
        if len(self.complaints) < 3:
            self.complaints.append(self.town.complaint(self.now, urgency=urgency))

    def _tries(self, verb: Callable[[], object]) -> bool:
        """Whether the verb was possible; what is refused changes nothing."""
        rows = self.town.count(History), self.town.count(Notice), len(self.letters)
        try:
            verb()
        except Refused:
            assert rows == (
                self.town.count(History),
                self.town.count(Notice),
                len(self.letters),
            )
            return False
        return True

    @rule(pick=picks, agency=st.sampled_from(["pupr", "pupr", "pdam", "gone"]))
    def an_operator_dispatches(self, pick: int, agency: str) -> None:
        complaint_id = _one(self.complaints, pick)
        if len(self.tickets) > 12:
            return

        def send() -> None:
            self.tickets.append(self.town.dispatch(complaint_id, self.now, agency))

        self._tries(send)

    @rule(pick=picks, agency=st.sampled_from(["dlh", "pln", "gone"]))
    def an_operator_plans_the_next_agency(self, pick: int, agency: str) -> None:
        complaint_id = _one(self.complaints, pick)
        if len(self.tickets) > 12:
            return

        def work() -> None:
            with self.town.store.write() as db:
                sequence.plan(
                    db, complaint_id, agency_key=agency, order="", actor="ani", now=self.now
                )

        self._tries(work)

    @rule(pick=picks)
    def an_operator_decides_that_the_others_are_enough(self, pick: int) -> None:
        complaint_id = _one(self.complaints, pick)
        self._tries(lambda: self.town.settle(complaint_id, self.now))

    @rule(pick=picks, what=st.sampled_from(["save", "propose", "confirm"]), who=picks)
    def an_operator_is_at_the_desk(self, pick: int, what: str, who: int) -> None:
        complaint_id, actor = _one(self.complaints, pick), _one(["ani", "budi"], who)

        def work() -> None:
            with self.town.store.write() as db:
                if what == "propose":
                    desk.propose_rejection(
                        db, complaint_id, reason="Iseng.", actor=actor, now=self.now
                    )
                elif what == "confirm":
                    desk.confirm_rejection(db, complaint_id, actor=actor, now=self.now)
                else:
                    found = desk.find(db, complaint_id)
                    form = desk.DeskForm(
                        transcript=found.transcript + " Lagi.",
                        category_key="waste",
                        village_code=found.village_code or "",
                        urgency=found.urgency.value,
                    )
                    desk.save(db, complaint_id, form, actor=actor, now=self.now, rules=RULES)

        self._tries(work)

    def _in_states(self, *states: ComplaintState) -> list[int]:
        return [c for c in self.complaints if self.town.state(c) in states]

    @precondition(lambda self: self._in_states(ComplaintState.ANSWERED))
    @rule(pick=picks)
    def the_citizen_is_asked(self, pick: int) -> None:
        complaint_id = _one(self._in_states(ComplaintState.ANSWERED), pick)
        assert self._tries(lambda: self.town.asked(complaint_id, self.now))

    @precondition(lambda self: self._in_states(ComplaintState.ANSWERED, ComplaintState.CLOSED))
    @rule(pick=picks, outcome=st.sampled_from([*Outcome, Outcome.SOLVED]))
    def the_citizen_speaks(self, pick: int, outcome: Outcome) -> None:
        could = self._in_states(ComplaintState.ANSWERED, ComplaintState.CLOSED)
        complaint_id = _one(could, pick)
        self._tries(lambda: self.town.word(complaint_id, outcome, self.now))

    @rule(pick=picks, outcome=st.sampled_from([None, *Outcome]))
    def the_citizen_calls_at_any_time(self, pick: int, outcome: Outcome | None) -> None:
        complaint_id = _one(self.complaints, pick)
        if outcome is None:
            self._tries(lambda: self.town.asked(complaint_id, self.now))
        else:
            self._tries(lambda: self.town.word(complaint_id, outcome, self.now))

    # ------------------------------------------------------------ agency

    @rule(pick=picks, verb=st.sampled_from(["accept", "respond", "return_", "start", "report"]))
    def an_officer_tries(self, pick: int, verb: str) -> None:
        ticket_id = _one(self.tickets, pick)
        self._tries(lambda: getattr(self.town, verb)(ticket_id, self.now))

    @rule(pick=picks, last=st.sampled_from(["respond", "report", "report", "return_"]))
    def every_officer_goes_on(self, pick: int, last: str) -> None:
        """With the tickets of a complaint that still have work left."""
        complaint_id = _one(self.complaints, pick)
        for ticket_id in self.tickets:
            ticket = self.town.ticket(ticket_id)
            if ticket.complaint_id == complaint_id and ticket.state in _WORKABLE:
                self._tries(lambda t=ticket_id: getattr(self.town, last)(t, self.now))  # type: ignore[misc]

    @rule(pick=picks, hours=st.sampled_from([-1, 0, 5, 72]))
    def an_officer_waits(self, pick: int, hours: int) -> None:
        ticket_id, until = _one(self.tickets, pick), self.now + hours * HOUR
        waits = self._tries(lambda: self.town.wait(ticket_id, self.now, until))
        assert not (waits and hours <= 0)

    @rule(key=st.sampled_from(PEOPLE), active=st.booleans())
    def somebody_leaves_or_comes_back(self, key: str, active: bool) -> None:
        self.town.change_person(key, active=active)

    # ------------------------------------------------------------ workers and providers

    def _work(self) -> None:
        with self.town.store.read() as db:
            due = notices.due(db, self.now)
        for notice_id, _ in due:
            delivery.deliver(
                self.town.store, notice_id, self.carriers, clock=lambda: self.now, rules=RULES
            )

    @rule(
        name=st.sampled_from(["whatsapp", "whatsapp", "sms", "email"]),
        answer=st.sampled_from(ANSWERS),
        blind=st.booleans(),
    )
    def a_provider_changes(self, name: str, answer: str, blind: bool) -> None:
        self.providers[name].answer, self.providers[name].blind = answer, blind

    @rule()
    def every_provider_is_well(self) -> None:
        """And everything that was sent arrives."""
        for provider in self.providers.values():
            provider.answer, provider.blind = "delivered", False
        self.now += HOUR
        self._work()
        for notice in self.town.notices(state="sent"):
            self._learn(notice, Arrival.DELIVERED)

    @rule(turns=st.integers(1, 3))
    def workers_turn(self, turns: int) -> None:
        for _ in range(turns):
            self._work()
            self.now += timedelta(seconds=20)

    @rule(pick=picks, sends=st.booleans())
    def a_worker_stalls_or_dies(self, pick: int, sends: bool) -> None:
        """It claimed a notice, and may have sent it; its result may still come."""
        with self.town.store.read() as db:
            due = notices.due(db, self.now)
        if not due:
            return
        with self.town.store.write() as db:
            claim = delivery.claim_notice(db, _one(due, pick)[0], self.carriers, now=self.now)
        if claim is not None and sends:
            result = delivery.attempt(claim, self.providers[claim.channel])
            self.stalled.append((claim, result))

    @precondition(lambda self: self.stalled)
    @rule(pick=picks)
    def a_stalled_worker_comes_back(self, pick: int) -> None:
        claim, result = self.stalled.pop(pick % len(self.stalled))
        with self.town.store.write() as db:
            delivery.settle(db, claim, result, now=self.now, rules=RULES)

    @rule(pick=picks, arrival=st.sampled_from([Arrival.DELIVERED, Arrival.FAILED]))
    def the_provider_tells(self, pick: int, arrival: Arrival) -> None:
        if sent := self.town.notices(state="sent"):
            self._learn(_one(sent, pick), arrival)

    def _learn(self, notice: Notice, arrival: Arrival) -> None:
        assert notice.channel
        assert notice.provider_id
        self.providers[notice.channel].becomes(notice.provider_id, arrival)
        with self.town.store.write() as db:
            stored = db.get_one(Notice, notice.id)
            delivery.arrived(db, stored, arrival, now=self.now, rules=RULES)

    @rule(pick=picks)
    def a_supervisor_resends(self, pick: int) -> None:
        dead = [n for n in self.town.notices() if n.state == "dead"]
        if dead:
            with self.town.store.write() as db:
                notices.resend(db, _one(dead, pick).id, actor="ani", now=self.now)

    # ------------------------------------------------------------ what always holds

    @invariant()
    def everything_is_in_order(self) -> None:
        with self.town.store.read() as db:
            assert differing(db.connection(), 0)[0] == []  # is found by what it holds
            complaints = db.scalars(select(Complaint)).all()
            tickets = db.scalars(select(Ticket)).all()
            history = db.scalars(select(History).order_by(History.id)).all()
            steps = db.scalars(select(Escalation).order_by(Escalation.id)).all()
            outbox = db.scalars(select(Notice).order_by(Notice.id)).all()
            for complaint in complaints:
                own = [h for h in history if h.complaint_id == complaint.id]
                _is_a_chain([h for h in own if h.ticket_id is None], complaint.state.value)
                _agrees_with_its_tickets(
                    complaint, own, bool(sequence.open_plans(db, complaint.id))
                )
                _is_closed_rightly(complaint, own)
            for ticket in tickets:
                own = [h for h in history if h.ticket_id == ticket.id]
                _is_a_chain(own, ticket.state.value)
                _has_its_next_step(ticket, [s for s in steps if s.ticket_id == ticket.id])
                _is_reported_rightly(ticket, outbox)
            _each_once(steps, history, outbox)
        self._nobody_got_it_twice()

    def _nobody_got_it_twice(self) -> None:
        got: Counter[str] = Counter()
        for provider in self.providers.values():
            for key, mine in provider.taken.items():
                got[key] += sum(arrival is not Arrival.FAILED for _, arrival in mine)
        assert not [key for key, times in got.items() if times > 1]


def _one(things: Sequence[Any], pick: int) -> Any:
    return things[pick % len(things)]


def _is_a_chain(rows: Iterable[History], now: str) -> None:
    moves = [(h.from_state, h.to_state) for h in rows if h.to_state]
    assert moves[0][0] == ""
    assert all(before[1] == after[0] for before, after in pairwise(moves)), moves
    assert moves[-1][1] == now, moves


def _agrees_with_its_tickets(complaint: Complaint, history: list[History], to_come: bool) -> None:
    reopened = max((h.id for h in history if h.verb == "reopen"), default=0)
    sent = {h.ticket_id for h in history if h.verb == "dispatch" and h.id > reopened}
    states = [t.state for t in complaint.tickets]
    this_round = [t.state for t in complaint.tickets if t.id in sent]
    live = [state for state in this_round if state is not TicketState.RETURNED]
    match complaint.state:
        case ComplaintState.CATEGORISED | ComplaintState.NOT_ACTIONABLE:
            assert not live
        case ComplaintState.DISPATCHED:
            assert live
            assert not all_answered(states) or complaint.returned_at or to_come
        case ComplaintState.ANSWERED:
            assert live
            assert all_answered(states)
        case ComplaintState.REOPENED:
            assert states
            assert not this_round
        case ComplaintState.CLOSED:
            assert {s for s in states if s is not TicketState.RETURNED} == {TicketState.CLOSED}
        case _:
            assert not states


def _is_closed_rightly(complaint: Complaint, history: list[History]) -> None:
    if complaint.state is not ComplaintState.CLOSED:
        assert complaint.closed_at is None
        return
    assert complaint.closed_at is not None
    assert all_reported([t.state for t in complaint.tickets])
    words = [h for h in history if h.verb in ("word", "dispatch", "asked") and h.ticket_id is None]
    if complaint.outcome is Outcome.SOLVED:
        said = [h for h in words if h.verb == "word"]
        assert said[-1].why == "solved"
    else:
        assert complaint.outcome is Outcome.UNCONFIRMED
        assert words[-1].verb == "asked"
        assert complaint.closed_at - words[-1].at >= RULES.closing_after


def _has_its_next_step(ticket: Ticket, steps: list[Escalation]) -> None:
    taken = [step.step_key for step in steps]
    assert taken[0] == "dispatch"
    due = next_step(RULES.ladders[ticket.urgency], ticket.times, taken, RULES.night)
    assert ticket.next_step_key == (due.step.key if due else None)
    assert ticket.next_step_at == (due.release if due else None)
    assert all(step.due_at <= step.taken_at for step in steps)


def _is_reported_rightly(ticket: Ticket, outbox: Iterable[Notice]) -> None:
    own = [n for n in outbox if n.ticket_id == ticket.id and n.kind == reports.KIND]
    assert bool(own) == (ticket.report is not None) == (ticket.handled_at is not None)
    arrived = any(n.delivered_at is not None for n in own)
    done = ticket.state in (TicketState.REPORTED, TicketState.CLOSED)
    assert done == arrived == (ticket.reported_at is not None)


def _each_once(
    steps: Iterable[Escalation], history: Iterable[History], outbox: Iterable[Notice]
) -> None:
    taken = Counter((step.ticket_id, step.step_key) for step in steps)
    written = Counter((h.ticket_id, h.why) for h in history if h.verb in ("step", "missed"))
    assert set(taken.values()) <= {1}
    assert taken == written
    assert set(Counter(n.key for n in outbox).values()) <= {1}
    for notice in outbox:
        assert (notice.state == "sending") == (notice.claimed_at is not None)
        assert notice.tries >= len(notice.attempts)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shorten what failed takes minutes
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
