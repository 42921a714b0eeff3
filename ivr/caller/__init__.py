"""A caller of our own: places real SIP calls, speaks, presses keys and remembers what it heard.

Why ours: baresip-python exists for CPython 3.11 only, sipp presses keys only through raw sockets
(root), and neither can say what the line answered. Python and numpy are enough for one call, and
for a hundred at once: one thread, one selector, 20 ms frames paced by the monotonic clock.

    sip.py      messages: parse what the network sends, build what we send (RFC 3261)
    digest.py   the answer to a 401 or 407 (RFC 7616, RFC 2617)
    dialog.py   the life of one call's signalling; no sockets, no clock of its own
    sdp.py      the offer and the answer (RFC 8866, RFC 3264)
    g711.py     A-law and mu-law (ITU-T G.711)
    rtp.py      packets, speech and keys going out (RFC 3550, RFC 4733)
    ear.py      everything that came in, on one time line; beep, quiet, prompts
    script.py   what the caller does: say, press, wait, hang up, and after what
    sockets.py  two UDP sockets per call
    place.py    `place_call` and `place_calls`: pacing, patience, result
    hearing.py  afterwards: which prompts and numbers were heard, how much of the speech arrived
"""

from ivr.caller.place import CallEvent, CallResult, Pacing, place_call, place_calls
from ivr.caller.script import (
    After,
    Beep,
    CallPlan,
    HangUp,
    Heard,
    Press,
    Quiet,
    Say,
    Wait,
    read_audio,
    speaking,
)
from ivr.caller.sip import Account

__all__ = [
    "Account",
    "After",
    "Beep",
    "CallEvent",
    "CallPlan",
    "CallResult",
    "HangUp",
    "Heard",
    "Pacing",
    "Press",
    "Quiet",
    "Say",
    "Wait",
    "place_call",
    "place_calls",
    "read_audio",
    "speaking",
]
