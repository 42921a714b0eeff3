"""The ladders in force, kept as adopted: a change of config.yaml rewrites nothing.

The rows are never changed. A ticket stands on the version that was in force at its dispatch, until
it is moved to the next one (`ladder_change`). Where none was ever adopted, config.yaml's counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, object_session

from callcenter.config import Config
from callcenter.domain.complaint import Urgency
from callcenter.domain.people import Post
from callcenter.domain.window import Clock, Step, Until
from callcenter.services import audit
from callcenter.services.rules import Rules
from callcenter.services.turns import take_turn
from callcenter.store.models import LadderVersion, Ticket

#: `report`, `emergency`, and `pln/report` for an agency's own -> steps as JSON takes them.
Rungs = Mapping[str, list[dict[str, Any]]]
_CACHED, _READ = "aduan24_ladders", "aduan24_steps"


def rungs_of(config: Config) -> Rungs:
    """The ladders of config.yaml, in real time: an exercise is only run faster."""
    found = {u.value: list(map(_row, config.steps(u, scaled=False))) for u in Urgency}
    for agency in config.ladder.agencies:
        for urgency in Urgency:
            if config.own_rungs(urgency, agency):
                steps = config.steps(urgency, agency, scaled=False)
                found[f"{agency}/{urgency.value}"] = list(map(_row, steps))
    return found


def digest(rungs: Rungs) -> str:
    """Names the content: two ladders that say the same have the same."""
    return sha256(json.dumps(rungs, sort_keys=True).encode()).hexdigest()


def in_force(session: Session) -> LadderVersion | None:
    """The version that new tickets stand on; None where none was adopted."""
    return session.scalar(select(LadderVersion).order_by(LadderVersion.id.desc()).limit(1))


def current_id(session: Session) -> int | None:
    """The id of the version in force."""
    return session.scalar(select(func.max(LadderVersion.id)))


def adopt(session: Session, rungs: Rungs, *, actor: str, now: datetime) -> bool:
    """From `now` on these are the ladders; False, and nothing done, when they are already."""
    take_turn(session, "ladders")
    before = in_force(session)
    if before is not None and before.digest == digest(rungs):
        return False
    version = LadderVersion(
        digest=digest(rungs), rungs=dict(rungs), adopted_by=actor, adopted_at=now
    )
    session.add(version)
    session.flush()
    thing = f"ladder:{version.id}"
    audit.record(session, actor=actor, action="ladder_adopted", thing=thing, now=now)
    return True


def adopt_first(session: Session, config: Config, now: datetime) -> None:
    """An installation's first ladder is the one it was set up with."""
    if in_force(session) is None:
        adopt(session, rungs_of(config), actor="config", now=now)


def steps_for(ticket: Ticket, rules: Rules) -> tuple[Step, ...]:
    """The steps that this ticket climbs, at the pace of `rules`."""
    if ticket.ladder_id is None:
        return rules.steps(ticket.urgency, ticket.agency_key)
    known: dict[object, tuple[Step, ...]] = _session(ticket).info.setdefault(_READ, {})
    which = (ticket.ladder_id, ticket.urgency, ticket.agency_key, rules.time_scale)
    if which not in known:  # many tickets of one session climb few ladders
        known[which] = steps_of(_version(ticket), ticket, rules)
    return known[which]


def steps_of(version: LadderVersion, ticket: Ticket, rules: Rules) -> tuple[Step, ...]:
    """The steps of a version for this ticket's agency and class."""
    return read(version.rungs, ticket.urgency, ticket.agency_key, rules.time_scale)


def read(rungs: Rungs, urgency: Urgency, agency_key: str, scale: float) -> tuple[Step, ...]:
    """The steps for an agency and a class; its own ladder, or everybody's."""
    own = rungs.get(f"{agency_key}/{urgency.value}")
    return tuple(_step(row, scale) for row in (own or rungs[urgency.value]))


def _version(ticket: Ticket) -> LadderVersion:
    session, ladder_id = _session(ticket), ticket.ladder_id or 0
    known: dict[int, LadderVersion] = session.info.setdefault(_CACHED, {})
    if ladder_id not in known:
        known[ladder_id] = session.get_one(LadderVersion, ladder_id)
    return known[ladder_id]


def _session(ticket: Ticket) -> Session:
    session = object_session(ticket)
    if session is None:
        raise RuntimeError("a ticket climbs inside of its session")
    return session


def _row(step: Step) -> dict[str, Any]:
    return {
        "key": step.key,
        "after_s": step.after.total_seconds(),
        "to": [post.value for post in step.to],
        "until": step.until.value,
        "clock": step.clock.value,
        "hold_at_night": step.hold_at_night,
        "missed": step.missed,
        "call": step.call,
    }


def _step(row: Mapping[str, Any], scale: float) -> Step:
    to: Iterable[str] = row["to"]
    return Step(
        row["key"],
        timedelta(seconds=row["after_s"]) / scale,
        tuple(map(Post, to)),
        Until(row["until"]),
        Clock(row["clock"]),
        row["hold_at_night"],
        row["missed"],
        row["call"],
    )
