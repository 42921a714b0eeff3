"""WhatsApp took the message and says no more: after a while an SMS goes as well, once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from callcenter.gateways.channel import Arrival
from callcenter.services import delivery
from callcenter.services.undelivered import WORDS, Patience, fall_back_due
from callcenter.store.models import Notice, Person
from tests.services.conftest import DAY, MINUTE, T0, TICK, Mail, Town

PATIENCE = Patience(("whatsapp", "sms", "email"), 10 * MINUTE, MINUTE)
PHONE = "+628120000011"


def _fall_back(town: Town, at: datetime, patience: Patience = PATIENCE) -> int:
    with town.store.write() as db:
        return fall_back_due(db, at, patience)


def _sent(town: Town, mail: Mail, **values: object) -> int:
    town.sent()
    (notice,) = town.notices()
    mail.deliver(notice.id, T0)
    if values:
        with town.store.write() as db:
            db.execute(update(Notice).values(**values))
    return notice.id


@pytest.mark.parametrize(("urgent", "after"), [(False, 10 * MINUTE), (True, MINUTE)])
def test_the_next_way_is_taken_once_and_not_before_its_time(
    town: Town, mail: Mail, urgent: bool, after: timedelta
) -> None:
    notice_id = _sent(town, mail, urgent=urgent)
    assert _fall_back(town, T0 + after - TICK) == 0
    assert _fall_back(town, T0 + after) == 1
    assert _fall_back(town, T0 + after) == 0
    mail.deliver(notice_id, T0 + after)
    assert mail.sent() == [("whatsapp", PHONE), ("sms", PHONE)]
    (notice,) = town.notices()
    assert (notice.state, notice.channel) == ("sent", "sms")
    assert [(a.channel, a.result, a.error) for a in notice.attempts] == [
        ("whatsapp", "refused", WORDS),
        ("sms", "sent", ""),
    ]


def test_what_has_arrived_stays(town: Town, mail: Mail) -> None:
    _sent(town, mail)
    with town.store.write() as db:
        (notice,) = town.notices()
        held = db.get_one(Notice, notice.id)
        delivery.arrived(db, held, Arrival.DELIVERED, now=T0 + MINUTE, rules=town.rules)
    assert _fall_back(town, T0 + 10 * MINUTE) == 0


def test_who_opened_the_page_is_not_told_again(town: Town, mail: Mail) -> None:
    _sent(town, mail, read_at=T0 + MINUTE)
    assert _fall_back(town, T0 + 10 * MINUTE) == 0


def test_without_another_way_the_message_may_still_arrive(town: Town, mail: Mail) -> None:
    _sent(town, mail)
    with town.store.write() as db:
        db.execute(update(Person).values(phone=None, email=None))
    assert _fall_back(town, T0 + 10 * MINUTE) == 0
    (notice,) = town.notices()
    assert notice.state == "sent"


def test_the_last_way_is_trusted_for_ever(town: Town, mail: Mail) -> None:
    _sent(town, mail)
    assert _fall_back(town, T0 + 10 * MINUTE, Patience(("whatsapp",), MINUTE, MINUTE)) == 0


def test_old_ones_are_left_alone(town: Town, mail: Mail) -> None:
    _sent(town, mail)
    assert _fall_back(town, T0 + DAY) == 0
