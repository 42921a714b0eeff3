"""A year in virtual time: citizens, operators and officers who do as they please.

year = Year(town, seed=1, complaints=1000, turn=6 * HOUR)   # reported at any time of the year
year = Year(..., part=(3, 12))      # reported in the fourth of twelve parts of the year
year.passes()
year.told            # what happened to each ticket, as those who did it remember
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import WaitingReason
from callcenter.gateways.channel import Arrival
from callcenter.services import (
    closing,
    delivery,
    desk,
    dispatch,
    escalation,
    history,
    reports,
    tickets,
)
from callcenter.services.errors import Refused
from callcenter.store.models import Complaint, Notice, Ticket
from ivr.numbers import make_number
from tests.services.conftest import DAY, HOUR, MINUTE, TYPED, Town

BEGINS = datetime(2026, 1, 1, tzinfo=UTC) - 8 * HOUR  # midnight in Bangli
AGENCIES = ("pupr", "dishub", "dlh", "pdam", "pln", "bpbd")
Deed = Callable[[Session, datetime], None]


@dataclass
class Told:
    """What became of a ticket, remembered by those who did it."""

    agency: str
    sent: datetime
    answered: datetime | None = None
    returned: datetime | None = None


class Year:
    """Events in order; between them the clock turns every `turn`, and twice a day when nobody
    reports any more.

    `part`: (which, of how many equal ones) part of the year the reports come in; it always passes
    to the end, so that several years add up to one.
    """

    def __init__(
        self,
        town: Town,
        *,
        seed: int,
        complaints: int,
        turn: timedelta,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self._town, self._chance, self._turn = town, Random(seed), turn
        self._rules = town.rules
        self._serial = count(1)
        self._deeds: list[tuple[datetime, int, Deed]] = []
        self.told: dict[int, Told] = {}
        self.ends = BEGINS + 365 * DAY
        which, parts = part
        self._busy_until = BEGINS + (which + 1) / parts * 365 * DAY + 3 * DAY
        for number in range(1, complaints + 1):
            moment = BEGINS + (which + self._chance.random()) / parts * 365 * DAY
            self._at(moment, lambda db, at, n=number: self._reported(db, at, n))  # type: ignore[misc]

    def passes(self) -> None:
        """Until the end of the year: some are answered then, some are not."""
        now = BEGINS
        while now < self.ends:
            now = min(self._next(now), self.ends)
            with self._town.store.write() as db:
                while self._deeds and self._deeds[0][0] < now:
                    at, _, deed = heapq.heappop(self._deeds)
                    try:
                        with db.begin_nested():
                            deed(db, at)
                    except Refused:
                        pass  # somebody else was quicker: the clock woke it, another sent it
            self._town.clock(now)

    def _next(self, now: datetime) -> datetime:
        """The first turn after `now` in which there is something to do."""
        with self._town.store.read() as db:
            moments = [
                db.scalar(select(func.min(Ticket.next_step_at))),
                db.scalar(select(func.min(Ticket.waiting_until)).where(Ticket.state == "waiting")),
                db.scalar(
                    select(func.min(Complaint.asked_at)).where(Complaint.state == "answered")
                ),
            ]
        if moments[2]:
            moments[2] += self._rules.closing_after
        if self._deeds:
            moments.append(self._deeds[0][0])
        soonest = min((m for m in moments if m is not None), default=self.ends)
        turn = self._turn if now < self._busy_until else max(self._turn, DAY / 2)
        return now + max(1, -(-(soonest - now) // turn)) * turn

    def _at(self, moment: datetime, deed: Deed) -> None:
        heapq.heappush(self._deeds, (moment, next(self._serial), deed))

    def _soon(self, mean: timedelta) -> timedelta:
        return MINUTE + self._chance.expovariate(1) * mean

    # ------------------------------------------------------------ what people do

    def _reported(self, db: Session, at: datetime, number: int) -> None:
        complaint = Complaint(
            public_number=make_number(number),
            state=ComplaintState.RECEIVED,
            channel="phone",
            received_at=at,
        )
        db.add(complaint)
        db.flush()
        change = ("", ComplaintState.RECEIVED.value)
        history.note(db, complaint.id, "receive", actor="line:pbx1", now=at, change=change)
        urgency = "emergency" if self._chance.random() < 0.05 else "report"
        form = desk.DeskForm(**TYPED, urgency=urgency)
        desk.save(db, complaint.id, form, actor="operator", now=at, rules=self._rules)
        agencies = self._chance.sample(AGENCIES, 2 if self._chance.random() < 0.08 else 1)
        for agency in agencies:
            self._send(complaint.id, agency, at + self._soon(30 * MINUTE))

    def _send(self, complaint_id: int, agency: str, when: datetime) -> None:
        def deed(db: Session, at: datetime) -> None:
            ticket = dispatch.dispatch(
                db,
                complaint_id,
                agency_key=agency,
                order="",
                actor="operator",
                now=at,
                rules=self._rules,
            )
            self.told[ticket.id] = Told(agency, at)
            self._officer_has(ticket.id, complaint_id, at)

        self._at(when, deed)

    def _officer_has(self, ticket_id: int, complaint_id: int, at: datetime) -> None:
        chance = self._chance.random()
        if self._chance.random() < 0.7:
            self._at(at + self._soon(20 * MINUTE), lambda db, t: self._accepts(db, t, ticket_id))
        if chance < 0.07:
            back = at + self._chance.random() * 30 * HOUR  # some of them too late
            self._at(back, lambda db, t: self._returns(db, t, ticket_id, complaint_id))
        elif chance < 0.97:
            answer = at + self._soon(9 * HOUR)
            done_at_once = self._chance.random() < 0.2
            verb = self._handles if done_at_once else self._responds
            self._at(answer, lambda db, t: verb(db, t, ticket_id, complaint_id))

    def _who(self, ticket_id: int) -> str:
        return f"person:{self.told[ticket_id].agency}_1"

    def _accepts(self, db: Session, at: datetime, ticket_id: int) -> None:
        tickets.accept(db, ticket_id, actor=self._who(ticket_id), now=at, rules=self._rules)

    def _returns(self, db: Session, at: datetime, ticket_id: int, complaint_id: int) -> None:
        who, told = self._who(ticket_id), self.told[ticket_id]
        tickets.return_(db, ticket_id, reason="Bukan kami.", actor=who, now=at, rules=self._rules)
        told.returned = at
        other = self._chance.choice([a for a in AGENCIES if a != told.agency])
        self._send(complaint_id, other, at + self._soon(HOUR))

    def _responds(self, db: Session, at: datetime, ticket_id: int, complaint_id: int) -> None:
        who = self._who(ticket_id)
        tickets.respond(db, ticket_id, text="Besok.", actor=who, now=at, rules=self._rules)
        self.told[ticket_id].answered = at
        later = at + self._soon(2 * DAY)
        if self._chance.random() < 0.1:
            self._at(at + HOUR, lambda db, t: self._waits(db, t, ticket_id))
            later += 40 * DAY
        if self._chance.random() < 0.97:
            self._at(later, lambda db, t: self._handles(db, t, ticket_id, complaint_id))

    def _waits(self, db: Session, at: datetime, ticket_id: int) -> None:
        tickets.wait(
            db,
            ticket_id,
            reason=self._chance.choice(list(WaitingReason)),
            note="Surat 1",
            until=at + self._chance.randint(1, 60) * DAY,
            approver="Pimpinan",
            actor=self._who(ticket_id),
            now=at,
            rules=self._rules,
        )

    def _handles(self, db: Session, at: datetime, ticket_id: int, complaint_id: int) -> None:
        reports.file_report(
            db,
            ticket_id,
            text="Selesai.",
            done_at=at,
            people="Tim",
            materials="",
            photos=(),
            actor=self._who(ticket_id),
            now=at,
            rules=self._rules,
            folder=self._town.folder,
        )
        told = self.told[ticket_id]
        told.answered = told.answered or at
        if self._chance.random() < 0.97:
            self._at(at + self._soon(5 * MINUTE), lambda db, t: self._arrives(db, t, ticket_id))
        self._at(at + self._soon(DAY), lambda db, t: self._asked(db, t, complaint_id))

    def _arrives(self, db: Session, at: datetime, ticket_id: int) -> None:
        found = select(Notice).where(Notice.ticket_id == ticket_id, Notice.kind == reports.KIND)
        notice = db.scalars(found).one()
        notice.state, notice.sent_at = "sent", at
        delivery.arrived(db, notice, Arrival.DELIVERED, now=at, rules=self._rules)

    def _asked(self, db: Session, at: datetime, complaint_id: int) -> None:
        closing.asked(db, complaint_id, actor="operator", now=at)
        chance = self._chance.random()
        if chance < 0.65:
            word = Outcome.SOLVED if chance < 0.6 else Outcome.NOT_SOLVED
            self._at(at + self._soon(HOUR), lambda db, t: self._speaks(db, t, complaint_id, word))

    def _speaks(self, db: Session, at: datetime, complaint_id: int, word: Outcome) -> None:
        closing.word(db, complaint_id, word, actor="operator", now=at, rules=self._rules)
        if word is Outcome.NOT_SOLVED:
            self._send(complaint_id, self._chance.choice(AGENCIES), at + HOUR)


def climbs_of(town: Town) -> int:
    """How many steps were taken."""
    return town.count(escalation.Escalation)
