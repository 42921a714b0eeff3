"""Who acts, what they may do, and how much of a telephone number a reader needs."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Console roles."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    OFFICER = "officer"
    ADMINISTRATOR = "administrator"


class Post(StrEnum):
    """Posts that the ladder can address. `next` and `team` are resolved per ticket."""

    DUTY = "duty"
    NEXT = "next"
    TEAM = "team"
    SECRETARY = "secretary"
    HEAD = "head"
    SUPERVISOR = "supervisor"
    COORDINATOR = "coordinator"
    REGIONAL_SECRETARY = "regional_secretary"
    DEPUTY_REGENT = "deputy_regent"


#: Posts held inside every agency; the others are offices of the regency.
AGENCY_POSTS = frozenset({Post.DUTY, Post.NEXT, Post.TEAM, Post.SECRETARY, Post.HEAD})

_MAY: dict[str, frozenset[Role]] = {
    "work_desk": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "hear_recordings": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "see_calls": frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "see_all_tickets": frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "see_own_tickets": frozenset({Role.OFFICER}),
    "accept_ticket": frozenset({Role.OFFICER}),
    "mark_waiting": frozenset({Role.OFFICER, Role.OPERATOR, Role.SUPERVISOR}),
    "export_waiting": frozenset({Role.OFFICER, Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "send_reports_again": frozenset({Role.OFFICER, Role.OPERATOR, Role.SUPERVISOR}),
    "forget_pins": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "chase": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "confirm_not_actionable": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "forget_person": frozenset({Role.SUPERVISOR}),
    "see_messages": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "resend_messages": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "see_machinery": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "try_line": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "edit_prompts": frozenset({Role.ADMINISTRATOR}),
    "see_audit": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "call_back": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "answer_calls": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "see_operators": frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    "flag_pranks": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "see_roster": frozenset(Role),
    "swap_duty": frozenset({Role.OFFICER, Role.ADMINISTRATOR}),
    "switch_line": frozenset({Role.ADMINISTRATOR}),
}


def may(role: Role, right: str) -> bool:
    """Whether `role` has `right`; an unknown right is a programming error (KeyError)."""
    return role in _MAY[right]


def mask_phone(number: str | None) -> str:
    """The number with all but the last three digits hidden: `+62812345678` -> `•••678`.

    Enough to recognise a caller on the phone, too little to ring them.
    """
    digits = "".join(c for c in number or "" if c.isdigit())
    if not digits:
        return "tersembunyi"
    return "•••" + (digits[-3:] if len(digits) > 5 else "")
