"""The handling report: once, by our clock, with its photos, to the head of the agency."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Standing, standing
from callcenter.services import escalation, history, reports, tickets, voice_notes
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import Attachment, HandlingReport, History, Notice, OfficerLink
from tests.services.conftest import DAY, DUTY, HOUR, MINUTE, T0, TICK, Town, keys, together
from tests.services.test_photos import picture
from tests.services.test_voice_notes import spoken


def _report(town: Town, ticket_id: int) -> HandlingReport | None:
    with town.store.read() as db:
        return db.scalar(select(HandlingReport).where(HandlingReport.ticket_id == ticket_id))


def _attached(town: Town, ticket_id: int) -> list[Attachment]:
    with town.store.read() as db:
        rows = select(Attachment).where(Attachment.ticket_id == ticket_id).order_by(Attachment.id)
        return list(db.scalars(rows))


def _on_disk(town: Town) -> list[Path]:
    return sorted(p for p in town.folder.parent.rglob("*") if p.suffix == ".jpg")


def test_a_report_handles_the_ticket_and_is_sent_to_the_head(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR, text="Lubang ditambal aspal dingin.", materials="20 kg")
    ticket, report = town.ticket(ticket_id), _report(town, ticket_id)
    assert (ticket.state, ticket.handled_at) == (TicketState.HANDLED, T0 + HOUR)
    assert ticket.reported_at is None
    assert report is not None
    assert (report.text, report.people, report.materials, report.filed_at) == (
        "Lubang ditambal aspal dingin.",
        "Darmawan",
        "20 kg",
        T0 + HOUR,
    )
    assert town.state(ticket.complaint_id) is ComplaintState.ANSWERED
    (notice,) = town.notices(kind=reports.KIND)
    assert (notice.person_key, notice.ticket_id) == ("pupr_head", ticket_id)
    assert notice.subject == "Laporan penanganan: Jalan rusak, Kawan"
    assert "Yang dikerjakan: Lubang ditambal aspal dingin." in notice.body
    assert town.letters[-1] == (notice.id, False)
    assert [h.verb for h in town.history(ticket_id=ticket_id)][-2:] == ["handle", "file_report"]


def test_without_a_head_the_coordinator_gets_the_report(town: Town) -> None:
    town.change_person("pupr_head", active=False)
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    assert [n.person_key for n in town.notices(kind=reports.KIND)] == ["coordinator"]


def test_a_report_is_filed_once(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    before = town.count(History), town.count(Notice)
    with pytest.raises(Refused) as refused:
        town.report(ticket_id, T0 + 2 * HOUR, text="Sekali lagi.")
    assert refused.value.field == "report"
    assert (town.count(History), town.count(Notice)) == before


def test_two_who_file_at_the_same_moment_file_one(town: Town) -> None:
    for _ in range(4):
        ticket_id = town.sent()
        came = together(*(lambda t=ticket_id: town.report(t, T0 + HOUR) for _ in range(3)))
        assert [one is None for one in came].count(True) == 1, came
        assert [isinstance(one, Refused) for one in came].count(True) == 2, came
    assert town.count(HandlingReport) == 4
    assert len(town.notices(kind=reports.KIND)) == 4


# ---------------------------------------------------------------- whose clock


@pytest.mark.parametrize(
    ("filed", "expected"),
    [(T0 + DAY - TICK, Standing.MET), (T0 + DAY, Standing.MISSED)],
)
@pytest.mark.parametrize("said", [T0 - 9 * HOUR, T0 + HOUR, T0 + DAY])
def test_the_window_is_measured_by_our_clock_not_by_what_the_officer_says(
    town: Town, filed: datetime, expected: Standing, said: datetime
) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, filed, done_at=said)
    report = _report(town, ticket_id)
    assert report is not None
    assert report.done_at == said
    assert town.ticket(ticket_id).handled_at == filed
    assert standing(town.ticket(ticket_id).times, T0 + 9 * DAY) is expected


@pytest.mark.parametrize(
    ("done_at", "fine"),
    [
        (T0 + HOUR + 10 * MINUTE, True),
        (T0 + HOUR + 10 * MINUTE + TICK, False),
        (T0 - 300 * DAY, True),
        (T0 - 400 * DAY, False),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8))), False),
        (datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-8))), False),
    ],
)
def test_the_work_was_done_before_now_and_not_in_another_age(
    town: Town, done_at: datetime, fine: bool
) -> None:
    ticket_id = town.sent()
    if fine:
        town.report(ticket_id, T0 + HOUR, done_at=done_at)
        return
    with pytest.raises(Refused) as refused:
        town.report(ticket_id, T0 + HOUR, done_at=done_at)
    assert refused.value.field == "done_at"
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("report", {"text": "\u200b "}),
        ("report", {"text": "x" * 4001}),
        ("people", {"people": ""}),
        ("people", {"people": "x" * 301}),
        ("materials", {"materials": "x" * 301}),
    ],
)
def test_a_report_says_what_and_by_whom(town: Town, field: str, change: dict[str, Any]) -> None:
    ticket_id = town.sent()
    with pytest.raises(Refused) as refused:
        town.report(ticket_id, T0 + HOUR, picture(), **change)
    assert refused.value.field == field
    assert _report(town, ticket_id) is None
    assert _on_disk(town) == []


# ---------------------------------------------------------------- photos


def test_photos_are_attached_with_what_the_camera_wrote_apart(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR, picture(), picture((300, 200), "PNG", 6))
    first, second = _attached(town, ticket_id)
    assert (first.media_type, first.purpose, first.added_by) == (
        "image/jpeg",
        "report",
        "person:pupr_1",
    )
    assert first.exif["GPSLatitudeRef"] == "S"
    assert second.exif["DateTimeOriginal"] == "2026:03:01 10:29:58"
    for row in (first, second):
        data = (town.folder / row.path).read_bytes()
        assert (row.bytes, row.sha256 in row.path) == (len(data), True)
        assert b"Kamera" not in data
    assert _on_disk(town) == sorted(town.folder / row.path for row in (first, second))


def test_the_same_photo_twice_is_attached_once(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR, picture(), picture(), picture())
    assert len(_attached(town, ticket_id)) == 1


def test_one_photo_may_belong_to_two_tickets(town: Town) -> None:
    complaint_id = town.complaint()
    both = [town.dispatch(complaint_id), town.dispatch(complaint_id, T0, "pdam")]
    for ticket_id in both:
        town.report(ticket_id, T0 + HOUR, picture())
    assert [len(_attached(town, t)) for t in both] == [1, 1]
    assert len(_on_disk(town)) == 1


def test_a_photo_that_is_none_refuses_the_whole_report(town: Town) -> None:
    ticket_id = town.sent()
    with pytest.raises(Refused) as refused:
        town.report(ticket_id, T0 + HOUR, picture(), b"<svg/>")
    assert refused.value.field == "photos"
    assert _report(town, ticket_id) is None
    assert _attached(town, ticket_id) == []
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED
    town.report(ticket_id, T0 + HOUR, picture())
    assert len(_attached(town, ticket_id)) == 1


@pytest.mark.parametrize("verb", ["return_", "report"])
def test_who_may_not_report_any_more_leaves_no_photos_either(town: Town, verb: str) -> None:
    """An old link must not be a way to fill the disk."""
    ticket_id = town.sent()
    getattr(town, verb)(ticket_id, T0 + HOUR)
    with pytest.raises(Refused):
        town.report(ticket_id, T0 + 2 * HOUR, picture())
    assert _on_disk(town) == []


def test_nothing_is_decoded_for_who_may_not_report(town: Town) -> None:
    """The door asks this before it looks at a single file."""
    ticket_id = town.sent()
    with town.store.read() as db:
        reports.check_open(db, ticket_id)
    town.report(ticket_id, T0 + HOUR)
    returned = town.sent()
    town.return_(returned, T0 + HOUR)
    for closed, field in ((ticket_id, "report"), (returned, "state")):
        with town.store.read() as db, pytest.raises(Refused) as refused:
            reports.check_open(db, closed)
        assert refused.value.field == field
    with town.store.read() as db, pytest.raises(NotFound):
        reports.check_open(db, 999)


# ---------------------------------------------------------------- spoken


def test_a_report_may_be_spoken_and_is_kept_as_it_came(town: Town) -> None:
    ticket_id, sound = town.sent(), spoken(3)
    town.report(ticket_id, T0 + HOUR, picture(), text="", voice=voice_notes.heard(sound))
    photo, voice = _attached(town, ticket_id)
    assert (photo.purpose, photo.seconds) == ("report", None)
    assert (voice.purpose, voice.media_type, voice.seconds) == ("spoken", "audio/wav", 3.0)
    assert voice.speech_seconds is not None
    assert voice.speech_seconds > 1
    assert (town.folder / voice.path).read_bytes() == sound
    assert voice.sha256 == hashlib.sha256(sound).hexdigest()
    (notice,) = town.notices(kind=reports.KIND)
    assert "disampaikan dengan suara" in notice.body


def test_a_report_without_words_and_without_a_voice_is_none(town: Town) -> None:
    ticket_id = town.sent()
    with pytest.raises(Refused) as refused:
        town.report(ticket_id, T0 + HOUR, picture(), text=" ")
    assert refused.value.field == "report"
    assert _on_disk(town) == []


# ---------------------------------------------------------------- read


def _opened(town: Town, person: str, at: datetime) -> bool:
    with town.store.write() as db:
        link = db.scalars(select(OfficerLink).filter_by(person_key=person)).first()
        assert link is not None
        return reports.opened(db, link.id, now=at, rules=town.rules)


def _sent(town: Town, ticket_id: int, state: str) -> None:
    with town.store.write() as db:
        notice = db.scalars(select(Notice).filter_by(kind=reports.KIND)).one()
        notice.state, notice.sent_at, notice.ask_at = state, T0 + HOUR, T0 + HOUR


def test_the_head_who_opens_the_report_has_read_it_and_it_has_arrived(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    _sent(town, ticket_id, "sent")
    assert _opened(town, "pupr_head", T0 + 2 * HOUR)
    (notice,) = town.notices(kind=reports.KIND)
    assert (notice.state, notice.delivered_at, notice.read_at, notice.ask_at) == (
        "delivered",
        T0 + 2 * HOUR,
        T0 + 2 * HOUR,
        None,
    )
    assert town.ticket(ticket_id).state is TicketState.REPORTED
    assert town.ticket(ticket_id).reported_at == T0 + 2 * HOUR


def test_opened_again_it_was_read_the_first_time(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    town.report_arrives(ticket_id, T0 + HOUR)
    assert _opened(town, "pupr_head", T0 + 2 * HOUR)
    assert not _opened(town, "pupr_head", T0 + 3 * HOUR)
    (notice,) = town.notices(kind=reports.KIND)
    assert (notice.delivered_at, notice.read_at) == (T0 + HOUR, T0 + 2 * HOUR)
    with town.store.read() as db:
        link = db.scalars(select(OfficerLink).filter_by(person_key="pupr_head")).one()
        assert link.first_opened_at == T0 + 2 * HOUR
    assert [h.verb for h in town.history(ticket_id=ticket_id)].count("report") == 1


@pytest.mark.parametrize("state", ["queued", "sending", "dead"])
def test_a_report_that_is_read_before_its_message_went_out_is_reported(
    town: Town, state: str
) -> None:
    """Over the link of an earlier message; what becomes of this one is left to the workers."""
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    _sent(town, ticket_id, state)
    assert _opened(town, "pupr_head", T0 + 2 * HOUR)
    (notice,) = town.notices(kind=reports.KIND)
    assert (notice.state, notice.read_at) == (state, T0 + 2 * HOUR)
    assert town.ticket(ticket_id).state is TicketState.REPORTED


def test_the_officers_own_look_is_no_reading_by_the_head(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    _sent(town, ticket_id, "sent")
    assert not _opened(town, "pupr_1", T0 + 2 * HOUR)
    assert town.notices(kind=reports.KIND)[0].read_at is None
    assert town.ticket(ticket_id).state is TicketState.HANDLED


def test_many_who_open_it_at_the_same_moment_read_it_once(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    _sent(town, ticket_id, "sent")
    came = together(*(lambda: _opened(town, "pupr_head", T0 + 2 * HOUR) for _ in range(4)))
    assert sorted(came, key=bool) == [False, False, False, True], came
    assert [h.verb for h in town.history(ticket_id=ticket_id)].count("report") == 1


# ---------------------------------------------------------------- after it


def test_work_that_was_called_done_before_gets_its_report_later(town: Town) -> None:
    """The handling counts from when it was said; the chase for the report goes on until it is."""
    ticket_id = town.sent()
    with town.store.write() as db:
        ticket = tickets.locked(db, ticket_id)
        history.advance_ticket(db, ticket, "handle", actor=DUTY, now=T0 + HOUR)
        ticket.handled_at = T0 + HOUR
        escalation.reschedule(ticket, town.rules)
    town.clock(T0 + 2 * DAY)
    assert "chase_report" in keys(town.taken(ticket_id))
    town.report(ticket_id, T0 + 2 * DAY)
    assert town.ticket(ticket_id).handled_at == T0 + HOUR
    town.report_arrives(ticket_id, T0 + 2 * DAY)
    assert town.ticket(ticket_id).state is TicketState.REPORTED


@pytest.mark.parametrize("way", [(), ("accept",), ("respond",), ("respond", "start")])
def test_it_may_be_filed_from_every_state_that_has_work_left(
    town: Town, way: tuple[str, ...]
) -> None:
    ticket_id = town.sent()
    for verb in way:
        getattr(town, verb)(ticket_id, T0 + MINUTE)
    town.report(ticket_id, T0 + HOUR)
    assert town.ticket(ticket_id).state is TicketState.HANDLED
    assert town.ticket(ticket_id).next_step_key == "chase_report"


def test_a_report_that_arrives_is_written_by_the_clock_in_the_history(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    town.report_arrives(ticket_id, T0 + 2 * HOUR)
    row = town.history(ticket_id=ticket_id)[-1]
    assert (row.verb, row.from_state, row.to_state, row.at.astimezone(UTC)) == (
        "report",
        "handled",
        "reported",
        T0 + 2 * HOUR,
    )


# ---------------------------------------------------------------- sent again


def _again(town: Town, ticket_id: int, at: datetime) -> None:
    with town.store.write() as db:
        reports.send_again(db, ticket_id, actor="supervisor", now=at, rules=town.rules)


def test_a_report_is_sent_again_to_who_is_head_now(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    town.report_arrives(ticket_id, T0 + HOUR)
    _again(town, ticket_id, T0 + 2 * HOUR)
    first, second = town.notices(kind=reports.KIND)
    assert (first.person_key, second.person_key) == ("pupr_head", "pupr_head")
    assert (second.state, second.body) == ("queued", first.body)
    assert first.key != second.key
    assert _opened(town, "pupr_head", T0 + 3 * HOUR)


@pytest.mark.parametrize(
    ("at", "fine"),
    [(T0 + HOUR + 10 * MINUTE - TICK, False), (T0 + HOUR + 10 * MINUTE, True)],
)
def test_a_report_is_not_sent_again_within_ten_minutes(
    town: Town, at: datetime, fine: bool
) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    town.report_arrives(ticket_id, T0 + HOUR)
    if fine:
        _again(town, ticket_id, at)
    else:
        with pytest.raises(Refused, match="sepuluh menit"):
            _again(town, ticket_id, at)
    assert len(town.notices(kind=reports.KIND)) == 1 + fine


def test_what_is_still_being_sent_or_was_never_written_is_not_sent_again(town: Town) -> None:
    ticket_id = town.sent()
    with pytest.raises(NotFound):
        _again(town, ticket_id, T0 + DAY)
    town.report(ticket_id, T0 + HOUR)
    with pytest.raises(Refused, match="masih dalam pengiriman"):
        _again(town, ticket_id, T0 + DAY)
