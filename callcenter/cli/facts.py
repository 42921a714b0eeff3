"""Rows as facts: the names that `--json` prints. They are documented in docs/cli.md and stay.

`brief_*` is what a listing shows, `full_*` what `show` adds. A telephone number is masked unless
`reveal` says otherwise. Durations are seconds, times aware UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from callcenter.domain.people import mask_phone
from callcenter.domain.window import standing
from callcenter.store.models import Call, Complaint, History, Notice, Ticket

Facts = dict[str, Any]


def _phone(number: str | None, reveal: bool) -> str | None:
    if not number:
        return None
    return number if reveal else mask_phone(number)


def brief_call(call: Call, *, now: datetime, reveal: bool = False) -> Facts:
    """A call in a listing."""
    ended = call.ended_at
    return {
        "id": call.id,
        "call_id": call.call_uid,
        "line": call.line,
        "started_at": call.started_at,
        "ended_at": ended,
        "seconds": round((ended - call.started_at).total_seconds(), 1) if ended else None,
        "caller": _phone(call.caller, reveal),
        "number": call.public_number,
        "number_heard": call.number_heard,
        "speech_seconds": call.speech_seconds,
        "silent": call.silent,
        "mode": call.mode,
        "complaint": call.complaint.public_number if call.complaint else None,
    }


def full_call(call: Call, *, now: datetime, reveal: bool = False) -> Facts:
    """One call with its recordings and the way it took."""
    return {
        **brief_call(call, now=now, reveal=reveal),
        "called": call.called,
        "cause": call.cause,
        "consent_at": call.consent_at,
        "filed_at": call.filed_at,
        "recordings": [
            {
                "id": r.id,
                "kind": r.kind,
                "take": r.take,
                "path": r.path,
                "seconds": r.seconds,
                "speech_seconds": r.speech_seconds,
                "bytes": r.bytes,
                "sha256": r.sha256,
                "repaired": r.repaired,
            }
            for r in call.recordings
        ],
        "path": [_step(row, reveal) for row in call.path],
    }


def _step(row: Any, reveal: bool) -> Facts:
    at, key, value = row
    shown = (_phone(str(value), reveal) or "") if key == "caller" else value
    return {"at": at, "key": key, "value": shown}


def brief_complaint(complaint: Complaint, *, now: datetime, reveal: bool = False) -> Facts:
    """A complaint in a listing."""
    return {
        "id": complaint.id,
        "number": complaint.public_number,
        "state": complaint.state.value,
        "urgency": complaint.urgency.value,
        "channel": complaint.channel,
        "received_at": complaint.received_at,
        "category": complaint.category_key,
        "village": complaint.village_code,
        "reporter_phone": _phone(complaint.reporter_phone, reveal),
        "agencies": [t.agency_key for t in complaint.tickets],
        "outcome": complaint.outcome.value if complaint.outcome else None,
        "closed_at": complaint.closed_at,
    }


def full_complaint(complaint: Complaint, *, now: datetime, reveal: bool = False) -> Facts:
    """One complaint with its tickets and its history."""
    return {
        **brief_complaint(complaint, now=now, reveal=reveal),
        "call_id": complaint.call.call_uid if complaint.call else None,
        "reporter_name": complaint.reporter_name,
        "transcript": complaint.transcript,
        "place_note": complaint.place_note,
        "asked_at": complaint.asked_at,
        "tickets": [brief_ticket(t, now=now, reveal=reveal) for t in complaint.tickets],
        "history": [_change(row) for row in complaint.history],
    }


def brief_ticket(ticket: Ticket, *, now: datetime, reveal: bool = False) -> Facts:
    """A ticket in a listing."""
    return {
        "id": ticket.id,
        "complaint": ticket.complaint.public_number,
        "agency": ticket.agency_key,
        "state": ticket.state.value,
        "urgency": ticket.urgency.value,
        "dispatched_at": ticket.dispatched_at,
        "due_at": ticket.due_at,
        "standing": standing(ticket.times, now).value,
        "responded_at": ticket.responded_at,
        "handled_at": ticket.handled_at,
        "reported_at": ticket.reported_at,
        "next_step": ticket.next_step_key,
        "next_step_at": ticket.next_step_at,
    }


def full_ticket(ticket: Ticket, *, now: datetime, reveal: bool = False) -> Facts:
    """One ticket with its ladder and its handling report."""
    report = ticket.report
    return {
        **brief_ticket(ticket, now=now, reveal=reveal),
        "order": ticket.order,
        "accepted_at": ticket.accepted_at,
        "accepted_by": ticket.accepted_by,
        "response": ticket.response,
        "waiting_reason": ticket.waiting_reason.value if ticket.waiting_reason else None,
        "waiting_until": ticket.waiting_until,
        "returned_at": ticket.returned_at,
        "return_reason": ticket.return_reason,
        "closed_at": ticket.closed_at,
        "steps": [
            {"step": e.step_key, "due_at": e.due_at, "taken_at": e.taken_at}
            for e in ticket.escalations
        ],
        "report": {
            "text": report.text,
            "done_at": report.done_at,
            "filed_by": report.filed_by,
            "filed_at": report.filed_at,
        }
        if report
        else None,
        "attachments": [
            {"purpose": a.purpose, "path": a.path, "bytes": a.bytes, "sha256": a.sha256}
            for a in ticket.attachments
        ],
    }


def brief_notice(notice: Notice, *, now: datetime, reveal: bool = False) -> Facts:
    """A notice in a listing."""
    return {
        "id": notice.id,
        "kind": notice.kind,
        "state": notice.state,
        "person": notice.person_key,
        "channel": notice.channel,
        "ticket": notice.ticket_id,
        "urgent": notice.urgent,
        "created_at": notice.created_at,
        "not_before": notice.not_before,
        "sent_at": notice.sent_at,
        "delivered_at": notice.delivered_at,
        "read_at": notice.read_at,
        "tries": notice.tries,
        "error": notice.error,
    }


def full_notice(notice: Notice, *, now: datetime, reveal: bool = False) -> Facts:
    """One notice with its words and every attempt to send it."""
    return {
        **brief_notice(notice, now=now, reveal=reveal),
        "subject": notice.subject,
        "body": notice.body,
        "attempts": [
            {
                "channel": a.channel,
                "started_at": a.started_at,
                "finished_at": a.finished_at,
                "result": a.result,
                "error": a.error,
            }
            for a in notice.attempts
        ],
    }


def _change(row: History) -> Facts:
    return {
        "at": row.at,
        "actor": row.actor,
        "verb": row.verb,
        "from": row.from_state,
        "to": row.to_state,
        "ticket": row.ticket_id,
        "why": row.why,
    }
