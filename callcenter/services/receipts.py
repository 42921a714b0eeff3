"""A receipt for whoever reported: the number, the PIN and how to ask, to their mobile, once.

Also after a hang-up: then it is the only way in which the caller learns the number. Nothing else
about the complaint is in it, because somebody else may read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.window import Night
from callcenter.services import notices, phones
from callcenter.services.turns import take_turn
from callcenter.services.wording import Words
from callcenter.store.models import Complaint, Notice
from callcenter.store.operator_models import OperatorCall
from ivr.numbers import format_number

#: Older complaints get none: nobody wants one when receipts are switched on, or weeks later.
_LATELY = timedelta(days=2)
#: So soon after the call the telephone is still in the citizen's hand, at night too.
_AT_ONCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ReceiptRules:
    """What a receipt names, and the hours in which one that comes late has to wait."""

    programme_name: str
    phone: str
    night: Night


def write_receipts(session: Session, *, now: datetime, rules: ReceiptRules) -> int:
    """Write the receipts of the complaints that were filed since; how many.

    Harmless to repeat, and for two at once. Landlines and hidden numbers get none; where a number
    is added later the receipt follows.
    """
    take_turn(session, "receipts")
    reported = [c for c in _without(session, now) if phones.mobile(c.reporter_phone)]
    for complaint in reported:
        _write(session, complaint, now, rules)
    return len(reported)


def write_receipt(
    session: Session, complaint: Complaint, *, now: datetime, rules: ReceiptRules
) -> None:
    """The receipt of a complaint that is made in this transaction, however old its letter is."""
    if phones.mobile(complaint.reporter_phone):
        _write(session, complaint, now, rules)


def _write(session: Session, complaint: Complaint, now: datetime, rules: ReceiptRules) -> None:
    soon = now < complaint.received_at + _AT_ONCE
    notices.to_reporter(
        session,
        complaint,
        _words(complaint, rules),
        now=now,
        not_before=now if soon else rules.night.ends(now),
    )


def _without(session: Session, now: datetime) -> list[Complaint]:
    """Complaints of the last days that have no receipt, by whatever way they came; nobody gets one
    while they talk about it."""
    has_one = exists().where(Notice.complaint_id == Complaint.id, Notice.kind == notices.RECEIPT)
    talking = exists().where(
        OperatorCall.call_id == Complaint.call_id, OperatorCall.ended_at.is_(None)
    )
    return list(
        session.scalars(
            select(Complaint)
            .where(
                Complaint.received_at > now - _LATELY,
                Complaint.reporter_phone.is_not(None),
                Complaint.state != ComplaintState.NOT_ACTIONABLE,
                ~has_one,
                ~talking,
            )
            .order_by(Complaint.id)
        )
    )


def _words(complaint: Complaint, rules: ReceiptRules) -> Words:
    """Without the PIN: that is added when the message leaves, and stands in no table."""
    number = format_number(complaint.public_number)
    lines = [
        f"{rules.programme_name}: aduan Anda sudah diterima.",
        f"Tanya perkembangannya: telepon {rules.phone}, tekan 2.",
        f"Nomor aduan: {number}",
    ]
    return Words("Tanda terima aduan", "\n".join(lines))
