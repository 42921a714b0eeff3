"""The hotline's tree as data: what is said, which keys there are, where each leads.

One table makes prompts, choices and actions; `ivr.flow` walks it. Speaking alone is enough:
silence leads from every place towards a filed complaint, and every key is a shortcut. The
emergency key works in every place. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivr.nodes import (
    EMERGENCY,
    Choose,
    Connect,
    End,
    Enter,
    Fork,
    Go,
    Hear,
    Menu,
    Outcome,
    Relay,
    Say,
    Seek,
    Speak,
    Spell,
    Take,
    Tell,
)

#: Language keys in the order in which the line offers them; the prompts name the keys.
LANGUAGES = {"1": "id", "2": "ban", "3": "en"}


@dataclass(frozen=True)
class Limits:
    """What a deployment may tune. Seconds, except the counts.

    `languages`: which of LANGUAGES are offered besides Indonesian. `speech_s` is the least speech
    that makes a recording worth keeping for a caller.
    """

    complaint_s: int = 180
    complaint_silence_s: int = 4
    short_s: int = 10
    short_silence_s: int = 2
    language_wait_s: float = 2.0
    menu_wait_s: float = 3.0
    again_wait_s: float = 2.0
    review_wait_s: float = 4.0
    digit_wait_s: float = 5.0
    emergency_ring_s: float = 40.0
    queue_round_s: float = 30.0
    queue_rounds: int = 20
    offer_wait_s: float = 2.0
    retakes: int = 3
    listens: int = 5
    repeats: int = 5
    forgiven: int = 2
    heard_nothing: int = 2
    status_tries: int = 3
    speech_s: float = 0.5
    operators: bool = False
    emergency: bool = False
    languages: tuple[str, ...] = tuple(LANGUAGES.values())


#: Where a call begins, by the line's mode (`Started.mode`).
ENTRIES = {
    "normal": "language",
    "announcement": "announcement",
    "emergency_only": "emergency_only",
    "limited": "limited",
    "no_room": "no_room",
}
GO_RECORD = Go("record_complaint")  # a prompt that cannot be played is no reason not to record


def build_menu(limits: Limits = Limits()) -> Menu:
    """The menu of the complaint line."""
    return {
        **_welcome(limits),
        **_report(limits),
        **_number(limits),
        **_status(limits),
        **_operator(limits),
        **_emergency(limits),
        **_no_room(limits),
        "goodbye_silent": Say(("goodbye_silent",), Go("silent"), on_failure=Go("silent")),
        "end": End(Outcome.FILED),
        "served": End(Outcome.SERVED),
        "silent": End(Outcome.SILENT),
        "hung_up": End(Outcome.HUNG_UP),
        "failed": End(Outcome.FAILED),
    }


def _welcome(limits: Limits) -> Menu:
    """Announcement, language, consent, menu."""
    return {
        "announcement": Say(("announcement",), Go("language"), on_failure=Go("language")),
        "emergency_only": Say(("emergency_only",), Go("welcome"), on_failure=Go("welcome")),
        "limited": Say(("welcome",), Go("welcome"), on_failure=Go("welcome")),
        **_languages(limits),
        "welcome": Say(("welcome_consent",), Go("hurried"), interruptible=False, note="consent"),
        "hurried": Fork("hurried", yes=Go("ask_complaint"), no=Go("menu")),
        "menu": _main_menu(
            ("menu", *_operator_key(limits), "menu_emergency"), limits.menu_wait_s, limits
        ),
        "menu_again": _main_menu(
            ("menu_again", *_operator_key(limits)), limits.again_wait_s, limits
        ),
    }


def _languages(limits: Limits) -> Menu:
    """The choice of a language; with one alone nobody is asked."""
    offered = {key: name for key, name in LANGUAGES.items() if name in {*limits.languages, "id"}}
    ways: Menu = {f"in_{name}": Speak(name, Go("welcome")) for name in offered.values()}
    if len(offered) == 1:
        return {"language": Say(("welcome",), Go("in_id"), on_failure=Go("in_id")), **ways}
    choice = Choose(
        ("welcome", *(f"language_{name}" for name in offered.values())),
        {key: Go(f"in_{name}") for key, name in offered.items()},
        silence=Go("in_id"),
        other=Go("in_id"),
        wait_s=limits.language_wait_s,
        on_failure=Go("in_id"),
    )
    return {"language": choice, **ways}


def _operator_key(limits: Limits) -> tuple[str, ...]:
    """Nobody is told of a key that nobody answers; pressed all the same, it leads on."""
    return ("menu_operator",) if limits.operators else ()


def _main_menu(prompts: tuple[str, ...], wait_s: float, limits: Limits) -> Choose:
    """Wrong keys are forgiven, then the call goes on to recording; waiting is no mistake at all,
    but the way of those who only speak."""
    again = Go("menu_again", limits.forgiven, otherwise="ask_complaint", counter="forgiven")
    return Choose(
        prompts,
        {"1": Go("ask_complaint"), "2": Go("ask_number"), "0": Go("operators")},
        silence=Go("ask_complaint"),
        other=again,
        wait_s=wait_s,
        on_failure=Go("ask_complaint"),
    )


def _report(limits: Limits) -> Menu:
    """Complaint, review, name, village, a number to call back."""
    accept = Go("ask_name", note=("review", "accepted"))
    return {
        "ask_complaint": Say(("ask_complaint",), Go("record_complaint"), on_failure=GO_RECORD),
        "record_complaint": Take(
            "complaint",
            limits.complaint_s,
            limits.complaint_silence_s,
            limits.speech_s,
            spoken=Go("review"),
            silent=Go(
                "heard_nothing", limits.heard_nothing, otherwise="goodbye_silent", kept="ask_name"
            ),
            no_room=Go("no_room", 1, otherwise="no_room_still"),
        ),
        "heard_nothing": Say(("heard_nothing",), Go("record_complaint"), on_failure=GO_RECORD),
        "review": Choose(
            ("review",),
            {
                "1": accept,
                "2": Go("listen", limits.listens, otherwise="ask_name"),
                "3": Go(
                    "ask_again", limits.retakes, otherwise="ask_name", note=("review", "again")
                ),
            },
            silence=Go("ask_name", note=("review", "silence")),
            other=accept,
            wait_s=limits.review_wait_s,
            on_failure=accept,
        ),
        "listen": Hear(Go("review"), on_failure=Go("ask_name")),
        "ask_again": Say(("ask_complaint",), Go("record_complaint"), on_failure=GO_RECORD),
        "ask_name": Say(("ask_name",), Go("record_name"), on_failure=Go("ask_village")),
        "record_name": _short("name", limits, Go("ask_village")),
        "ask_village": Say(("ask_village",), Go("record_village"), on_failure=Go("reachable")),
        "record_village": _short("village", limits, Go("reachable")),
        "reachable": Fork("caller_known", yes=Go("tell_number"), no=Go("ask_phone")),
        "ask_phone": Spell(
            "phone",
            ("ask_phone",),
            least=7,
            most=14,
            wait_s=limits.digit_wait_s,
            given=Go("tell_number"),
            missing=Go("tell_number"),
            on_failure=Go("tell_number"),
        ),
    }


def _short(kind: str, limits: Limits, then: Go) -> Take:
    return Take(
        kind, limits.short_s, limits.short_silence_s, limits.speech_s, then, then, on_failure=then
    )


def _no_room(limits: Limits) -> Menu:
    """The disk is full: who else helps now; where there are operators, they answer.

    What operators hear is recorded where that is still possible, so it is said.
    """
    over = Go("served")
    still = Say(("no_room",), over, interruptible=False, on_failure=over)
    if not limits.operators:
        return {"no_room": still, "no_room_still": still}
    connect = Go("no_room_operators")
    return {
        "no_room": Say(("no_room",), connect, interruptible=False, on_failure=connect),
        "no_room_operators": Say(
            ("operators",), Go("queue"), interruptible=False, note="consent", on_failure=over
        ),
        "no_room_still": still,
    }


def _number(limits: Limits) -> Menu:
    """The number, after which caller of the day this is; twice, and once more on a key."""
    return {
        "tell_number": Tell(
            "number_intro",
            Go("no_number"),
            Go("tell_again"),
            note="number_heard",
            ordinal="caller_ordinal",
        ),
        "tell_again": Tell(
            "number_again",
            Go("thanks"),
            Go("repeat"),
            interruptible=True,
            pin="pin_intro",
            on_failure=Go("thanks"),
        ),
        "repeat": Choose(
            ("repeat",),
            {"1": Go("tell_again", limits.repeats, otherwise="thanks")},
            silence=Go("thanks"),
            other=Go("thanks"),
            wait_s=limits.again_wait_s,
            on_failure=Go("thanks"),
        ),
        "no_number": Say(("no_number",), Go("thanks"), on_failure=Go("thanks")),
        "thanks": Say(("thanks",), Go("end"), on_failure=Go("end")),
    }


def _status(limits: Limits) -> Menu:
    """What became of a complaint: number and PIN, or this telephone and PIN."""
    return {
        "ask_number": Spell(
            "number",
            ("ask_number",),
            least=8,
            most=8,
            wait_s=limits.digit_wait_s,
            given=Go("ask_pin"),
            missing=Go("ask_pin"),
            on_failure=Go("ask_complaint"),
        ),
        "ask_pin": Spell(
            "pin",
            ("ask_pin",),
            least=4,
            most=4,
            wait_s=limits.digit_wait_s,
            given=Go("seek"),
            missing=Go("not_found"),
            on_failure=Go("ask_complaint"),
        ),
        "seek": Seek(
            found=Go("status"), unknown=Go("not_found"), on_failure=Go("status_unavailable")
        ),
        "status": Relay(Go("status_end"), on_failure=Go("status_unavailable")),
        "status_end": Choose(
            ("status_end", *_operator_key(limits)),
            {
                "1": Go("ask_complaint"),
                "2": Go("status", limits.repeats, otherwise="goodbye"),
                "0": Go("operators"),
            },
            silence=Go("goodbye"),
            other=Go("goodbye"),
            wait_s=limits.menu_wait_s,
            on_failure=Go("goodbye"),
        ),
        "not_found": Say(
            ("not_found",),
            Go("ask_number", limits.status_tries - 1, otherwise="ask_complaint"),
            on_failure=Go("ask_complaint"),
        ),
        "status_unavailable": Say(
            ("status_unavailable",), Go("ask_complaint"), on_failure=Go("ask_complaint")
        ),
        "goodbye": Say(("goodbye",), Go("served"), on_failure=Go("served")),
    }


def _operator(limits: Limits) -> Menu:
    """A person, if one is there; the wait offers recording and a call-back, never a dead end.

    The keys of the offer work during the music, too, so that nobody has to wait at the offer.
    """
    if not limits.operators:
        return {"operators": Say(("no_operator",), Go("ask_complaint"), on_failure=GO_RECORD)}
    instead = {"1": Go("ask_complaint"), "2": Go("call_back", note=("call_back", "asked"))}
    return {
        "operators": Enter(
            "operators",
            then=Go("operators_called"),
            nobody=Go("no_operator"),
            on_failure=Go("no_operator"),
        ),
        "operators_called": Say(("operators",), Go("queue_place"), on_failure=Go("queue_place")),
        "queue_place": Relay(Go("queue"), on_failure=Go("queue")),
        "queue": Connect(
            "operators",
            limits.queue_round_s,
            talked=Go("tell_number"),
            unrecorded=Go("goodbye"),
            nobody=Go("queue_offer", limits.queue_rounds, otherwise="no_operator"),
            keys=instead,
            on_failure=Go("no_operator"),
        ),
        "queue_offer": Choose(
            ("queue_offer",),
            instead,
            silence=Go("queue", limits.queue_rounds, otherwise="no_operator"),
            other=Go("queue", limits.queue_rounds, otherwise="no_operator"),
            wait_s=limits.offer_wait_s,
            told=True,
            on_failure=Go("ask_complaint"),
        ),
        "call_back": Say(("call_back",), Go("served"), on_failure=Go("served")),
        "no_operator": Say(("no_operator",), Go("ask_complaint"), on_failure=GO_RECORD),
    }


def _emergency(limits: Limits) -> Menu:
    """One key, from everywhere: connected at once; nobody there: recorded as an emergency.

    Both texts say that the call is recorded: the long consent may not have been heard yet.
    """
    record = Say(
        ("emergency_record",),
        Go("record_complaint"),
        interruptible=False,
        note="consent",
        on_failure=GO_RECORD,
    )
    if not limits.emergency:
        return {EMERGENCY: record}
    return {
        EMERGENCY: Say(
            ("emergency",),
            Go("connect_emergency"),
            interruptible=False,
            note="consent",
            on_failure=Go("emergency_record"),
        ),
        "connect_emergency": Connect(
            "emergency",
            limits.emergency_ring_s,
            talked=Go("tell_number"),
            unrecorded=Go("goodbye"),
            nobody=Go("emergency_record"),
            on_failure=Go("emergency_record"),
        ),
        "emergency_record": record,
    }
