"""One regency in a database: people of config.yaml, verbs with the moment as an argument.

town.sent(at)             a complaint that was written down and sent to PUPR; its ticket's id
town.ticket(ticket_id)    the ticket as it is stored, free of its session
town.clock(at)            everything that happens by itself until `at`
town.letters              what the workers were told, in order
mail.work(at)             a worker's turn over the fake channels of `mail`
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callcenter.config import Config
from callcenter.config.load import load
from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import WaitingReason
from callcenter.gateways.channel import (
    Anothers,
    Arrival,
    Outgoing,
    Receipt,
    TransportError,
    nobodys,
)
from callcenter.services import (
    closing,
    delivery,
    desk,
    directory,
    dispatch,
    escalation,
    history,
    notices,
    reports,
    tickets,
)
from callcenter.services.delivery import Carriers
from callcenter.services.links import LinkSigner
from callcenter.services.photos import developed
from callcenter.services.rules import Rules
from callcenter.store.models import Base, Complaint, Escalation, History, Notice, Person, Ticket
from callcenter.store.session import Letter, Store
from callcenter.wiring import rules_of
from ivr.numbers import make_number
from tests.databases import Database

ROOT = Path(__file__).parents[2]
VILLAGE = "51.06.02.1004"
#: A Monday, 10:00 WITA.
T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

DUTY, SECOND = "person:pupr_1", "person:pupr_2"
TYPED = {
    "transcript": "Jalan berlubang di depan pasar, tadi malam ada yang jatuh.",
    "category_key": "road_damage",
    "village_code": VILLAGE,
    "place_note": "Depan Pasar Kidul",
    "reporter_name": "I Wayan Contoh",
    "reporter_phone": "0812 3456 789",
}


@pytest.fixture(scope="session")
def config() -> Config:
    """The deployment that this project ships."""
    return load(ROOT / "config.yaml")


class Town:
    """Every verb in a transaction of its own, as the doors call it."""

    def __init__(self, store: Store, rules: Rules, folder: Path, letters: list[Letter]) -> None:
        self.store, self.rules, self.folder, self.letters = store, rules, folder, letters
        self._serials = count(1)

    # ------------------------------------------------------------ desk

    def complaint(self, at: datetime = T0, **typed: str) -> int:
        """A complaint that was heard and written down; its id."""
        with self.store.write() as db:
            complaint = Complaint(
                public_number=make_number(next(self._serials)),
                state=ComplaintState.RECEIVED,
                channel="phone",
                received_at=at,
            )
            db.add(complaint)
            db.flush()
            change = ("", ComplaintState.RECEIVED.value)
            history.note(db, complaint.id, "receive", actor="line:pbx1", now=at, change=change)
            form = desk.DeskForm(**{**TYPED, **typed})
            desk.save(db, complaint.id, form, actor="operator", now=at, rules=self.rules)
            return complaint.id

    def dispatch(
        self, complaint_id: int, at: datetime = T0, agency: str = "pupr", order: str = ""
    ) -> int:
        """Send it to an agency; the ticket's id."""
        with self.store.write() as db:
            return dispatch.dispatch(
                db,
                complaint_id,
                agency_key=agency,
                order=order,
                actor="operator",
                now=at,
                rules=self.rules,
            ).id

    def sent(self, at: datetime = T0, agency: str = "pupr", **typed: str) -> int:
        """A ticket of a new complaint."""
        return self.dispatch(self.complaint(at, **typed), at, agency)

    # ------------------------------------------------------------ agency

    def accept(self, ticket_id: int, at: datetime, actor: str = DUTY) -> None:
        with self.store.write() as db:
            tickets.accept(db, ticket_id, actor=actor, now=at, rules=self.rules)

    def respond(self, ticket_id: int, at: datetime, text: str = "Besok kami tambal.") -> None:
        with self.store.write() as db:
            tickets.respond(db, ticket_id, text=text, actor=DUTY, now=at, rules=self.rules)

    def return_(self, ticket_id: int, at: datetime, reason: str = "Jalan provinsi.") -> None:
        with self.store.write() as db:
            tickets.return_(db, ticket_id, reason=reason, actor=DUTY, now=at, rules=self.rules)

    def settle(self, complaint_id: int, at: datetime, why: str = "Cukup PUPR.") -> None:
        """What came back needs no other agency."""
        with self.store.write() as db:
            tickets.settle_return(
                db, complaint_id, why=why, actor="operator", now=at, rules=self.rules
            )

    def start(self, ticket_id: int, at: datetime) -> None:
        with self.store.write() as db:
            tickets.start(db, ticket_id, actor=DUTY, now=at, rules=self.rules)

    def wait(
        self,
        ticket_id: int,
        at: datetime,
        until: datetime,
        *,
        note: str = "Pesanan 12/PU",
        approver: str = "I Wayan Artana",
    ) -> None:
        with self.store.write() as db:
            tickets.wait(
                db,
                ticket_id,
                reason=WaitingReason.MATERIAL,
                note=note,
                until=until,
                approver=approver,
                actor=DUTY,
                now=at,
                rules=self.rules,
            )

    def report(self, ticket_id: int, at: datetime, *photos: bytes, **fields: Any) -> None:
        said = {"text": "Lubang ditambal.", "done_at": at, "people": "Darmawan", "materials": ""}
        with self.store.write() as db:
            reports.file_report(
                db,
                ticket_id,
                **{**said, **fields},
                photos=[developed(photo) for photo in photos],
                actor=DUTY,
                now=at,
                rules=self.rules,
                folder=self.folder,
            )

    def report_arrives(self, ticket_id: int, at: datetime) -> None:
        """The notice with the report reaches the head, by whatever way."""
        with self.store.write() as db:
            found = select(Notice).where(Notice.ticket_id == ticket_id, Notice.kind == reports.KIND)
            notice = db.scalars(found).one()
            notice.state, notice.sent_at = "sent", at
            delivery.arrived(db, notice, Arrival.DELIVERED, now=at, rules=self.rules)

    # ------------------------------------------------------------ citizen and clock

    def asked(self, complaint_id: int, at: datetime) -> None:
        with self.store.write() as db:
            closing.asked(db, complaint_id, actor="operator", now=at)

    def word(self, complaint_id: int, outcome: Outcome, at: datetime) -> None:
        with self.store.write() as db:
            closing.word(db, complaint_id, outcome, actor="operator", now=at, rules=self.rules)

    def steps(self, at: datetime) -> int:
        with self.store.write() as db:
            return escalation.take_due(db, now=at, rules=self.rules)

    def wake(self, at: datetime) -> int:
        with self.store.write() as db:
            return tickets.wake_due(db, now=at, rules=self.rules)

    def close(self, at: datetime) -> int:
        with self.store.write() as db:
            return closing.close_due(db, now=at, rules=self.rules)

    def clock(self, at: datetime) -> None:
        for duty in (self.steps, self.wake, self.close):
            while duty(at):
                pass

    # ------------------------------------------------------------ looking

    def ticket(self, ticket_id: int) -> Ticket:
        with self.store.read() as db:
            return db.get_one(Ticket, ticket_id)

    def complaint_of(self, ticket_id: int) -> int:
        return self.ticket(ticket_id).complaint_id

    def state(self, complaint_id: int) -> ComplaintState:
        return self.found(complaint_id).state

    def found(self, complaint_id: int) -> Complaint:
        with self.store.read() as db:
            return db.get_one(Complaint, complaint_id)

    def notices(self, **where: Any) -> list[Notice]:
        """Notices in the order in which they were written, with their attempts."""
        with self.store.read() as db:
            rows = db.scalars(select(Notice).filter_by(**where).order_by(Notice.id)).all()
            for notice in rows:
                _ = (notice.attempts, notice.person)
            return list(rows)

    def taken(self, ticket_id: int) -> list[tuple[str, datetime]]:
        """Steps of the ladder in the order in which they were taken, with the moment."""
        with self.store.read() as db:
            rows = select(Escalation).filter_by(ticket_id=ticket_id).order_by(Escalation.id)
            return [(e.step_key, e.taken_at) for e in db.scalars(rows)]

    def told(self, ticket_id: int) -> list[tuple[str, str]]:
        """Who was told what about a ticket: (kind, person) in order."""
        return [(n.kind, n.person_key or "") for n in self.notices(ticket_id=ticket_id)]

    def history(self, **where: Any) -> list[History]:
        with self.store.read() as db:
            return list(db.scalars(select(History).filter_by(**where).order_by(History.id)))

    def count(self, table: type[Base]) -> int:
        with self.store.read() as db:
            return db.scalar(select(func.count()).select_from(table)) or 0

    def change_person(self, key: str, **values: Any) -> None:
        with self.store.write() as db:
            person = db.get_one(Person, key)
            for name, value in values.items():
                setattr(person, name, value)


