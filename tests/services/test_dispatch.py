"""Dispatch: the window begins, and everything about it stands in one transaction, or nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Standing, standing
from callcenter.services import desk, dispatch, reports
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import (
    Agency,
    Audit,
    Escalation,
    History,
    Notice,
    OfficerLink,
    Person,
    Ticket,
)
from callcenter.store.session import Letter
from tests.databases import Database
from tests.services.conftest import (
    DAY,
    HOUR,
    MINUTE,
    T0,
    TICK,
    TYPED,
    Mail,
    Town,
    keys,
    together,
)

WRITTEN = (Ticket, Escalation, Notice, OfficerLink)


def test_ticket_history_first_step_and_notice_are_one_transaction(town: Town) -> None:
    complaint_id = town.complaint()
    ticket_id = town.dispatch(complaint_id, T0, order="Periksa dan tambal.")
    ticket = town.ticket(ticket_id)
    assert ticket.state is TicketState.DISPATCHED
    assert ticket.due_at - ticket.dispatched_at == DAY
    assert town.taken(ticket_id) == [("dispatch", T0)]
    assert [(h.verb, h.from_state, h.to_state) for h in town.history(ticket_id=ticket_id)] == [
        ("dispatch", "", "dispatched"),
        ("step", "", ""),
    ]
    (notice,) = town.notices(ticket_id=ticket_id)
    assert (notice.state, notice.person_key, notice.not_before) == ("queued", "pupr_1", T0)
    assert notice.link_id is not None
    assert (ticket.next_step_key, ticket.next_step_at) == ("next_officer", T0 + 15 * MINUTE)
    assert town.state(complaint_id) is ComplaintState.DISPATCHED


def test_the_notice_opens_the_ticket_for_the_duty_officer_alone(town: Town, mail: Mail) -> None:
    ticket_id = town.sent()
    mail.work(T0)
    (message,) = mail.whatsapp.sent
    token = message.text.rsplit("/p/", 1)[1].strip()
    with town.store.read() as db:
        link = db.get_one(OfficerLink, mail.signer.link_id(token))
    assert (link.ticket_id, link.person_key) == (ticket_id, "pupr_1")


def test_nothing_at_all_stays_after_a_rollback(town: Town, letters: list[Letter]) -> None:
    complaint_id = town.complaint()
    with pytest.raises(RuntimeError, match="the power went"), town.store.write() as db:
        dispatch.dispatch(
            db,
            complaint_id,
            agency_key="pupr",
            order="",
            actor="operator",
            now=T0,
            rules=town.rules,
        )
        raise RuntimeError("the power went")
    assert [town.count(table) for table in WRITTEN] == [0, 0, 0, 0]
    assert town.state(complaint_id) is ComplaintState.CATEGORISED
    assert letters == []


def test_the_workers_are_told_after_the_commit_never_before(database: Database, town: Town) -> None:
    heard: list[int] = []

    def posted(letters: Sequence[Letter]) -> None:
        with database.store().read() as db:  # a connection of its own sees only what is committed
            heard.append(db.scalar(select(func.count()).select_from(Notice)) or 0)
        assert letters

    town.store = database.store(posted=posted)
    town.sent()
    assert heard == [1]


@pytest.mark.parametrize(("urgency", "urgent"), [("report", False), ("emergency", True)])
def test_emergencies_are_urgent_letters(town: Town, urgency: str, urgent: bool) -> None:
    ticket_id = town.sent(urgency=urgency)
    (notice,) = town.notices()
    assert town.letters == [(notice.id, urgent)]
    assert town.ticket(ticket_id).urgency == urgency


def test_a_second_click_sends_nothing_twice(town: Town) -> None:
    complaint_id = town.complaint()
    town.dispatch(complaint_id)
    with pytest.raises(Refused) as refused:
        town.dispatch(complaint_id, T0 + MINUTE)
    assert refused.value.field == "agency_key"
    assert town.count(Ticket) == town.count(Notice) == 1


def test_two_clicks_at_the_same_moment_make_one_ticket(town: Town) -> None:
    complaint_id = town.complaint()
    came = together(*(lambda: town.dispatch(complaint_id) for _ in range(4)))
    assert sum(isinstance(one, int) for one in came) == 1
    assert sum(isinstance(one, Refused) for one in came) == 3, came
    assert town.count(Ticket) == town.count(Notice) == 1


def test_two_agencies_at_the_same_moment_both_get_it(town: Town) -> None:
    complaint_id = town.complaint()
    came = together(*(lambda a=a: town.dispatch(complaint_id, T0, a) for a in ("pupr", "pdam")))
    assert all(isinstance(one, int) for one in came), came
    assert town.state(complaint_id) is ComplaintState.DISPATCHED


def test_the_same_agency_again_once_it_has_answered_or_returned(town: Town) -> None:
    complaint_id = town.complaint()
    town.return_(town.dispatch(complaint_id), T0 + HOUR)
    second = town.dispatch(complaint_id, T0 + 2 * HOUR)
    town.accept(second, T0 + 3 * HOUR)
    with pytest.raises(Refused):
        town.dispatch(complaint_id, T0 + 3 * HOUR)
    town.respond(second, T0 + 4 * HOUR)
    town.dispatch(complaint_id, T0 + 5 * HOUR)
    assert town.count(Ticket) == 3


def test_a_complaint_is_answered_when_both_agencies_have_answered(town: Town) -> None:
    complaint_id = town.complaint()
    one, two = town.dispatch(complaint_id), town.dispatch(complaint_id, T0 + HOUR, "pdam")
    town.respond(one, T0 + 2 * HOUR)
    assert town.state(complaint_id) is ComplaintState.DISPATCHED
    town.report(two, T0 + 3 * HOUR)
    assert town.state(complaint_id) is ComplaintState.ANSWERED


def test_two_agencies_that_answer_at_the_same_moment_answer_the_complaint(town: Town) -> None:
    for _ in range(5):
        complaint_id = town.complaint()
        both = [town.dispatch(complaint_id, T0, agency) for agency in ("pupr", "pdam")]
        came = together(*(lambda t=t: town.respond(t, T0 + HOUR) for t in both))
        assert came == [None, None]
        assert town.state(complaint_id) is ComplaintState.ANSWERED


def test_a_returned_ticket_does_not_count(town: Town) -> None:
    complaint_id = town.complaint()
    one, two = town.dispatch(complaint_id), town.dispatch(complaint_id, T0, "pdam")
    town.respond(one, T0 + HOUR)
    town.return_(two, T0 + 2 * HOUR)
    assert town.state(complaint_id) is ComplaintState.DISPATCHED  # an operator has to decide
    town.settle(complaint_id, T0 + 3 * HOUR)
    assert town.state(complaint_id) is ComplaintState.ANSWERED


def test_returned_by_all_it_is_the_operators_again(town: Town) -> None:
    complaint_id = town.complaint()
    one, two = town.dispatch(complaint_id), town.dispatch(complaint_id, T0, "pdam")
    town.return_(one, T0 + HOUR)
    assert town.state(complaint_id) is ComplaintState.DISPATCHED
    town.return_(two, T0 + 2 * HOUR)
    assert town.state(complaint_id) is ComplaintState.CATEGORISED
    third = town.ticket(town.dispatch(complaint_id, T0 + 3 * HOUR, "dlh"))
    assert third.due_at == T0 + 27 * HOUR
    assert standing(third.times, T0 + 27 * HOUR - TICK) is Standing.RUNNING
    assert town.found(complaint_id).received_at == T0  # the citizen's own waiting goes on


@pytest.mark.parametrize("agency", ["", "nobody", "pupr' OR 1=1"])
def test_an_agency_that_does_not_exist_is_refused(town: Town, agency: str) -> None:
    with pytest.raises(Refused) as refused:
        town.dispatch(town.complaint(), T0, agency)
    assert refused.value.field == "agency_key"


def test_an_agency_that_left_is_refused(town: Town) -> None:
    with town.store.write() as db:
        db.get_one(Agency, "pupr").active = False
    with pytest.raises(Refused):
        town.sent()


def test_what_is_not_there_or_not_ready_is_refused(town: Town) -> None:
    with pytest.raises(NotFound):
        town.dispatch(10**6)
    heard_only = town.complaint(category_key="", village_code="")
    with pytest.raises(Refused):
        town.dispatch(heard_only)


@pytest.mark.parametrize("missing", ["transcript", "category_key", "village_code"])
def test_what_was_emptied_again_after_categorising_is_not_sent(town: Town, missing: str) -> None:
    complaint_id = town.complaint()
    form = desk.DeskForm(**{**TYPED, missing: ""})
    with town.store.write() as db:
        desk.save(db, complaint_id, form, actor="operator", now=T0, rules=town.rules)
    with pytest.raises(Refused) as refused:
        town.dispatch(complaint_id)
    assert refused.value.field == missing


def test_an_order_may_not_be_endless(town: Town) -> None:
    with pytest.raises(Refused) as refused:
        town.dispatch(town.complaint(), T0, order="x" * 2001)
    assert refused.value.field == "order"


def test_a_proposal_to_reject_ends_with_the_dispatch(town: Town) -> None:
    complaint_id = town.complaint()
    with town.store.write() as db:
        desk.propose_rejection(db, complaint_id, reason="Iseng.", actor="ani", now=T0)
    town.return_(town.dispatch(complaint_id), T0 + HOUR)
    with pytest.raises(Refused), town.store.write() as db:
        desk.confirm_rejection(db, complaint_id, actor="budi", now=T0 + 2 * HOUR)


# ---------------------------------------------------------------- who is meant


def test_without_officers_the_head_is_told(town: Town) -> None:
    for key in ("pupr_1", "pupr_2"):
        town.change_person(key, active=False)
    assert town.told(town.sent()) == [("dispatch", "pupr_head")]


def test_without_anybody_the_coordinator_is_told(town: Town) -> None:
    for key in ("pupr_1", "pupr_2", "pupr_secretary", "pupr_head"):
        town.change_person(key, active=False)
    ticket_id = town.sent()
    assert town.told(ticket_id) == [("dispatch", "coordinator")]
    town.steps(T0 + 2 * HOUR)
    assert town.told(ticket_id) == [
        ("dispatch", "coordinator"),
        ("next_officer", "coordinator"),
        ("secretary", "coordinator"),
    ]


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (("coordinator",), ["supervisor"]),
        (("coordinator", "supervisor"), ["sekda", "wakil_bupati"]),
    ],
)
def test_without_a_coordinator_too_somebody_of_the_regency_is_told(
    town: Town, gone: tuple[str, ...], told: list[str]
) -> None:
    for key in ("pupr_1", "pupr_2", "pupr_secretary", "pupr_head", *gone):
        town.change_person(key, active=False)
    ticket_id = town.sent()
    assert [person for _, person in town.told(ticket_id)] == told
    town.report(ticket_id, T0 + HOUR)
    assert [n.person_key for n in town.notices(kind=reports.KIND)] == told


def test_the_first_in_duty_order_is_on_duty(town: Town) -> None:
    town.change_person("pupr_1", duty_order=9)
    assert town.told(town.sent()) == [("dispatch", "pupr_2")]


def test_the_next_officer_is_one_who_was_not_told_yet(town: Town) -> None:
    with town.store.write() as db:
        db.add(Person(key="pupr_3", agency_key="pupr", post="officer", duty_order=5, name="C"))
    town.change_person("pupr_2", active=False)
    ticket_id = town.sent()
    town.steps(T0 + 15 * MINUTE)
    assert town.told(ticket_id)[1:] == [("next_officer", "pupr_3")]


def test_a_team_of_one_has_no_next_officer_so_the_head_is_told(town: Town) -> None:
    town.change_person("pupr_2", active=False)
    ticket_id = town.sent()
    town.steps(T0 + 15 * MINUTE)
    assert town.told(ticket_id)[1:] == [("next_officer", "pupr_head")]


# ---------------------------------------------------------------- what is said


@pytest.mark.parametrize("said", ["0812 3456 789", "+62 812-3456-789", "08123456789"])
def test_no_notice_names_the_reporter_or_their_number(town: Town, mail: Mail, said: str) -> None:
    complaint_id = town.complaint(
        transcript=f"Nama saya i wayan  contoh, nomor {said}. Jalan rusak 250 meter.",
        place_note=f"Rumah I Wayan Contoh, telepon {said}",
    )
    ticket_id = town.dispatch(complaint_id, T0, order=f"Hubungi I WAYAN CONTOH di {said}.")
    for moment in (2 * HOUR, 20 * HOUR, 48 * HOUR):
        town.steps(T0 + moment)
    town.report(ticket_id, T0 + 49 * HOUR, text=f"Sudah bicara dengan I Wayan Contoh ({said}).")
    mail.work(T0 + 49 * HOUR)
    messages = [m for channel in mail.all for m in channel.sent]
    assert len(messages) >= 8
    for message in messages:
        text = f"{message.subject}\n{message.text}".casefold()
        assert "contoh" not in text
        assert "3456" not in text
        assert "789" not in re.sub(r"\W", "", text.split("https://")[0])
    assert "250 meter" in messages[0].text


def test_the_first_step_says_what_where_and_until_when(town: Town) -> None:
    ticket_id = town.dispatch(town.complaint(), T0, order="Periksa dan tambal.")
    (notice,) = town.notices()
    assert notice.subject == "Tiket baru: Jalan rusak, Kawan"
    for part in (
        "Tempat: Kawan, Kec. Bangli",
        "Patokan: Depan Pasar Kidul",
        "Perintah: Periksa dan tambal.",
        "Jawab sebelum 03-03-2026 10.00 WITA",
        "Nomor aduan",
    ):
        assert part in notice.body
    assert keys(town.taken(ticket_id)) == ["dispatch"]


def test_dispatching_leaves_an_audit_row_without_names(town: Town) -> None:
    ticket_id = town.sent()
    with town.store.read() as db:
        rows = db.scalars(select(Audit).where(Audit.action == "ticket_dispatched")).all()
    assert [(r.actor, r.thing, r.detail) for r in rows] == [("operator", f"ticket:{ticket_id}", {})]
    assert town.count(History) == 6  # received, transcribed, categorised, 2 x dispatch, the step
