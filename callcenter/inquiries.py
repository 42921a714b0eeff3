"""What the line asks the desk while a caller waits: what became of a complaint, in prompts.

One place for every line (exchange, Twilio, test phone): services say what may be told, and
`ivr.saying` says it in the caller's language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.status import Status, WindowFacts
from callcenter.services.status import InquiryRules, inquire
from callcenter.store.session import Store
from ivr.conduct import Inquiry
from ivr.flow import Found, Lookup, NotFound
from ivr.prompts import PromptBook
from ivr.saying import Facts, Pace, status

Books = Callable[[], Mapping[str, PromptBook]]


def desk(
    store: Store, rules: InquiryRules, zone: ZoneInfo, books: Books
) -> Callable[[str], Inquiry]:
    """The caller's number as the line shows it (empty: hidden) -> what looks a complaint up."""

    def for_caller(caller: str) -> Inquiry:
        def ask(lookup: Lookup) -> Found | NotFound:
            with store.write() as session:  # a wrong PIN leaves a row, whatever the answer is
                told = inquire(
                    session,
                    number=lookup.number,
                    pin=lookup.pin,
                    caller=caller,
                    now=datetime.now(UTC),
                    rules=rules,
                )
            if told is None:
                return NotFound()
            shelf = books()
            book = shelf.get(lookup.language) or shelf["id"]
            return Found(status(facts_of(told, zone), lookup.language, sounds=book))

        return ask

    return for_caller


def facts_of(told: Status, zone: ZoneInfo) -> Facts:
    """The facts as the line says them; days are those of `zone`."""
    closed = told.state is ComplaintState.CLOSED
    pace, span = _pace(told.window)
    return Facts(
        state=(told.state if closed else told.ticket_state or told.state).value,
        agency=told.agency_key,
        pace=pace,
        span=span,
        expected=told.expected_at.astimezone(zone).date() if told.expected_at else None,
        outcome=told.outcome.value if told.outcome else None,
    )


def _pace(window: WindowFacts | None) -> tuple[Pace | None, timedelta]:
    if window is None:
        return None, timedelta(0)
    if window.met:
        return Pace.MET, timedelta(0)
    if window.left is not None:
        return Pace.RUNNING, window.left
    return Pace.LATE, window.late_by or timedelta(0)