@pytest.fixture
def letters() -> list[Letter]:
    """What the workers were told."""
    return []


@pytest.fixture
def town(database: Database, config: Config, tmp_path: Path, letters: list[Letter]) -> Town:
    """The regency, on both databases."""
    store = database.store(posted=letters.extend)
    with store.write() as db:
        directory.sync(db, config, T0 - DAY)
    return Town(store, rules_of(config), tmp_path / "recordings", letters)


# ---------------------------------------------------------------- channels


class FakeChannel:
    """A way to people that says what it is told to: `answers` in order, then success."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: list[Exception | Receipt] = []
        self.looks: list[Exception | Receipt | None] = []
        self.later: Exception | Receipt | None = None
        self.sent: list[Outgoing] = []
        self.looked_since: list[datetime] = []
        self.asked: list[str] = []

    def send(self, message: Outgoing) -> Receipt:
        self.sent.append(message)
        answer = self.answers.pop(0) if self.answers else self.receipt()
        return _given(answer)

    def find(
        self, message: Outgoing, since: datetime, anothers: Anothers = nobodys
    ) -> Receipt | None:
        self.looked_since.append(since)
        found = self.looks.pop(0) if self.looks else None
        receipt = None if found is None else _given(found)
        return None if receipt is None or anothers(receipt.provider_id) else receipt

    def arrival(self, provider_id: str) -> Receipt:
        self.asked.append(provider_id)
        return _given(self.later or self.receipt(Arrival.SENT))

    def receipt(self, arrival: Arrival = Arrival.SENT) -> Receipt:
        return Receipt(f"{self.name}-{len(self.sent)}", arrival)


def _given(answer: Exception | Receipt) -> Receipt:
    if isinstance(answer, Exception):
        raise answer
    return answer


BUSY = TransportError("429")
REFUSED = TransportError("no such number", permanent=True)
LOST = TransportError("timeout", ambiguous=True)


class Mail:
    """Workers over fake channels: whatsapp, sms, email, in this order."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.whatsapp, self.sms, self.email = map(FakeChannel, ("whatsapp", "sms", "email"))
        self.all = (self.whatsapp, self.sms, self.email)
        self.signer = LinkSigner("key of the tests", "https://aduan.example")
        self.carriers = Carriers.of(self.all, self.signer)

    def deliver(self, notice_id: int, at: datetime) -> bool:
        return delivery.deliver(
            self.town.store, notice_id, self.carriers, clock=lambda: at, rules=self.town.rules
        )

    def ask(self, notice_id: int, at: datetime) -> bool:
        return delivery.ask(
            self.town.store, notice_id, self.carriers, clock=lambda: at, rules=self.town.rules
        )

    def work(self, at: datetime) -> int:
        """Send everything that is due at this moment, once; how many were tried."""
        with self.town.store.read() as db:
            due = notices.due(db, at)
        return sum(self.deliver(notice_id, at) for notice_id, _ in due)

    def sent(self) -> list[tuple[str, str]]:
        """(channel, address) of everything that was handed over, by channel."""
        return [(channel.name, message.to) for channel in self.all for message in channel.sent]


@pytest.fixture
def mail(town: Town) -> Mail:
    """Fake providers and the workers that use them."""
    return Mail(town)


# ---------------------------------------------------------------- at once


def together(*works: Callable[[], object]) -> list[object]:
    """All of them at the same moment, each in a thread; results, or the error of each."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait(10)
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def minutes(first: datetime, last: datetime, step: int = 1) -> Iterator[datetime]:
    """Every minute in [first, last], or every `step` minutes."""
    moment = first
    while moment <= last:
        yield moment
        moment += step * MINUTE


def keys(rows: Sequence[tuple[str, datetime]]) -> list[str]:
    """The step keys alone."""
    return [key for key, _ in rows]
