"""A complaint's place on the map: typed, sent by WhatsApp, told to the officer."""

from __future__ import annotations

import pytest

from callcenter.domain.position import Position
from callcenter.services import counter
from callcenter.services.errors import Refused
from callcenter.store.inbound_models import InboundMessage
from tests.services.conftest import T0, Town

HERE = Position(-8.4541, 115.3544)


def _pin(town: Town) -> int:
    with town.store.write() as db:
        row = InboundMessage(
            provider_id="SM1",
            channel="whatsapp",
            sender="+6281234567801",
            body="Pasar Kidul",
            latitude=-8.4541,
            longitude=115.3544,
            received_at=T0,
            result="stranger",
        )
        db.add(row)
        db.flush()
        return row.id


def test_what_is_typed_is_kept_and_taken_away_again(town: Town) -> None:
    complaint_id = town.complaint(position="geo:-8.4541,115.3544")
    assert town.found(complaint_id).position == HERE
    assert town.found(town.complaint(position="")).position is None


@pytest.mark.parametrize("text", ["di pasar", "115.3544, -8.4541", "-6.2, 106.8"])
def test_no_position_and_one_elsewhere_are_refused(town: Town, text: str) -> None:
    with pytest.raises(Refused) as refused:
        town.complaint(position=text)
    assert refused.value.field == "position"


def test_a_pin_by_whatsapp_is_the_complaints_but_never_instead_of_the_operators(
    town: Town,
) -> None:
    message = _pin(town)
    with town.store.write() as db:
        complaint_id = counter.from_message(db, message, actor="ani", now=T0).id
    assert town.found(complaint_id).position == HERE


@pytest.mark.parametrize("had", ["", "-8.3, 115.3"])
def test_a_pin_that_is_joined_fills_only_what_is_empty(town: Town, had: str) -> None:
    complaint_id = town.complaint(position=had)
    number = town.found(complaint_id).public_number
    message = _pin(town)
    with town.store.write() as db:
        counter.join(db, message, number, actor="ani", now=T0)
    assert town.found(complaint_id).position == (Position(-8.3, 115.3) if had else HERE)


def test_the_officers_message_names_it(town: Town) -> None:
    ticket_id = town.sent(position="-8.4541, 115.3544")
    (notice,) = town.notices(ticket_id=ticket_id)
    assert "Koordinat: -8.45410, 115.35440" in notice.body.splitlines()
