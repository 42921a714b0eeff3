"""The operators' queue at the exchange, over AMI: who is in it, who rings, who talks.

Events only say that something has happened; what it is follows from asking, so that an event
that was lost costs nothing (but for a call that was not answered: it is not counted). The account
may do with the queue what it likes, and nothing else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from callcenter.domain.presence import Board, Leg, Member, Order, Phone, Step
from callcenter.gateways.pbx import CALL_ID, Pbx, PbxUnavailable

log = logging.getLogger("aduan24.operators")

QUEUE = "aduan-operators"
_EXTENSION = re.compile(r"PJSIP/([a-z][a-z0-9]{1,31})")
_CHANNEL = re.compile(r"PJSIP/([a-z][a-z0-9]{1,31})-[0-9a-f]+")
#: Asterisk's device states (include/asterisk/devicestate.h).
_PHONES = {
    "1": Phone.FREE,
    "2": Phone.TALKING,
    "3": Phone.TALKING,
    "6": Phone.RINGING,
    "7": Phone.TALKING,
    "8": Phone.TALKING,
}
_ACTIONS = {
    Order.ADD: "QueueAdd",
    Order.REMOVE: "QueueRemove",
    Order.PAUSE: "QueuePause",
    Order.GO_ON: "QueuePause",
}


class Switchboard(Pbx):
    """The exchange as far as operators go; it reconnects by itself, as every `Pbx`.

    `changed` is called, from threads of this object, whenever something may be different, and
    `missed` with a telephone that was not answered.
    """

    def __init__(
        self,
        *,
        port: int,
        user: str,
        secret: str,
        changed: Callable[[], None] = lambda: None,
        missed: Callable[[str], None] = lambda _extension: None,
    ) -> None:
        super().__init__(port=port, user=user, secret=secret)
        self._changed, self._missed = changed, missed

    def board(self) -> Board:
        """The queue as it is now. Raises PbxUnavailable."""
        queue = self._ask("QueueStatus", last_event="QueueStatusComplete", Queue=QUEUE)
        channels = self._ask("CoreShowChannels", last_event="CoreShowChannelsComplete")
        members = {m.extension: m for event in queue if (m := _member(event))}
        waiting = {call_id for event in queue if (call_id := _entry(event))}
        return Board(members, frozenset(waiting), frozenset(_legs(channels)))

    def perform(self, step: Step) -> None:
        """Carry out one order. Raises PbxUnavailable, also where the exchange will not.

        Harmless to repeat: who is to be added may be there, who is to be removed may be gone.
        """
        if step.order is Order.FORGET:
            self.perform(Step(Order.REMOVE, step.extension))
            self.perform(Step(Order.ADD, step.extension))
            return
        self._ask(_ACTIONS[step.order], **_fields(step))

    def _ask(self, name: str, last_event: str = "", **keys: str) -> list[Any]:
        link = self._link
        if link is None:
            raise PbxUnavailable("AMI is not connected")
        return link.ask(name, last_event, **keys)

    # --- what the connection hears: see `Pbx` -----------------------------------------

    def _hear(self, event: Any) -> None:
        if event.name == "AgentRingNoAnswer":
            found = _EXTENSION.fullmatch(str(event.keys.get("Interface", "")))
            if found and event.keys.get("Queue") == QUEUE:
                self._missed(found[1])
        if str(event.name).startswith(("Queue", "Agent")):
            self._changed()

    def _resynchronise(self, link: Any) -> None:
        """Whoever listens asks for the board as soon as there is a connection."""
        with suppress(Exception):
            self._changed()


def _fields(step: Step) -> dict[str, str]:
    interface = f"PJSIP/{step.extension}"
    if not _EXTENSION.fullmatch(interface):
        raise ValueError(f"{step.extension!r} is no operator's telephone")
    fields = {"Queue": QUEUE, "Interface": interface}
    if step.order is Order.REMOVE:
        return fields
    paused = step.order is Order.PAUSE or bool(step.reason)
    fields |= {"Paused": "true" if paused else "false", "Reason": step.reason}
    if step.order is Order.ADD:
        fields |= {"MemberName": step.extension, "StateInterface": interface}
    return fields


def _member(event: Any) -> Member | None:
    keys = event.keys
    found = _EXTENSION.fullmatch(str(keys.get("Location", "")))
    if event.name != "QueueMember" or not found:
        return None
    last = str(keys.get("LastCall", ""))
    return Member(
        found[1],
        _PHONES.get(str(keys.get("Status", "")), Phone.AWAY),
        paused=str(keys.get("Paused", "")) == "1",
        reason=str(keys.get("PausedReason", "")),
        last_call=int(last) if last.isdecimal() else 0,
    )


def _entry(event: Any) -> str:
    call_id = str(event.keys.get("Uniqueid", ""))
    return call_id if event.name == "QueueEntry" and CALL_ID.fullmatch(call_id) else ""


def _legs(channels: list[Any]) -> Iterator[Leg]:
    """Channels of operators that belong to the channel of a call which is still there."""
    there = {str(event.keys.get("Uniqueid", "")) for event in channels}
    for event in channels:
        keys = event.keys
        found = _CHANNEL.fullmatch(str(keys.get("Channel", "")))
        call_id, own = str(keys.get("Linkedid", "")), str(keys.get("Uniqueid", ""))
        if found and call_id != own and call_id in there and CALL_ID.fullmatch(call_id):
            yield Leg(call_id, found[1], answered=bool(keys.get("BridgeId")))
