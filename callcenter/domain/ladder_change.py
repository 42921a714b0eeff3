"""What a new ladder means for a ticket that already stands on the old one.

What happened stays. What fell due before the change was the old ladder's and is taken as it said.
From the change on the new ladder counts: a step that both know and that was still to come falls
due as the new one says, at once if that moment is over; a step that is new, and whose moment is
over, is passed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from callcenter.domain.window import Step, TicketTimes, step_at


def passed(
    old: Sequence[Step],
    new: Sequence[Step],
    times: TicketTimes,
    taken: Collection[str],
    changed: datetime,
) -> frozenset[str]:
    """Keys of the new ladder's steps that this ticket never takes: their moment was over at
    `changed`, and the old ladder did not have them still to come."""
    to_come = {
        step.key for step in old if (at := step_at(step, times)) is None or at >= changed
    } - set(taken)
    return frozenset(
        step.key
        for step in new
        if step.key not in taken
        and step.key not in to_come
        and (at := step_at(step, times)) is not None
        and at < changed
    )
