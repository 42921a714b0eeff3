"""Operators and citizens write to each other: each letter once, by the way that is open."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from callcenter.services import correspondence, counter, notices, recipients
from callcenter.services.errors import Conflict, NotFound, Refused
from callcenter.services.receipts import ReceiptRules, write_receipts
from callcenter.services.undelivered import Patience, fall_back_due
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint
from tests.services.conftest import (
    DAY,
    HOUR,
    LOST,
    MINUTE,
    T0,
    TICK,
    Mail,
    Town,
    together,
)

MOBILE = "+6281234567801"
BOTH = ("whatsapp", "sms", "email")


def wrote(
    town: Town, at: datetime = T0, body: str = "Lampu mati", channel: str = "whatsapp"
) -> int:
    with town.store.write() as db:
        row = InboundMessage(
            provider_id=f"SM{body}{at}",
            channel=channel,
            sender=MOBILE,
            body=body,
            received_at=at,
            result="stranger",
        )
        db.add(row)
        db.flush()
        return row.id


def complaint_of(town: Town, channel: str = "whatsapp", at: datetime = T0) -> int:
    message = wrote(town, at, channel=channel)
    with town.store.write() as db:
        return counter.from_message(db, message, actor="ani", now=at).id


def reply(
    town: Town,
    complaint_id: int,
    at: datetime = T0,
    *,
    text: str = "Di mana tepatnya?",
    once: str = "a1",
    actor: str = "ani",
    channels: tuple[str, ...] = BOTH,
) -> bool:
    with town.store.write() as db:
        return correspondence.reply(
            db,
            complaint_id,
            text,
            once=once,
            actor=actor,
            now=at,
            rules=town.rules,
            channels=channels,
        )


def test_a_reply_goes_out_once_however_often_its_form_is_sent(town: Town, mail: Mail) -> None:
    complaint_id = complaint_of(town)
    came = together(*[partial(reply, town, complaint_id)] * 3)
    assert sorted(map(str, came)) == ["False", "False", "True"]
    assert reply(town, complaint_id, once="b2", text="Terima kasih.")
    mail.work(T0 + MINUTE)
    assert mail.sent() == [("whatsapp", MOBILE)] * 2
    number = town.found(complaint_id).public_number
    assert mail.whatsapp.sent[0].text == (
        f"24 Jam Bangli Era Baru, aduan {number[:2]} {number[2:4]} {number[4:6]} {number[6:]}:\n"
        "Di mana tepatnya?"
    )
    assert [h.actor for h in town.history(complaint_id=complaint_id, verb="reply")] == ["ani"] * 2
    assert {n.written_by for n in town.notices(kind=notices.REPLY)} == {"ani"}


def test_after_the_session_it_goes_by_sms_and_not_by_whatsapp(town: Town, mail: Mail) -> None:
    complaint_id = complaint_of(town)
    reply(town, complaint_id, T0 + DAY - TICK, once="in")
    mail.work(T0 + DAY - TICK)
    reply(town, complaint_id, T0 + DAY, once="out")
    mail.work(T0 + DAY)
    assert mail.sent() == [("whatsapp", MOBILE), ("sms", MOBILE)]


def test_what_waits_while_the_session_ends_goes_the_other_way(town: Town, mail: Mail) -> None:
    complaint_id = complaint_of(town)
    reply(town, complaint_id, T0 + DAY - MINUTE)
    mail.work(T0 + DAY)
    assert mail.sent() == [("sms", MOBILE)]


def test_a_doubt_is_settled_at_whatsapp_though_the_session_has_ended(
    town: Town, mail: Mail
) -> None:
    """Else the citizen would read it twice."""
    complaint_id = complaint_of(town)
    at = T0 + DAY - MINUTE
    reply(town, complaint_id, at)
    mail.whatsapp.answers = [LOST]
    mail.work(at)
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.work(T0 + DAY + MINUTE)
    assert mail.sent() == [("whatsapp", MOBILE)]
    assert [n.state for n in town.notices(kind=notices.REPLY)] == ["sent"]


def test_without_sms_a_late_reply_is_refused_with_what_to_do(town: Town) -> None:
    complaint_id = complaint_of(town)
    with pytest.raises(Refused, match="telepon warga"):
        reply(town, complaint_id, T0 + DAY, channels=("whatsapp", "email"))
    assert town.notices(kind=notices.REPLY) == []


def test_it_goes_first_by_the_way_by_which_the_citizen_came(town: Town, mail: Mail) -> None:
    reply(town, complaint_of(town, "sms"))
    mail.work(T0)
    assert mail.sent() == [("sms", MOBILE)]


def test_an_sms_opens_no_session_at_whatsapp(town: Town) -> None:
    wrote(town, channel="sms")
    with town.store.read() as db:
        assert recipients.last_written(db, MOBILE) == T0
        assert recipients.last_written(db, MOBILE, "whatsapp") is None


def test_a_reply_that_does_not_arrive_never_falls_back_to_a_closed_session(
    town: Town, mail: Mail
) -> None:
    complaint_id = complaint_of(town)
    at = T0 + DAY
    reply(town, complaint_id, at)
    mail.work(at)
    patience = Patience(("sms", "whatsapp", "screen"), 10 * MINUTE, MINUTE)
    with town.store.write() as db:
        fall_back_due(db, at + HOUR, patience)
    assert [n.state for n in town.notices(kind=notices.REPLY)] in (["sent"], ["queued"])
    mail.work(at + HOUR)
    assert mail.whatsapp.sent == []


@pytest.mark.parametrize(
    ("text", "once"), [(" \n", "a"), ("x" * 1201, "a"), ("Ya", ""), ("Ya", "a b"), ("Ya", "a" * 65)]
)
def test_what_cannot_be_sent_is_named(town: Town, text: str, once: str) -> None:
    complaint_id = complaint_of(town)
    with pytest.raises(Refused) as refused:
        reply(town, complaint_id, text=text, once=once)
    assert refused.value.field == "reply"


def test_who_has_no_mobile_is_called(town: Town) -> None:
    complaint_id = town.complaint(reporter_phone="0366 5501111")
    with pytest.raises(Refused, match="nomor ponsel"):
        reply(town, complaint_id)
    with pytest.raises(NotFound):
        reply(town, 999)


def test_while_somebody_else_has_it_nobody_writes(town: Town) -> None:
    from callcenter.services import claims

    complaint_id = complaint_of(town)
    with town.store.write() as db:
        claims.take(db, complaint_id, actor="budi", now=T0, lasts=town.rules.claim_lasts)
    with pytest.raises(Conflict):
        reply(town, complaint_id)
    assert reply(town, complaint_id, actor="budi")


def test_the_thread_holds_what_both_wrote_in_order(town: Town) -> None:
    complaint_id = complaint_of(town)
    reply(town, complaint_id, T0 + MINUTE)
    waiting = wrote(town, T0 + 2 * MINUTE, "Depan pasar")
    other = complaint_of(town, at=T0 + 3 * MINUTE)
    with town.store.read() as db:
        lines = correspondence.thread(db, db.get_one(Complaint, complaint_id))
        assert [bool(line.ours) for line in lines] == [False, True, False]
        assert lines[2].theirs
        assert lines[2].theirs.id == waiting
        assert len(correspondence.thread(db, db.get_one(Complaint, other))) == 2


def test_a_citizen_is_greeted_once_a_day_so_that_two_may_talk(town: Town) -> None:
    def greeting(at: datetime) -> str:
        with town.store.read() as db:
            return correspondence.greeting(db, MOBILE, now=at, phone="5501000")

    assert "5501000" in greeting(T0)
    wrote(town, T0)
    assert greeting(T0 + DAY - TICK) == ""
    assert "5501000" in greeting(T0 + DAY)


# ---------------------------------------------------------------- receipts at the counter


@pytest.fixture
def rules(town: Town) -> ReceiptRules:
    return ReceiptRules("24 Jam Bangli Era Baru", "(0366) 5501000", town.rules.night)


def take_down(town: Town, rules: ReceiptRules | None, phone: str, **changed: object) -> int:
    fields = {
        "source": "letter",
        "text": "Jalan rusak",
        "came_at": T0 - 9 * DAY,
        "reference": "",
        "actor": "ani",
        "now": T0,
        "reporter": counter.Reporter("I Wayan Contoh", phone),
        "receipts": rules,
    }
    with town.store.write() as db:
        return counter.take_down(db, **{**fields, **changed}).id  # type: ignore[arg-type]


def test_who_came_to_the_counter_or_wrote_a_letter_gets_a_receipt_once(
    town: Town, rules: ReceiptRules
) -> None:
    complaint_id = take_down(town, rules, "0812 3456 7801")
    found = town.found(complaint_id)
    assert (found.reporter_name, found.reporter_phone) == ("I Wayan Contoh", MOBILE)
    walk_in = take_down(town, rules, "0812 3456 7801", source="walk_in", came_at=T0)
    with town.store.write() as db:
        assert write_receipts(db, now=T0 + MINUTE, rules=rules) == 0
    assert [n.complaint_id for n in town.notices(kind=notices.RECEIPT)] == [complaint_id, walk_in]


def test_a_number_that_is_added_later_gets_it_then(town: Town, rules: ReceiptRules) -> None:
    complaint_id = take_down(town, rules, "", source="walk_in", came_at=T0)
    assert town.notices(kind=notices.RECEIPT) == []
    with town.store.write() as db:
        db.get_one(Complaint, complaint_id).reporter_phone = MOBILE
    with town.store.write() as db:
        assert write_receipts(db, now=T0 + timedelta(hours=2), rules=rules) == 1


def test_no_receipt_for_a_landline_for_nonsense_or_where_they_are_off(
    town: Town, rules: ReceiptRules
) -> None:
    take_down(town, rules, "0366 5501111")
    take_down(town, None, "0812 3456 7801")
    with pytest.raises(Refused) as refused:
        take_down(town, rules, "siang")
    assert refused.value.field == "reporter_phone"
    assert town.notices(kind=notices.RECEIPT) == []


def test_a_message_that_becomes_a_complaint_has_a_receipt(town: Town, rules: ReceiptRules) -> None:
    message = wrote(town)
    with town.store.write() as db:
        counter.from_message(db, message, actor="ani", now=T0, receipts=rules)
    assert len(town.notices(kind=notices.RECEIPT)) == 1
