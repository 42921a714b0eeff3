"""The telephones at the other end of the trunk: whoever the line calls.

    people = {"08120001": Person(says=sound), "08120002": Person(refuses="486 Busy Here")}
    with People(people) as town:                    # the carrier: town.port
        town.talk("08120001").answered.wait(5)      # the call to this number
        town.talks("08120001")                      # all of them

A person answers, does what `steps` say, one after the other (a prompt that is heard, then the
sound that is spoken: a key is a sound, too), and hangs up when they are done and `talk_s` is
over. It shares no code with the product but the ear that tests have already.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ivr.caller.hearing import contains
from tests.line.desk import Desk, Talk, _field, _offer
from tests.line.softphone import FRAME

Heard = npt.NDArray[np.int16]
_LISTEN_S = 0.2
_LATELY = 4 * 8000  # samples: a prompt of a test is shorter


@dataclass(frozen=True)
class Person:
    """What somebody does when the line calls. `refuses`: the answer of the telephone instead;
    `rings`: in vain. `hangs_up`: `talk_s` after the last step; else the line does."""

    says: bytes = b""
    steps: tuple[tuple[Heard, bytes], ...] = ()
    talk_s: float = 2.0
    hangs_up: bool = True
    refuses: str = ""
    rings: bool = False


class People(Desk):
    """Any number of telephones behind one carrier."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        super().__init__()
        self._people = people
        self._voices: dict[str, bytes] = {}

    def talks(self, number: str) -> list[Talk]:
        """Every call to this number so far."""
        return [talk for talk in list(self._talks.values()) if talk.caller == number]

    def _ring(self, request: str, where: tuple[str, int]) -> None:
        call_id = _field(request, "Call-ID")
        if call_id in self._talks:
            return  # sent again
        called = re.match(r"INVITE sip:([^@]*)@", request)
        talk = Talk(request, called[1] if called else "")
        person = self._people.get(talk.caller, Person(refuses="404 Not Found"))
        self._talks[call_id] = talk
        if person.refuses:
            self._reply(request, where, person.refuses, talk.tag)
            return
        self._reply(request, where, "180 Ringing", talk.tag)
        if person.rings:
            return
        self._reply(request, where, "200 OK", talk.tag, _offer(talk))
        talk.answered.set()
        self._voices[talk.tag] = person.says
        for work in (self._speak, self._listen, self._act):
            threading.Thread(target=work, args=(talk, where), daemon=True).start()

    def _act(self, talk: Talk, where: tuple[str, int]) -> None:
        """Wait for each prompt, then say what comes after it; at last hang up."""
        person, seen = self._people[talk.caller], 0
        for prompt, sound in person.steps:
            while not talk.over.is_set():
                heard = talk.samples() if talk.heard else np.zeros(0, np.int16)
                if contains(heard[max(seen, len(heard) - _LATELY) :], prompt):
                    seen = len(heard)
                    self._voices[talk.tag] += sound
                    break
                talk.over.wait(_LISTEN_S)
        if person.hangs_up and not talk.over.wait(person.talk_s):
            self._hang_up(talk, where)

    def _speak(self, talk: Talk, _where: tuple[str, int]) -> None:
        port = re.search(r"^m=audio (\d+)", talk.invite, re.MULTILINE)
        assert port
        begun, sent = time.monotonic(), 0
        while not talk.over.is_set() and not self._closing.is_set():
            voice = self._voices[talk.tag]
            self._voices[talk.tag] = voice[FRAME:]
            header = bytes((0x80, 8)) + (sent & 0xFFFF).to_bytes(2) + (sent * FRAME).to_bytes(4)
            frame = voice[:FRAME].ljust(FRAME, b"\xd5")
            talk.rtp.sendto(header + b"\x00\x00\x03\x2f" + frame, ("127.0.0.1", int(port[1])))
            sent += 1
            talk.over.wait(max(0.0, begun + sent * 0.02 - time.monotonic()))
