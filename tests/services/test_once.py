"""A form that is sent several times counts once, whatever happens at the same moment."""

from __future__ import annotations

import pytest

from callcenter.services import once, tickets
from callcenter.services.errors import Refused
from callcenter.store.models import OfficerLink
from tests.services.conftest import DUTY, HOUR, MINUTE, T0, Town, together

KEY = "k" * 32


def _link(town: Town) -> int:
    with town.store.read() as db:
        return db.query(OfficerLink).order_by(OfficerLink.id.desc()).limit(1).one().id


def _respond(town: Town, ticket_id: int, link_id: int, text: str = "Besok.") -> bool:
    with town.store.write() as db:
        first = once.first_time(db, link_id, KEY, "respond", T0 + HOUR)
        if first:
            tickets.respond(db, ticket_id, text=text, actor=DUTY, now=T0 + HOUR, rules=town.rules)
        return first


def test_of_many_at_the_same_moment_one_counts(town: Town) -> None:
    ticket_id = town.sent()
    link_id = _link(town)
    came = together(*(lambda: _respond(town, ticket_id, link_id) for _ in range(5)))
    assert sorted(map(str, came)) == ["False"] * 4 + ["True"], came
    assert [h.verb for h in town.history(ticket_id=ticket_id)].count("respond") == 1


def test_what_was_undone_was_not_there(town: Town) -> None:
    ticket_id = town.sent()
    link_id = _link(town)
    with pytest.raises(Refused):
        _respond(town, ticket_id, link_id, text=" ")
    with town.store.read() as db:
        assert not once.seen(db, link_id, KEY)
    assert _respond(town, ticket_id, link_id)
    assert not _respond(town, ticket_id, link_id)
    with town.store.read() as db:
        assert once.seen(db, link_id, KEY)


def test_without_a_key_everything_is_the_first_time(town: Town) -> None:
    town.sent()
    link_id = _link(town)
    for _ in range(2):
        with town.store.write() as db:
            assert once.first_time(db, link_id, None, "accept", T0 + MINUTE)
    with town.store.read() as db:
        assert not once.seen(db, link_id, None)
