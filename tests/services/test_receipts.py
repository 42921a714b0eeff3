"""Whoever reports by a mobile gets number and PIN once, by message, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from callcenter.domain.complaint import ComplaintState
from callcenter.gateways.channel import Arrival
from callcenter.gateways.screen import Screen
from callcenter.services import notices, phones
from callcenter.services.delivery import Carriers
from callcenter.services.pins import pin_of
from callcenter.services.receipts import ReceiptRules, write_receipts
from callcenter.store.models import Complaint, Notice
from ivr.numbers import format_number
from tests.services.calls import CONSENT, call_with_speech, file, heard, silent_call
from tests.services.conftest import (
    BUSY,
    DAY,
    HOUR,
    LOST,
    MINUTE,
    POSTGRES,
    REFUSED,
    T0,
    TICK,
    Mail,
    Town,
    together,
)

SECRET = "the installation's own secret"
MOBILE, LANDLINE = "+6281234567801", "+623665501111"


@pytest.fixture
def rules(town: Town) -> ReceiptRules:
    return ReceiptRules("24 Jam Bangli Era Baru", "(0366) 5501000", town.rules.night)


@pytest.fixture
def post(mail: Mail) -> Mail:
    """Workers who know the PINs."""
    mail.carriers = Carriers.of(mail.all, mail.signer, partial(pin_of, secret=SECRET))
    return mail


def write(town: Town, rules: ReceiptRules, at: datetime = T0) -> int:
    with town.store.write() as db:
        return write_receipts(db, now=at, rules=rules)


def receipt(town: Town) -> Notice:
    [only] = town.notices(kind=notices.RECEIPT)
    return only


# ---------------------------------------------------------------- who gets one


@pytest.mark.parametrize("number", [MOBILE, "+628120000011", "+6285512345678", "+6289912345678"])
def test_an_indonesian_mobile_takes_messages(number: str) -> None:
    assert phones.mobile(number) == number


@pytest.mark.parametrize(
    "number", [None, "", "hidden", LANDLINE, "+62215501000", "+6591234567", "+62800123456", "+62"]
)
def test_landlines_strangers_and_hidden_numbers_take_none(number: str | None) -> None:
    assert phones.mobile(number) is None


def test_a_complaint_from_a_mobile_has_one_receipt_whoever_asks_for_it(
    town: Town, rules: ReceiptRules
) -> None:
    complaint_id = call_with_speech(town.store, MOBILE, at=T0)
    assert [write(town, rules, T0 + n * MINUTE) for n in range(3)] == [1, 0, 0]
    found = receipt(town)
    assert found.key == f"complaint:{complaint_id}:receipt"
    assert (found.person_key, found.ticket_id, found.link_id) == (None, None, None)
    assert town.letters == [(found.id, False)]


def test_who_hung_up_after_speaking_gets_one_too(town: Town, rules: ReceiptRules) -> None:
    file(town.store, heard(MOBILE, T0, CONSENT, speech=1.8, number="10000012"))
    assert write(town, rules, T0 + MINUTE) == 1


@pytest.mark.parametrize("caller", [LANDLINE, "", "anonymous"])
def test_landlines_and_hidden_numbers_get_none(
    town: Town, rules: ReceiptRules, caller: str
) -> None:
    call_with_speech(town.store, caller, at=T0)
    assert write(town, rules) == 0


def test_without_a_complaint_there_is_no_receipt(town: Town, rules: ReceiptRules) -> None:
    silent_call(town.store, MOBILE, at=T0)
    assert write(town, rules) == 0


def test_a_mobile_that_the_operator_adds_gets_it_then(town: Town, rules: ReceiptRules) -> None:
    complaint_id = call_with_speech(town.store, "", at=T0)
    assert write(town, rules) == 0
    with town.store.write() as db:
        db.get_one(Complaint, complaint_id).reporter_phone = MOBILE
    assert write(town, rules, T0 + HOUR) == 1


def test_old_complaints_get_none(town: Town, rules: ReceiptRules) -> None:
    call_with_speech(town.store, MOBILE, at=T0)
    assert write(town, rules, T0 + 2 * DAY) == 0
    assert write(town, rules, T0 + 2 * DAY - TICK) == 1


def test_what_was_found_to_be_a_prank_gets_none(town: Town, rules: ReceiptRules) -> None:
    complaint_id = call_with_speech(town.store, MOBILE, at=T0)
    with town.store.write() as db:
        db.get_one(Complaint, complaint_id).state = ComplaintState.NOT_ACTIONABLE
    assert write(town, rules) == 0


@POSTGRES
def test_two_clocks_at_once_write_one(town: Town, rules: ReceiptRules) -> None:
    for n in range(5):
        call_with_speech(town.store, f"+62812345678{n:02}", at=T0)
    written = together(*[lambda: write(town, rules)] * 4)
    assert sorted(written, key=str) == [0, 0, 0, 5]


# ---------------------------------------------------------------- when


def local(hour: int) -> datetime:
    """An hour of 3 March 2026 in WITA."""
    return datetime(2026, 3, 2, 16, 0, tzinfo=UTC) + timedelta(hours=hour)


@pytest.mark.parametrize(
    ("called", "filed", "leaves"),
    [
        (local(2), local(2) + MINUTE, local(2) + MINUTE),  # the telephone is still in the hand
        (local(2), local(3), local(6)),  # filed late: nobody is woken
        (local(9), local(12), local(12)),
    ],
)
def test_a_receipt_that_comes_late_waits_for_the_morning(
    town: Town, rules: ReceiptRules, called: datetime, filed: datetime, leaves: datetime
) -> None:
    call_with_speech(town.store, MOBILE, at=called)
    write(town, rules, filed)
    assert receipt(town).not_before == leaves
    assert bool(town.letters) == (leaves <= filed)


# ---------------------------------------------------------------- what and where


def test_the_message_holds_number_and_pin_and_nothing_of_the_complaint(
    town: Town, rules: ReceiptRules, post: Mail
) -> None:
    ticket = town.sent()  # a transcript, a place and a name are known by now
    number = town.found(town.complaint_of(ticket)).public_number
    write(town, rules)
    post.work(T0)
    [message] = [m for m in post.whatsapp.sent if "receipt" in m.key]
    assert message.to == "+628123456789"
    assert message.text.splitlines() == [
        "24 Jam Bangli Era Baru: aduan Anda sudah diterima.",
        "Tanya perkembangannya: telepon (0366) 5501000, tekan 2.",
        f"Nomor aduan: {format_number(number)}",
        f"PIN: {pin_of(number, SECRET)}",
    ]


def test_no_table_holds_the_pin(town: Town, rules: ReceiptRules, post: Mail) -> None:
    complaint_id = call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    post.work(T0)
    pin = pin_of(town.found(complaint_id).public_number, SECRET)
    assert pin in post.whatsapp.sent[0].text
    assert "PIN" not in receipt(town).body + receipt(town).subject + receipt(town).key


def test_it_goes_to_the_number_that_stands_in_the_complaint_when_it_leaves(
    town: Town, rules: ReceiptRules, post: Mail
) -> None:
    complaint_id = call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    with town.store.write() as db:
        db.get_one(Complaint, complaint_id).reporter_phone = "+6281234567899"
    post.work(T0)
    assert post.sent() == [("whatsapp", "+6281234567899")]


def test_what_whatsapp_refuses_goes_by_sms(town: Town, rules: ReceiptRules, post: Mail) -> None:
    post.whatsapp.answers = [REFUSED]
    call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    for n in range(3):
        post.work(T0 + n * MINUTE)
    assert post.sent() == [("whatsapp", MOBILE), ("sms", MOBILE)]
    assert receipt(town).state == "sent"


def test_never_by_email_and_dead_when_there_is_no_way(
    town: Town, rules: ReceiptRules, post: Mail
) -> None:
    post.whatsapp.answers, post.sms.answers = [REFUSED], [REFUSED]
    call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    for n in range(5):
        post.work(T0 + n * MINUTE)
    assert post.email.sent == []
    assert receipt(town).state == "dead"


@pytest.mark.parametrize("phone", [LANDLINE, None])
def test_where_the_number_became_no_mobile_it_is_dead(
    town: Town, rules: ReceiptRules, post: Mail, phone: str | None
) -> None:
    complaint_id = call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    with town.store.write() as db:
        db.get_one(Complaint, complaint_id).reporter_phone = phone
    post.work(T0)
    assert (post.sent(), receipt(town).state) == ([], "dead")


def test_a_crash_repeats_nothing(town: Town, rules: ReceiptRules, post: Mail) -> None:
    """The answer was lost: the provider is asked before anything is sent again."""
    post.whatsapp.answers = [LOST]
    post.whatsapp.looks = [post.whatsapp.receipt()]
    call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    post.work(T0)
    post.work(T0 + MINUTE)
    assert len(post.whatsapp.sent) == 1
    assert receipt(town).state == "sent"


def test_a_busy_provider_is_tried_again_and_its_delivery_is_known(
    town: Town, rules: ReceiptRules, post: Mail
) -> None:
    post.whatsapp.answers = [BUSY]
    post.whatsapp.later = post.whatsapp.receipt(Arrival.DELIVERED)
    call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    post.work(T0)
    post.work(T0 + MINUTE)
    post.ask(receipt(town).id, T0 + 2 * MINUTE)
    assert receipt(town).state == "delivered"


def test_a_dead_one_is_sent_again_by_the_button(
    town: Town, rules: ReceiptRules, post: Mail
) -> None:
    post.whatsapp.answers, post.sms.answers = [REFUSED], [REFUSED]
    call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    for n in range(4):
        post.work(T0 + n * MINUTE)
    with town.store.write() as db:
        notices.resend(db, receipt(town).id, actor="supervisor", now=T0 + HOUR)
    post.work(T0 + HOUR)
    assert receipt(town).state == "sent"


def test_on_the_screen_the_telephone_is_masked(
    town: Town, rules: ReceiptRules, post: Mail, capsys: pytest.CaptureFixture[str]
) -> None:
    post.carriers = Carriers.of([Screen()], post.signer, partial(pin_of, secret=SECRET))
    complaint_id = call_with_speech(town.store, MOBILE, at=T0)
    write(town, rules)
    post.work(T0)
    shown = capsys.readouterr().out
    number = town.found(complaint_id).public_number
    assert format_number(number) in shown
    assert MOBILE[-8:] not in shown
    assert receipt(town).state == "delivered"


def test_a_receipt_closes_no_ticket_and_people_get_what_they_got_before(
    town: Town, rules: ReceiptRules, post: Mail
) -> None:
    ticket = town.sent()
    write(town, rules)
    post.work(T0)
    assert town.told(ticket) == [("dispatch", "pupr_1")]
    with town.store.read() as db:
        rows = db.scalars(select(Notice).where(Notice.person_key.is_not(None))).all()
        assert {row.state for row in rows} == {"sent"}
