"""Complaints about one thing: found, merged with a reason, told together, taken apart exactly."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.services import desk, merging, status
from callcenter.services.duplicates import Draft, Found, similar
from callcenter.services.errors import Refused
from callcenter.store.assist_models import ComplaintLink
from callcenter.store.models import Audit, Complaint
from tests.services.conftest import DAY, HOUR, T0, Town, together

TREE = "Pohon beringin tumbang di depan pura dalem, jalan tertutup."


def _merge(
    town: Town, complaint_id: int, lead_id: int, at: datetime = T0, why: str = "sama"
) -> int:
    with town.store.write() as db:
        return merging.merge(
            db,
            complaint_id,
            lead_id=lead_id,
            why=why,
            actor="operator",
            now=at,
            rules=town.rules,
        ).id


def _follow(town: Town, complaint_id: int, lead_id: int, at: datetime = T0) -> int:
    with town.store.write() as db:
        return merging.follow(
            db, complaint_id, lead_id=lead_id, why="sama", actor="operator", now=at
        ).id


def _part(
    town: Town, complaint_id: int, link_id: int, at: datetime = T0, why: str = "beda"
) -> None:
    with town.store.write() as db:
        merging.part(db, complaint_id, link_id=link_id, why=why, actor="operator", now=at)


def _similar(town: Town, text: str, but: int = 0, at: datetime = T0, **typed: str) -> list[Found]:
    with town.store.read() as db:
        return similar(db, Draft(text, **typed), but=but, at=at, now=at, rules=town.rules)


def _news(town: Town, complaint_id: int) -> list[str]:
    return [n.subject for n in town.notices(complaint_id=complaint_id, kind="news")]


def _close(town: Town, ticket_id: int, at: datetime = T0) -> None:
    town.respond(ticket_id, at + HOUR)
    town.report(ticket_id, at + 2 * HOUR)
    town.report_arrives(ticket_id, at + 3 * HOUR)
    town.word(town.complaint_of(ticket_id), Outcome.SOLVED, at + 4 * HOUR)


# ---------------------------------------------------------------- found


def test_the_same_is_found_while_it_is_typed_and_another_place_is_not(town: Town) -> None:
    first = town.complaint(transcript=TREE, category_key="fallen_tree")
    town.complaint(transcript="Sampah pasar tidak diangkut.", category_key="waste")
    village = town.found(first).village_code or ""
    text = "punyan beringin bah pak, dekat pura dalem"
    near = _similar(town, text, village_code=village)
    assert [f.complaint.id for f in near] == [first]
    assert "punyan" in near[0].shared
    assert _similar(town, text, village_code="51.06.04.2010") == []


def test_neither_itself_nor_what_is_no_complaint_is_found(town: Town) -> None:
    first = town.complaint(transcript=TREE, category_key="fallen_tree")
    village = town.found(first).village_code or ""
    assert _similar(town, TREE, but=first, village_code=village) == []
    assert _similar(town, "", village_code=village) == []
    with town.store.write() as db:
        db.get_one(Complaint, first).state = ComplaintState.NOT_ACTIONABLE
    assert _similar(town, TREE, village_code=village) == []


def test_what_is_over_for_weeks_is_not_found(town: Town) -> None:
    first = town.complaint(transcript=TREE, category_key="fallen_tree")
    village = town.found(first).village_code or ""
    assert _similar(town, TREE, at=T0 + 13 * DAY, village_code=village)
    assert not _similar(town, TREE, at=T0 + 14 * DAY, village_code=village)


@pytest.mark.parametrize("text", ["%_'\";--", "\x00", "a" * 20_000, "😀", "<b>", "\u202e"])
def test_hostile_text_finds_nothing_and_breaks_nothing(town: Town, text: str) -> None:
    town.complaint(transcript=TREE)
    assert _similar(town, text, village_code="' OR 1=1 --", place_note=text[:300]) == []


# ---------------------------------------------------------------- merged and parted


@pytest.mark.parametrize(
    "typed", [{}, {"village_code": ""}, {"transcript": "", "village_code": ""}]
)
def test_taking_apart_restores_exactly(town: Town, typed: dict[str, str]) -> None:
    lead, complaint = town.complaint(), town.complaint(**typed)
    before = _facts(town.found(complaint))
    link = _merge(town, complaint, lead)
    assert town.state(complaint) is ComplaintState.MERGED
    _part(town, complaint, link, T0 + HOUR)
    assert _facts(town.found(complaint)) == before
    again = _merge(town, complaint, lead, T0 + 2 * HOUR)
    assert again != link


def _facts(complaint: Complaint) -> dict[str, object]:
    skipped = {"version"}
    return {
        column.key: getattr(complaint, column.key)
        for column in Complaint.__table__.columns
        if column.key not in skipped
    }


def test_merging_is_history_and_audit_on_both_sides(town: Town) -> None:
    lead, complaint = town.complaint(), town.complaint()
    link = _merge(town, complaint, lead, why="pohon yang sama")
    _part(town, complaint, link, why="ternyata beda")
    ours = [(h.verb, h.from_state, h.to_state) for h in town.history(complaint_id=complaint)]
    assert ours[-2:] == [("merge", "categorised", "merged"), ("part", "merged", "categorised")]
    assert "pohon yang sama" in town.history(complaint_id=complaint)[-2].why
    assert town.history(complaint_id=lead)[-1].verb == "joined"
    with town.store.read() as db:
        actions = list(db.scalars(select(Audit.action).order_by(Audit.id)))
    assert actions[-2:] == ["complaint_merged", "complaint_parted"]


@pytest.mark.parametrize("why", ["", "   ", "x" * 251])
def test_both_need_a_reason(town: Town, why: str) -> None:
    lead, complaint = town.complaint(), town.complaint()
    with pytest.raises(Refused):
        _merge(town, complaint, lead, why=why)
    link = _merge(town, complaint, lead)
    if len(why) <= 250:
        with pytest.raises(Refused):
            _part(town, complaint, link, why=why)
        assert town.state(complaint) is ComplaintState.MERGED


def test_what_cannot_be_merged_is_refused(town: Town) -> None:
    lead, complaint, third = town.complaint(), town.complaint(), town.complaint()
    sent = town.complaint_of(town.sent())
    _merge(town, complaint, lead)
    for ours, theirs in (
        (lead, lead),  # with itself
        (complaint, third),  # is merged already
        (third, complaint),  # into one that is merged itself
        (lead, third),  # has others merged into it
        (sent, third),  # has tickets of its own
    ):
        with pytest.raises(Refused):
            _merge(town, ours, theirs)
    assert town.count(ComplaintLink) == 1


def test_a_lead_that_is_finished_takes_nobody(town: Town) -> None:
    ticket = town.sent()
    _close(town, ticket)
    with pytest.raises(Refused):
        _merge(town, town.complaint(), town.complaint_of(ticket))


def test_a_lead_is_not_rejected_while_others_depend_on_it(town: Town) -> None:
    lead, complaint = town.complaint(), town.complaint()
    link = _merge(town, complaint, lead)
    with town.store.write() as db:
        desk.propose_rejection(db, lead, reason="iseng", actor="operator", now=T0)

    def confirm() -> None:
        with town.store.write() as db:
            desk.confirm_rejection(db, lead, actor="operator2", now=T0)

    with pytest.raises(Refused):
        confirm()
    _part(town, complaint, link)
    confirm()
    assert town.state(lead) is ComplaintState.NOT_ACTIONABLE


def test_two_who_merge_crosswise_make_one_link(town: Town) -> None:
    one, other = town.complaint(), town.complaint()
    results = together(lambda: _merge(town, one, other), lambda: _merge(town, other, one))
    assert sum(isinstance(result, int) for result in results) == 1
    assert town.count(ComplaintLink) == 1


def test_a_part_that_is_repeated_is_refused(town: Town) -> None:
    lead, complaint = town.complaint(), town.complaint()
    link = _merge(town, complaint, lead)
    _part(town, complaint, link)
    with pytest.raises(Refused):
        _part(town, complaint, link)


# ---------------------------------------------------------------- told


def test_every_reporter_is_told_of_the_outcome(town: Town) -> None:
    ticket = town.sent()
    lead, merged, following = town.complaint_of(ticket), town.complaint(), town.complaint()
    stranger = town.complaint()
    _merge(town, merged, lead)
    _follow(town, following, lead)
    assert _news(town, merged) == ["Aduan ditangani bersama"]
    town.respond(ticket, T0 + HOUR)
    town.wait(ticket, T0 + 2 * HOUR, T0 + 3 * DAY)
    for complaint in (lead, merged, following):
        assert _news(town, complaint)[-1] == "Pekerjaan menunggu"
    town.report(ticket, T0 + 4 * DAY)
    town.report_arrives(ticket, T0 + 4 * DAY)
    town.word(lead, Outcome.SOLVED, T0 + 4 * DAY)
    for complaint in (merged, following):
        assert _news(town, complaint)[-1] == "Hasil aduan"
    assert _news(town, stranger) == []


def test_each_hears_of_their_own_number_alone(town: Town) -> None:
    ticket = town.sent()
    lead, merged = town.found(town.complaint_of(ticket)), town.complaint()
    _merge(town, merged, lead.id)
    _close(town, ticket)
    number = town.found(merged).public_number
    for notice in town.notices(complaint_id=merged, kind="news"):
        digits = "".join(filter(str.isdigit, notice.body))
        assert number in digits
        assert lead.public_number not in digits


def test_who_was_parted_hears_nothing_more(town: Town) -> None:
    ticket = town.sent()
    merged = town.complaint()
    link = _merge(town, merged, town.complaint_of(ticket))
    _part(town, merged, link)
    _close(town, ticket)
    assert _news(town, merged) == ["Aduan ditangani bersama"]


def test_a_second_outcome_is_told_as_well(town: Town) -> None:
    ticket = town.sent()
    lead, merged = town.complaint_of(ticket), town.complaint()
    _merge(town, merged, lead)
    _close(town, ticket)
    town.word(lead, Outcome.NOT_SOLVED, T0 + DAY)
    _close(town, town.dispatch(lead, T0 + DAY), T0 + DAY)
    assert _news(town, merged).count("Hasil aduan") == 2


def test_the_status_of_a_merged_complaint_is_that_of_its_lead(town: Town) -> None:
    ticket = town.sent()
    merged = town.complaint()
    _merge(town, merged, town.complaint_of(ticket))
    with town.store.read() as db:
        found = db.get_one(Complaint, merged)
        told = status.facts_of(found, T0 + HOUR)
    assert told.number == found.public_number
    assert told.state is ComplaintState.DISPATCHED
    assert told.agency_key == "pupr"


def test_a_follower_keeps_its_own_work(town: Town) -> None:
    lead = town.complaint_of(town.sent())
    ticket = town.sent()
    following = town.complaint_of(ticket)
    _follow(town, following, lead)
    assert town.state(following) is ComplaintState.DISPATCHED
    town.respond(ticket, T0 + HOUR)
    assert town.state(following) is ComplaintState.ANSWERED
