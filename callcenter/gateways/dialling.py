"""The exchange as far as it calls people for us: AMI's Originate, and who of the operators is free.

Only channels that are built here are ever asked for, from digits and names that were looked at:
whoever may originate may do on the exchange whatever its loaded modules can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from callcenter.domain.out_call import Purpose, may_be_dialled
from callcenter.gateways.pbx import CALL_ID, Pbx, PbxUnavailable

QUEUE = "aduan-operators"
_OPERATOR = re.compile(r"[a-z][a-z0-9]{1,31}", re.ASCII)
_NOT_IN_USE = "1"  # include/asterisk/devicestate.h
_MARGIN_S = 10  # the dialplan's own limits of ringing come first


@dataclass(frozen=True, slots=True)
class Order:
    """One call to be placed; `operator` is whose telephone rings first (empty: any that is free),
    for a call-back alone."""

    call_uid: str
    purpose: Purpose
    telephone: str
    operator: str = ""


class Dialling(Pbx):
    """Tells the exchange to call somebody; it reconnects by itself, as every `Pbx`."""

    def __init__(
        self,
        *,
        port: int,
        user: str,
        secret: str,
        plus: bool = False,
        ring_s: int = 40,
        never: tuple[str, ...] = (),
    ) -> None:
        super().__init__(port=port, user=user, secret=secret)
        self._plus, self._ring_s, self._never = plus, ring_s, never

    def place(self, order: Order) -> None:
        """Give the order; returns when the exchange has taken it.

        Raises ValueError, before anything is sent, for what may not be dialled, and
        PbxUnavailable when it is not known whether the exchange has taken it: then ask
        `live_calls` for the id of the call. An id that lives is refused by the exchange, and one
        that has a sidecar by the dialplan.
        """
        if not may_be_dialled(order.telephone, self._never):
            raise ValueError("not a number that may be dialled")
        self._ask("Originate", **fields_of(order, plus=self._plus, ring_s=self._ring_s))

    def somebody_free(self) -> bool:
        """Whether an operator is free and no caller waits for one. Raises PbxUnavailable."""
        events = self._ask("QueueStatus", last_event="QueueStatusComplete", Queue=QUEUE)
        waiting = any(event.name == "QueueEntry" for event in events)
        return not waiting and any(_is_free(event.keys) for event in events)

    def _ask(self, name: str, last_event: str = "", **keys: str) -> list[Any]:
        link = self._link
        if link is None:
            raise PbxUnavailable("AMI is not connected")
        return link.ask(name, last_event, **keys)


def _is_free(member: Any) -> bool:
    return str(member.get("Status")) == _NOT_IN_USE and str(member.get("Paused")) == "0"


def fields_of(order: Order, *, plus: bool, ring_s: int) -> dict[str, str]:
    """The fields of the Originate. Raises ValueError for what may not be dialled."""
    if not CALL_ID.fullmatch(order.call_uid):
        raise ValueError("no id of a call")
    if order.operator and not _OPERATOR.fullmatch(order.operator):
        raise ValueError("no operator's telephone")
    digits = digits_of(order.telephone, plus=plus)
    back = order.purpose is Purpose.CALL_BACK
    far = f"{order.operator or 's'}@aduan-ring" if back else f"{digits}@aduan-dial"
    told = {
        "ADUAN_CALL": order.call_uid,
        "ADUAN_WHOM": order.telephone.removeprefix("+"),
        "ADUAN_TO": digits,
    }
    return {
        "Channel": f"Local/{far}/n",
        "ChannelId": order.call_uid,
        "Context": "aduan-call-back" if back else "aduan-out",
        "Exten": "s",
        "Priority": "1",
        "Timeout": str((ring_s + _MARGIN_S) * 1000),
        "Async": "true",
        "Variable": ",".join(f"{name}={value}" for name, value in told.items()),
    }


def digits_of(telephone: str, *, plus: bool) -> str:
    """What is dialled: `+62812...` -> `62812...` where the trunk puts the plus before it, else
    `0812...`. Raises ValueError for everything but an Indonesian number in E.164."""
    if not may_be_dialled(telephone):
        raise ValueError("not an Indonesian telephone number")
    return telephone[1:] if plus else "0" + telephone[3:]
