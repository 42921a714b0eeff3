"""Calls that the line places itself: to an officer about a ticket, to a citizen about the end.

The same kind of table as `ivr.menu`; what the person decides stands in the notes `officer` and
`citizen`. Standard library only.
"""

from __future__ import annotations

from ivr.menu import Limits
from ivr.nodes import (
    Choose,
    End,
    Go,
    Hear,
    Menu,
    Outcome,
    Relay,
    Say,
    Seek,
    Spell,
    Take,
)

_USUAL = Limits()
_ENDS: Menu = {
    "goodbye": Say(("goodbye",), Go("served"), on_failure=Go("served")),
    "served": End(Outcome.SERVED),
    "hung_up": End(Outcome.HUNG_UP),
    "failed": End(Outcome.FAILED),
}


def build_officer_menu(limits: Limits = _USUAL) -> Menu:
    """To an officer: PIN, what it is about, the citizen's voice, then one key.

    Note `officer`: accept, return, waiting or report (a clip of the kind `report` was recorded).
    Nobody who does not know the PIN hears anything of the citizen.
    """
    choose = Choose(
        ("officer_menu",),
        {
            "1": Go("accepted", note=("officer", "accept")),
            "2": Go("returned", note=("officer", "return")),
            "3": Go("waits", note=("officer", "waiting")),
            "4": Go("ask_report"),
            "5": Go("citizen", limits.listens, otherwise="goodbye"),
        },
        silence=Go("officer_menu", limits.forgiven, otherwise="goodbye", counter="forgiven"),
        other=Go("officer_menu", limits.forgiven, otherwise="goodbye", counter="forgiven"),
        wait_s=limits.digit_wait_s,
    )
    return {
        "officer_greeting": Say(("officer_greeting",), Go("ask_pin"), on_failure=Go("ask_pin")),
        "ask_pin": Spell(
            "pin",
            ("officer_pin",),
            least=4,
            most=4,
            wait_s=limits.digit_wait_s,
            given=Go("seek"),
            missing=Go("wrong_pin"),
        ),
        "seek": Seek(found=Go("brief"), unknown=Go("wrong_pin")),
        "wrong_pin": Say(
            ("wrong_pin",), Go("ask_pin", limits.status_tries - 1, otherwise="goodbye")
        ),
        "brief": Relay(Go("citizen"), on_failure=Go("citizen")),
        "citizen": Hear(Go("officer_menu"), clip="citizen", on_failure=Go("officer_menu")),
        "officer_menu": choose,
        "accepted": Say(("officer_accepted",), Go("goodbye"), on_failure=Go("goodbye")),
        "returned": Say(("officer_returned",), Go("goodbye"), on_failure=Go("goodbye")),
        "waits": Say(("officer_waits",), Go("goodbye"), on_failure=Go("goodbye")),
        "ask_report": Say(
            ("ask_report",),
            Go("record_report"),
            interruptible=False,
            note="consent",
            on_failure=Go("officer_menu", 1, otherwise="goodbye"),
        ),
        "record_report": Take(
            "report",
            limits.complaint_s,
            limits.complaint_silence_s,
            limits.speech_s,
            spoken=Go("reported", note=("officer", "report")),
            silent=Go("ask_report", limits.heard_nothing, otherwise="goodbye"),
            on_failure=Go("goodbye"),
        ),
        "reported": Say(("officer_reported",), Go("goodbye"), on_failure=Go("goodbye")),
        **_ENDS,
    }


def build_closing_menu(limits: Limits = _USUAL) -> Menu:
    """To a citizen: is it solved? Note `citizen`: solved or not_solved; without it the call
    says nothing, and the complaint stays unconfirmed. Who says that it is not solved may say why
    (a clip of the kind `reason`).

    What it is about is said by its number and kind of complaint alone: somebody else may answer.
    """
    ask = Choose(
        ("closing_menu",),
        {
            "1": Go("solved", note=("citizen", "solved")),
            "2": Go("not_solved", note=("citizen", "not_solved")),
        },
        silence=Go("closing_menu", limits.forgiven, otherwise="unconfirmed", counter="forgiven"),
        other=Go("closing_menu", limits.forgiven, otherwise="unconfirmed", counter="forgiven"),
        wait_s=limits.digit_wait_s,
        on_failure=Go("unconfirmed"),
    )
    return {
        "closing_greeting": Say(("closing_greeting",), Go("seek"), on_failure=Go("seek")),
        "seek": Seek(found=Go("brief"), unknown=Go("closing_menu"), on_failure=Go("closing_menu")),
        "brief": Relay(Go("closing_menu"), on_failure=Go("closing_menu")),
        "closing_menu": ask,
        "solved": Say(("closing_solved",), Go("goodbye"), on_failure=Go("goodbye")),
        "not_solved": Say(("closing_not_solved",), Go("ask_reason"), on_failure=Go("ask_reason")),
        "ask_reason": Say(
            ("ask_reason",),
            Go("record_reason"),
            interruptible=False,
            note="consent",
            on_failure=Go("goodbye"),
        ),
        "record_reason": Take(
            "reason",
            limits.complaint_s,
            limits.complaint_silence_s,
            limits.speech_s,
            spoken=Go("goodbye"),
            silent=Go("goodbye"),
            on_failure=Go("goodbye"),
        ),
        "unconfirmed": Say(("closing_unconfirmed",), Go("goodbye"), on_failure=Go("goodbye")),
        **_ENDS,
    }
