"""From the outbox to a person: once, whatever dies, stalls, is lost, repeated or refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import TicketState
from callcenter.gateways.channel import (
    Arrival,
    Enclosure,
    Outgoing,
    Receipt,
    TransportError,
)
from callcenter.services import delivery, links, notices
from callcenter.services.delivery import (
    TRIES_PER_CHANNEL,
    Carriers,
    Claim,
    attempt,
    settle,
)
from callcenter.services.errors import NotFound, Refused
from callcenter.services.notices import LEASE
from callcenter.store.models import Audit, Notice, OfficerLink
from tests.services.conftest import (
    BUSY,
    DAY,
    HOUR,
    LOST,
    MINUTE,
    REFUSED,
    SQLITE,
    T0,
    TICK,
    Mail,
    Town,
    together,
)

SECOND = timedelta(seconds=1)
PHONE = "+628120000011"  # of pupr_1, for WhatsApp and SMS


@pytest.fixture
def notice_id(town: Town) -> int:
    """A notice to the duty officer, ready to be sent."""
    town.sent()
    return town.notices()[0].id


def _two_to_one_person(town: Town) -> list[int]:
    """Two notices to the duty officer; a channel of these tests knows no texts apart."""
    tickets = [town.sent(), town.sent()]
    return [next(n.id for n in town.notices() if n.ticket_id == ticket) for ticket in tickets]


def _notice(town: Town, notice_id: int) -> Notice:
    return next(n for n in town.notices() if n.id == notice_id)


def _results(town: Town, notice_id: int) -> list[tuple[str, str]]:
    return [(a.channel, a.result) for a in _notice(town, notice_id).attempts]


def _claim(mail: Mail, notice_id: int, at: datetime = T0) -> Claim:
    """A worker takes the notice; what happens to the worker is the test's affair."""
    with mail.town.store.write() as db:
        claim = delivery.claim_notice(db, notice_id, mail.carriers, now=at)
    assert claim is not None
    return claim


def _settle(mail: Mail, claim: Claim, at: datetime = T0) -> bool:
    """The worker sends, and writes down what came of it."""
    result = attempt(claim, mail.carriers.channels[claim.channel])
    with mail.town.store.write() as db:
        return settle(db, claim, result, now=at, rules=mail.town.rules)


# ---------------------------------------------------------------- once


def test_a_notice_is_sent_once_on_the_first_way_with_its_link(
    town: Town, mail: Mail, notice_id: int
) -> None:
    assert mail.deliver(notice_id, T0)
    assert not mail.deliver(notice_id, T0)
    assert not mail.deliver(notice_id, T0 + DAY)
    assert mail.sent() == [("whatsapp", PHONE)]
    notice = _notice(town, notice_id)
    assert (notice.state, notice.channel, notice.provider_id) == ("sent", "whatsapp", "whatsapp-1")
    assert _results(town, notice_id) == [("whatsapp", "sent")]
    (message,) = mail.whatsapp.sent
    assert message.key == notice.key
    assert "https://aduan.example/p/" in message.text.splitlines()[-1]


def test_the_attempt_is_written_before_it_is_made(town: Town, mail: Mail, notice_id: int) -> None:
    seen: list[tuple[str, str, int]] = []

    class Looks:
        name = "whatsapp"

        def send(self, message: Outgoing) -> Receipt:
            found = _notice(town, notice_id)
            seen.append((found.state, found.attempts[-1].result, found.fence))
            return Receipt("x", Arrival.SENT)

    mail.carriers = delivery.Carriers({"whatsapp": Looks()}, mail.signer)  # type: ignore[dict-item]
    mail.deliver(notice_id, T0)
    assert seen == [("sending", "", 1)]


def test_nothing_is_sent_before_its_time(mail: Mail, town: Town, notice_id: int) -> None:
    assert not mail.deliver(notice_id, T0 - TICK)
    assert mail.deliver(notice_id, T0)


def test_workers_at_the_same_moment_send_once(town: Town, mail: Mail) -> None:
    for _ in range(6):
        town.sent()
    ids = [notice.id for notice in town.notices()]
    came = together(*(lambda: [mail.deliver(n, T0) for n in ids] for _ in range(4)))
    assert not [one for one in came if isinstance(one, Exception)], came
    keys = [message.key for message in mail.whatsapp.sent]
    assert len(keys) == len(set(keys)) == 6
    assert all(len(notice.attempts) == 1 for notice in town.notices())


def test_each_person_of_a_step_gets_it_once(town: Town, mail: Mail) -> None:
    town.sent()
    town.steps(T0 + 24 * HOUR)
    for _ in range(3):
        mail.work(T0 + 24 * HOUR)
    keys = [message.key for channel in mail.all for message in channel.sent]
    assert len(keys) == len(set(keys)) == town.count(Notice) == 10


def test_what_is_not_there_is_nobodys_work(mail: Mail) -> None:
    assert not mail.deliver(10**6, T0)
    assert not mail.ask(10**6, T0)


# ---------------------------------------------------------------- ways


def test_a_way_that_the_person_has_not_is_left_out(town: Town, mail: Mail, notice_id: int) -> None:
    town.change_person("pupr_1", whatsapp=None)
    mail.deliver(notice_id, T0)
    assert mail.sent() == [("sms", PHONE)]


def test_a_refusal_for_good_leads_to_the_next_way_at_once(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers = [REFUSED]
    mail.deliver(notice_id, T0)
    mail.deliver(notice_id, T0)
    assert _results(town, notice_id) == [("whatsapp", "refused"), ("sms", "sent")]
    assert _notice(town, notice_id).error == ""


def test_a_busy_provider_is_tried_again_with_growing_pauses(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers = [BUSY] * 10
    moments = _moments_of_tries(town, mail, notice_id)
    own = [at for channel, at in moments if channel == "whatsapp"]
    pauses = [later - earlier for earlier, later in pairwise(own)]
    assert len(own) == TRIES_PER_CHANNEL
    assert pauses == sorted(pauses)
    assert pauses[0] >= 5 * SECOND
    assert pauses[-1] <= 300 * SECOND
    # the way is used up: nothing is gained by waiting before the next one
    assert moments[-1] == ("sms", own[-1] + SECOND)


def _moments_of_tries(town: Town, mail: Mail, notice_id: int) -> list[tuple[str, datetime]]:
    """A worker turns every second until the notice is sent or dead."""
    for second in range(3600):
        mail.work(T0 + second * SECOND)
        if _notice(town, notice_id).state in ("sent", "dead"):
            break
    return [(a.channel, a.started_at) for a in _notice(town, notice_id).attempts]


def test_each_way_begins_with_short_pauses(town: Town, mail: Mail, notice_id: int) -> None:
    mail.whatsapp.answers, mail.sms.answers = [BUSY] * 10, [BUSY]
    moments = _moments_of_tries(town, mail, notice_id)
    (first, second) = [at for channel, at in moments if channel == "sms"]
    assert second - first == 5 * SECOND


def test_when_every_way_is_used_up_the_notice_is_dead_and_says_why(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers, mail.sms.answers = [REFUSED], [BUSY] * 10
    _moments_of_tries(town, mail, notice_id)
    notice = _notice(town, notice_id)
    assert (notice.state, notice.error) == ("dead", "429")
    assert _results(town, notice_id) == [("whatsapp", "refused")] + [("sms", "failed")] * 5
    assert mail.work(T0 + DAY) == 0


def test_nobody_can_be_reached_is_dead_with_the_reason(
    town: Town, mail: Mail, notice_id: int
) -> None:
    town.change_person("pupr_1", active=False)
    assert not mail.deliver(notice_id, T0)
    notice = _notice(town, notice_id)
    assert notice.state == "dead"
    assert "no channel" in notice.error
    assert mail.sent() == []


def test_a_dead_notice_is_revived_over_all_ways(town: Town, mail: Mail, notice_id: int) -> None:
    mail.whatsapp.answers, mail.sms.answers = [REFUSED], [BUSY] * 10
    _moments_of_tries(town, mail, notice_id)
    town.letters.clear()
    with town.store.write() as db:
        notices.resend(db, notice_id, actor="supervisor", now=T0 + DAY)
    assert town.letters == [(notice_id, False)]
    mail.sms.answers = []
    mail.whatsapp.answers = [BUSY, REFUSED]
    mail.deliver(notice_id, T0 + DAY)
    assert not mail.deliver(notice_id, T0 + DAY + 5 * SECOND - TICK)
    mail.deliver(notice_id, T0 + DAY + 5 * SECOND)  # pauses begin anew
    mail.deliver(notice_id, T0 + DAY + 5 * SECOND)
    assert _notice(town, notice_id).state == "sent"
    assert _results(town, notice_id)[-3:] == [
        ("whatsapp", "failed"),
        ("whatsapp", "refused"),
        ("sms", "sent"),
    ]
    with town.store.read() as db:
        assert db.scalars(select(Audit.thing).where(Audit.action == "notice_resent")).all() == [
            f"notice:{notice_id}"
        ]


def test_what_died_while_providers_were_away_is_tried_every_hour_for_a_day(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers, mail.sms.answers = [BUSY] * 5, [BUSY] * 5
    last = _moments_of_tries(town, mail, notice_id)[-1][1]
    assert _notice(town, notice_id).state == "dead"

    def revived(at: datetime) -> int:
        with town.store.write() as db:
            return notices.revive_due(db, at)

    assert revived(last + HOUR - TICK) == 0
    assert revived(last + HOUR) == 1
    assert revived(last + HOUR) == 0
    mail.work(last + HOUR)
    assert _notice(town, notice_id).state == "sent"


def test_what_was_refused_for_good_or_is_too_old_stays_dead(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers, mail.sms.answers = [BUSY] * 5, [BUSY] * 4 + [REFUSED]
    _moments_of_tries(town, mail, notice_id)
    with town.store.write() as db:
        assert notices.revive_due(db, T0 + 2 * HOUR) == 0
        db.get_one(Notice, notice_id).attempts[-1].result = "failed"
        assert notices.revive_due(db, T0 + DAY) == 0
        assert notices.revive_due(db, T0 + DAY - TICK) == 1


def test_only_what_is_dead_is_revived(town: Town, mail: Mail, notice_id: int) -> None:
    def resend(one: int) -> None:
        with town.store.write() as db:
            notices.resend(db, one, actor="supervisor", now=T0)

    for state in ("queued", "sending", "sent", "delivered"):
        with town.store.write() as db:
            db.get_one(Notice, notice_id).state = state
        with pytest.raises(Refused):
            resend(notice_id)
    with pytest.raises(NotFound):
        resend(10**6)
    with town.store.write() as db:
        db.get_one(Notice, notice_id).state = "dead"
    came = together(*(lambda: resend(notice_id) for _ in range(3)))
    assert [one is None for one in came].count(True) == 1, came


# ---------------------------------------------------------------- death and stalling


def test_what_a_dead_worker_had_sent_is_found_and_not_sent_again(
    town: Town, mail: Mail, notice_id: int
) -> None:
    claim = _claim(mail, notice_id)
    receipt = mail.whatsapp.send(claim.message)  # and the power goes
    mail.whatsapp.looks = [receipt]
    assert not mail.deliver(notice_id, T0 + LEASE - TICK)
    assert mail.deliver(notice_id, T0 + LEASE)
    assert mail.sent() == [("whatsapp", PHONE)]
    assert mail.whatsapp.looked_since == [T0]
    assert _results(town, notice_id) == [("whatsapp", "unsent"), ("whatsapp", "sent")]
    assert _notice(town, notice_id).provider_id == receipt.provider_id


def test_what_a_dead_worker_had_not_sent_is_sent(town: Town, mail: Mail, notice_id: int) -> None:
    _claim(mail, notice_id)
    mail.deliver(notice_id, T0 + LEASE)
    assert mail.whatsapp.looked_since == [T0]
    assert mail.sent() == [("whatsapp", PHONE)]
    assert _notice(town, notice_id).state == "sent"


def test_after_two_dead_workers_the_first_ones_message_is_looked_for(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """The second died while it looked: what may have arrived is as old as the first attempt."""
    _claim(mail, notice_id, T0)
    _claim(mail, notice_id, T0 + LEASE)
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.deliver(notice_id, T0 + 2 * LEASE)
    assert mail.whatsapp.looked_since == [T0]
    assert mail.sent() == []
    assert [result for _, result in _results(town, notice_id)] == ["unsent", "unsent", "sent"]


def test_what_is_found_is_not_another_notices_message(town: Town, mail: Mail) -> None:
    """Two notices to one person with one text; of one the answer was lost, and nothing taken."""
    told, lost = _two_to_one_person(town)
    mail.deliver(told, T0)
    found = Receipt(str(_notice(town, told).provider_id), Arrival.SENT)
    _claim(mail, lost)  # and the power goes before it is sent
    mail.whatsapp.looks = [found]
    mail.deliver(lost, T0 + LEASE)
    assert mail.sent() == [("whatsapp", PHONE)] * 2
    assert _notice(town, lost).provider_id != found.provider_id


def test_of_two_that_find_one_message_the_second_looks_again(town: Town, mail: Mail) -> None:
    """Both looked before either wrote down what it had found."""
    one, other = _two_to_one_person(town)
    claims = [_claim(mail, notice_id) for notice_id in (one, other)]
    receipt = mail.whatsapp.send(claims[0].message)  # and the power goes for both
    mail.whatsapp.looks = [receipt, receipt]
    results = []
    for notice_id in (one, other):
        claim = _claim(mail, notice_id, T0 + LEASE)
        results.append((claim, attempt(claim, mail.whatsapp)))
    for claim, result in results:
        with town.store.write() as db:
            settle(db, claim, result, now=T0 + LEASE, rules=town.rules)
    assert [_notice(town, n).state for n in (one, other)] == ["sent", "queued"]
    mail.deliver(other, T0 + 2 * LEASE)
    assert mail.sent() == [("whatsapp", PHONE)] * 2
    assert _notice(town, other).state == "sent"


def test_a_stalled_workers_result_is_refused(town: Town, mail: Mail, notice_id: int) -> None:
    slow = _claim(mail, notice_id, T0)
    mail.whatsapp.looks = [Receipt("found", Arrival.SENT)]
    assert mail.deliver(notice_id, T0 + LEASE)
    mail.whatsapp.answers = [REFUSED]
    assert not _settle(mail, slow, T0 + 2 * LEASE)
    notice = _notice(town, notice_id)
    assert (notice.state, notice.provider_id, notice.error) == ("sent", "found", "")


def test_a_stalled_worker_takes_no_doubt_from_the_one_after_it(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """Slow comes back while its successor is sending; the successor's open attempt stays open."""
    slow = _claim(mail, notice_id, T0)
    successor = _claim(mail, notice_id, T0 + LEASE)
    mail.whatsapp.answers = [BUSY]
    assert not _settle(mail, slow, T0 + LEASE + SECOND)
    assert _results(town, notice_id) == [("whatsapp", "failed"), ("whatsapp", "")]
    mail.whatsapp.send(successor.message)  # and dies
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    sent = len(mail.sent())
    mail.deliver(notice_id, T0 + 2 * LEASE)
    assert mail.whatsapp.looked_since == [T0 + LEASE]
    assert len(mail.sent()) == sent


def test_what_a_stalled_worker_did_send_is_looked_for(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """Its successor could not look, so nobody else knows that the message is out."""
    slow = _claim(mail, notice_id, T0)
    successor = _claim(mail, notice_id, T0 + LEASE)
    mail.whatsapp.looks = [LOST]
    result = attempt(successor, mail.whatsapp)
    assert not _settle(mail, slow, T0 + LEASE + SECOND)
    with town.store.write() as db:
        assert settle(db, successor, result, now=T0 + LEASE + 2 * SECOND, rules=town.rules)
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.work(T0 + HOUR)
    assert mail.sent() == [("whatsapp", PHONE)]
    assert _notice(town, notice_id).state == "sent"


def test_what_a_stalled_worker_sent_after_the_look_is_looked_for_again(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """Successor looks: nothing. Slow sends. Successor is refused with 429: look again."""
    slow = _claim(mail, notice_id, T0)
    successor = _claim(mail, notice_id, T0 + LEASE)
    mail.whatsapp.looks, mail.whatsapp.answers = [None], [BUSY]
    result = attempt(successor, mail.whatsapp)
    assert not _settle(mail, slow, T0 + LEASE + SECOND)
    with town.store.write() as db:
        assert settle(db, successor, result, now=T0 + LEASE + 2 * SECOND, rules=town.rules)
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.work(T0 + HOUR)
    assert len(mail.sent()) == 2  # the refused one and the slow one's
    assert _notice(town, notice_id).state == "sent"


def test_a_doubt_about_one_way_is_not_settled_by_another(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """Two stalled workers, one by SMS, one by WhatsApp after a resend; SMS then fails."""
    mail.whatsapp.answers, mail.sms.answers = [REFUSED], [REFUSED]
    mail.work(T0)
    slow = _claim(mail, notice_id, T0)
    mail.work(T0 + LEASE)
    mail.work(T0 + LEASE)
    assert _notice(town, notice_id).state == "dead"
    with town.store.write() as db:
        notices.resend(db, notice_id, actor="supervisor", now=T0 + HOUR)
    stuck = _claim(mail, notice_id, T0 + HOUR)
    mail.whatsapp.looks = [mail.whatsapp.send(stuck.message)]
    assert not _settle(mail, slow, T0 + HOUR + SECOND)
    mail.sms.looks = [mail.sms.receipt(Arrival.FAILED)]
    for turn in range(3):
        mail.work(T0 + 2 * HOUR + turn * MINUTE)
    assert _notice(town, notice_id).channel == "whatsapp"
    assert [channel for channel, _ in mail.sent()].count("whatsapp") == 2  # refused, stuck


def test_a_live_worker_and_one_after_its_lease_race_and_one_result_counts(
    town: Town, mail: Mail, notice_id: int
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow:
        name = "whatsapp"

        def send(self, message: Outgoing) -> Receipt:
            inside.set()
            assert go_on.wait(10)
            return mail.whatsapp.send(message)

        def find(self, *_: object) -> Receipt | None:
            return Receipt("looked", Arrival.SENT)

    mail.carriers = delivery.Carriers({"whatsapp": Slow()}, mail.signer)  # type: ignore[dict-item]

    def second() -> bool:
        assert inside.wait(10)
        done = mail.deliver(notice_id, T0 + LEASE)
        go_on.set()
        return done

    assert together(lambda: mail.deliver(notice_id, T0), second) == [True, True]
    notice = _notice(town, notice_id)
    assert (notice.state, notice.fence, notice.provider_id) == ("sent", 2, "looked")
    assert len(mail.sent()) == 1


# ---------------------------------------------------------------- lost answers


def test_a_lost_answer_is_looked_up_and_found(town: Town, mail: Mail, notice_id: int) -> None:
    mail.whatsapp.answers = [LOST]
    mail.deliver(notice_id, T0)
    assert _results(town, notice_id) == [("whatsapp", "")]
    mail.whatsapp.looks = [mail.whatsapp.receipt(Arrival.DELIVERED)]
    mail.work(T0 + MINUTE)
    assert mail.sent() == [("whatsapp", PHONE)]
    assert _notice(town, notice_id).state == "delivered"


def test_a_lost_answer_is_looked_up_and_not_found_so_it_is_sent(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers = [LOST]
    mail.deliver(notice_id, T0)
    mail.work(T0 + MINUTE)
    assert mail.sent() == [("whatsapp", PHONE)] * 2
    assert _results(town, notice_id) == [("whatsapp", "unsent"), ("whatsapp", "sent")]


@pytest.mark.parametrize(
    "unknown",
    [LOST, TransportError("401", permanent=True), TransportError("429"), RuntimeError("a fault")],
)
def test_while_nobody_knows_nothing_is_sent_and_looking_grows_slower(
    town: Town, mail: Mail, notice_id: int, unknown: Exception
) -> None:
    mail.whatsapp.answers = [LOST]
    mail.whatsapp.looks = [unknown] * 20
    for second in range(0, 3600, 5):
        mail.work(T0 + second * SECOND)
    assert mail.sent() == [("whatsapp", PHONE)]
    tries = [a.started_at for a in _notice(town, notice_id).attempts]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert len(tries) <= 16
    assert _notice(town, notice_id).error
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.work(T0 + 2 * HOUR)
    assert _notice(town, notice_id).state == "sent"
    assert mail.whatsapp.looked_since == [T0] * len(mail.whatsapp.looked_since)
    assert mail.sent() == [("whatsapp", PHONE)]


def test_looking_in_vain_costs_no_tries(town: Town, mail: Mail, notice_id: int) -> None:
    """The provider was down for an hour, then it says: never taken. The way is as good as new."""
    mail.whatsapp.answers = [LOST]
    mail.whatsapp.looks = [LOST] * 12
    for minute in range(61):
        mail.work(T0 + minute * MINUTE)
    assert mail.whatsapp.looks == []
    mail.work(T0 + 2 * HOUR)
    assert mail.sent() == [("whatsapp", PHONE)] * 2
    assert _notice(town, notice_id).state == "sent"


def test_answers_that_are_always_lost_lead_to_the_next_way(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers = [LOST] * 20
    moments = _moments_of_tries(town, mail, notice_id)
    assert 5 <= [channel for channel, _ in moments].count("whatsapp") <= 7
    assert _notice(town, notice_id).channel == "sms"


@pytest.mark.parametrize("fault", [RuntimeError("+628123456789"), KeyError("sid"), OSError()])
def test_a_channel_that_breaks_in_an_unforeseen_way_is_in_doubt_and_visible(
    town: Town,
    mail: Mail,
    notice_id: int,
    fault: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail.whatsapp.answers = [fault]
    assert mail.deliver(notice_id, T0)
    notice = _notice(town, notice_id)
    assert (notice.state, notice.attempts[0].result) == ("queued", "")
    assert type(fault).__name__ in notice.error
    assert "8123" not in notice.error + caplog.text
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.work(T0 + MINUTE)
    assert mail.sent() == [("whatsapp", PHONE)]


def test_a_way_in_doubt_that_was_taken_out_does_not_stop_the_notice(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.whatsapp.answers = [LOST]
    mail.deliver(notice_id, T0)
    mail.carriers = delivery.Carriers.of([mail.sms, mail.email], mail.signer)
    mail.work(T0 + MINUTE)
    assert mail.sent() == [("whatsapp", PHONE), ("sms", PHONE)]


def test_a_revived_notice_in_doubt_is_looked_up_first(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """The answer was lost, the person left, the notice died; the person came back."""
    mail.whatsapp.answers = [LOST]
    mail.deliver(notice_id, T0)
    town.change_person("pupr_1", active=False)
    mail.work(T0 + HOUR)
    assert _notice(town, notice_id).state == "dead"
    town.change_person("pupr_1", active=True)
    with town.store.write() as db:
        notices.resend(db, notice_id, actor="supervisor", now=T0 + DAY)
    mail.whatsapp.looks = [mail.whatsapp.receipt()]
    mail.work(T0 + DAY)
    assert mail.sent() == [("whatsapp", PHONE)]
    assert _notice(town, notice_id).state == "sent"


# ---------------------------------------------------------------- arrival


def _arrives(town: Town, notice_id: int, arrival: Arrival, at: datetime = T0) -> None:
    with town.store.write() as db:
        notice = db.get_one(Notice, notice_id)
        delivery.arrived(db, notice, arrival, now=at, rules=town.rules)


def test_a_message_that_failed_later_takes_the_next_way_once(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.deliver(notice_id, T0)
    town.letters.clear()
    for _ in range(3):
        _arrives(town, notice_id, Arrival.FAILED, T0 + MINUTE)
    assert town.letters == [(notice_id, False)]
    mail.work(T0 + MINUTE)
    assert mail.sent() == [("whatsapp", PHONE), ("sms", PHONE)]
    assert _results(town, notice_id) == [("whatsapp", "refused"), ("sms", "sent")]


def test_failed_on_every_way_is_dead_and_says_that_it_did_not_arrive(
    town: Town, mail: Mail, notice_id: int
) -> None:
    for channel in (mail.whatsapp, mail.sms):
        mail.work(T0)
        assert len(channel.sent) == 1
        _arrives(town, notice_id, Arrival.FAILED)
    mail.work(T0)
    notice = _notice(town, notice_id)
    assert (notice.state, notice.error) == ("dead", "not delivered")


def test_delivered_twice_is_delivered_once(town: Town, mail: Mail, notice_id: int) -> None:
    mail.deliver(notice_id, T0)
    _arrives(town, notice_id, Arrival.DELIVERED, T0 + SECOND)
    for arrival in (Arrival.DELIVERED, Arrival.SENT, Arrival.FAILED):
        _arrives(town, notice_id, arrival, T0 + MINUTE)
    notice = _notice(town, notice_id)
    assert (notice.state, notice.delivered_at) == ("delivered", T0 + SECOND)
    assert mail.work(T0 + DAY) == 0


@pytest.mark.parametrize("arrival", [Arrival.DELIVERED, Arrival.FAILED])
def test_a_word_of_the_provider_before_sent_is_written_changes_nothing(
    town: Town, mail: Mail, notice_id: int, arrival: Arrival
) -> None:
    _arrives(town, notice_id, arrival)
    claim = _claim(mail, notice_id)
    _arrives(town, notice_id, arrival)
    assert _notice(town, notice_id).state == "sending"
    assert _settle(mail, claim)
    assert _notice(town, notice_id).state == "sent"
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    mail.ask(notice_id, T0 + MINUTE)
    assert _notice(town, notice_id).state == "delivered"


@SQLITE
def test_the_provider_is_asked_less_and_less_and_then_no_more(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.deliver(notice_id, T0)
    asked = []
    for minute in [*range(125), *range(125, 21 * 24 * 60, 5)]:
        if mail.ask(notice_id, T0 + minute * MINUTE):
            asked.append(minute)
    day = 24 * 60
    assert asked == [1, 5, 30, 120, 720, day, 2 * day, 4 * day, 7 * day, 14 * day]
    assert _notice(town, notice_id).state == "sent"
    assert _notice(town, notice_id).ask_at is None


def test_a_provider_that_does_not_answer_a_question_is_asked_again(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.deliver(notice_id, T0)
    mail.whatsapp.later = LOST
    assert mail.ask(notice_id, T0 + 5 * SECOND)
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    assert not mail.ask(notice_id, T0 + 5 * SECOND)
    assert mail.ask(notice_id, T0 + 15 * SECOND)
    assert _notice(town, notice_id).state == "delivered"


def test_an_answer_about_an_earlier_message_says_nothing_of_the_present_one(
    town: Town, mail: Mail, notice_id: int
) -> None:
    """While the provider was asked about WhatsApp, the notice went out by SMS."""
    mail.deliver(notice_id, T0)

    def meanwhile(provider_id: str) -> Receipt:
        _arrives(town, notice_id, Arrival.FAILED, T0 + MINUTE)
        mail.deliver(notice_id, T0 + MINUTE)
        return Receipt(provider_id, Arrival.DELIVERED)

    mail.whatsapp.arrival = meanwhile  # type: ignore[method-assign]
    mail.ask(notice_id, T0 + MINUTE)
    notice = _notice(town, notice_id)
    assert (notice.state, notice.channel) == ("sent", "sms")


# ---------------------------------------------------------------- the report


def _reported(town: Town, mail: Mail, complaint_id: int) -> tuple[int, int]:
    ticket_id = town.dispatch(complaint_id)
    mail.work(T0)
    town.report(ticket_id, T0 + HOUR)
    report = town.notices(ticket_id=ticket_id)[-1]
    assert report.person_key == "pupr_head"
    mail.work(T0 + HOUR)
    return ticket_id, report.id


def test_the_report_is_reported_when_it_has_arrived_not_when_it_was_sent(
    town: Town, mail: Mail
) -> None:
    ticket_id, report = _reported(town, mail, town.complaint())
    assert town.ticket(ticket_id).state is TicketState.HANDLED
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    mail.ask(report, T0 + 2 * HOUR)
    ticket = town.ticket(ticket_id)
    assert (ticket.state, ticket.reported_at) == (TicketState.REPORTED, T0 + 2 * HOUR)
    rows = len(town.history())
    _arrives(town, report, Arrival.DELIVERED, T0 + 3 * HOUR)
    assert len(town.history()) == rows


def test_a_report_that_arrives_after_a_week_is_noticed(town: Town, mail: Mail) -> None:
    """The head's telephone was off; nothing else tells us."""
    ticket_id, report = _reported(town, mail, town.complaint())
    for hour in range(6 * 24):
        mail.ask(report, T0 + hour * HOUR)
    assert town.ticket(ticket_id).state is TicketState.HANDLED
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    for hour in range(6 * 24, 10 * 24):
        mail.ask(report, T0 + hour * HOUR)
    assert town.ticket(ticket_id).state is TicketState.REPORTED


def test_a_report_that_did_not_arrive_is_not_reported(town: Town, mail: Mail) -> None:
    ticket_id, report = _reported(town, mail, town.complaint())
    _arrives(town, report, Arrival.FAILED, T0 + 2 * HOUR)
    assert town.ticket(ticket_id).state is TicketState.HANDLED
    mail.work(T0 + 2 * HOUR)
    assert mail.email.sent[0].to == "pupr.head@example.org"  # the head has no SMS
    _arrives(town, report, Arrival.DELIVERED, T0 + 3 * HOUR)
    assert town.ticket(ticket_id).state is TicketState.REPORTED


# ---------------------------------------------------------------- read


def _report_leaves(town: Town, mail: Mail, at: datetime = T0) -> tuple[int, Notice]:
    """A report whose notice to the head is on its way over WhatsApp."""
    ticket_id = town.sent(at)
    town.report(ticket_id, at)
    notice = town.notices(kind="report-filed")[-1]
    mail.deliver(notice.id, at)
    return ticket_id, notice


def test_a_provider_that_says_read_says_delivered_too(town: Town, mail: Mail) -> None:
    ticket_id, notice = _report_leaves(town, mail)
    _arrives(town, notice.id, Arrival.READ, T0 + HOUR)
    found = _notice(town, notice.id)
    assert (found.state, found.delivered_at, found.read_at) == ("delivered", T0 + HOUR, T0 + HOUR)
    assert town.ticket(ticket_id).state is TicketState.REPORTED


def test_read_may_come_after_delivered_and_is_written_once(town: Town, mail: Mail) -> None:
    ticket_id, notice = _report_leaves(town, mail)
    for hours, arrival in enumerate((Arrival.DELIVERED, Arrival.READ, Arrival.READ), 1):
        _arrives(town, notice.id, arrival, T0 + hours * HOUR)
    _arrives(town, notice.id, Arrival.FAILED, T0 + 9 * HOUR)
    found = _notice(town, notice.id)
    assert (found.state, found.delivered_at) == ("delivered", T0 + HOUR)
    assert found.read_at == T0 + 2 * HOUR
    assert [h.verb for h in town.history(ticket_id=ticket_id)].count("report") == 1


def test_a_delivered_report_is_asked_for_until_it_was_read(town: Town, mail: Mail) -> None:
    _, notice = _report_leaves(town, mail)
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    assert mail.ask(notice.id, T0 + MINUTE)
    assert _notice(town, notice.id).delivered_at == T0 + MINUTE
    with town.store.read() as db:
        assert delivery.questions_due(db, T0 + DAY) == [notice.id]
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.READ)
    assert mail.ask(notice.id, T0 + DAY)
    assert _notice(town, notice.id).read_at == T0 + DAY
    assert not mail.ask(notice.id, T0 + 9 * DAY)


def test_nobody_asks_whether_any_other_notice_was_read(
    town: Town, mail: Mail, notice_id: int
) -> None:
    mail.deliver(notice_id, T0)
    _arrives(town, notice_id, Arrival.DELIVERED, T0 + MINUTE)
    with town.store.read() as db:
        assert delivery.questions_due(db, T0 + 9 * DAY) == []


# ---------------------------------------------------------------- the paper

PAPER = Enclosure("laporan.pdf", "application/pdf", b"%PDF-1.7")


def test_the_report_goes_along_where_a_channel_carries_files(town: Town, mail: Mail) -> None:
    asked: list[int] = []

    def paper(_session: Session, ticket_id: int) -> Enclosure:
        asked.append(ticket_id)
        return PAPER

    mail.carriers = Carriers.of([mail.email], mail.signer, paper=paper)
    ticket_id = town.sent()
    town.report(ticket_id, T0)
    mail.work(T0)
    assert [message.files for message in mail.email.sent] == [(PAPER,)]
    assert "/p/" in mail.email.sent[0].text
    assert asked == [ticket_id]


def test_messengers_get_the_link_alone_and_nobody_sets_a_paper(town: Town, mail: Mail) -> None:
    mail.carriers = Carriers.of(mail.all, mail.signer, paper=_never)
    town.report(town.sent(), T0)
    mail.work(T0)
    assert {message.files for message in mail.whatsapp.sent} == {()}


def _never(_session: Session, _ticket_id: int) -> Enclosure:
    raise AssertionError("nobody asked for a paper")


def test_a_paper_that_cannot_be_made_holds_no_report_up(
    town: Town, mail: Mail, caplog: pytest.LogCaptureFixture
) -> None:
    mail.carriers = Carriers.of([mail.email], mail.signer, paper=_never)
    ticket_id = town.sent()
    town.report(ticket_id, T0)
    mail.email.answers = [mail.email.receipt(Arrival.DELIVERED)]
    mail.work(T0)
    assert mail.email.sent[0].files == ()
    assert town.ticket(ticket_id).state is TicketState.REPORTED
    assert "without its paper" in caplog.text


def test_another_notice_that_arrives_reports_nothing(town: Town, mail: Mail) -> None:
    ticket_id, _ = _reported(town, mail, town.complaint())
    _arrives(town, town.notices()[0].id, Arrival.DELIVERED, T0 + 2 * HOUR)
    assert town.ticket(ticket_id).state is TicketState.HANDLED


def test_a_yes_before_the_report_closes_when_it_arrives(town: Town, mail: Mail) -> None:
    complaint_id = town.complaint()
    ticket_id, report = _reported(town, mail, complaint_id)
    town.word(complaint_id, Outcome.SOLVED, T0 + 90 * MINUTE)
    assert town.state(complaint_id) is ComplaintState.ANSWERED
    mail.whatsapp.later = mail.whatsapp.receipt(Arrival.DELIVERED)
    mail.ask(report, T0 + 2 * HOUR)
    found = town.found(complaint_id)
    assert (found.state, found.closed_at) == (ComplaintState.CLOSED, T0 + 2 * HOUR)
    assert town.ticket(ticket_id).state is TicketState.CLOSED


@pytest.mark.parametrize("word", [Outcome.SOLVED, Outcome.NOT_SOLVED])
def test_the_citizens_word_and_the_reports_arrival_at_the_same_moment(
    town: Town, mail: Mail, word: Outcome
) -> None:
    for _ in range(4):
        complaint_id = town.complaint()
        ticket_id, report = _reported(town, mail, complaint_id)
        works: list[Callable[[], object]] = [
            lambda c=complaint_id: town.word(c, word, T0 + 2 * HOUR),  # type: ignore[misc]
            lambda r=report: _arrives(town, r, Arrival.DELIVERED, T0 + 2 * HOUR),  # type: ignore[misc]
        ]
        assert together(*works) == [None, None]
        closed = word is Outcome.SOLVED
        expected = ComplaintState.CLOSED if closed else ComplaintState.REOPENED
        assert town.state(complaint_id) is expected
        assert town.ticket(ticket_id).reported_at == T0 + 2 * HOUR


# ---------------------------------------------------------------- the link


def test_a_link_lives_its_whole_life_after_the_last_message_that_carried_it(town: Town) -> None:
    """The reminder of day 29 must not carry a link that dies on day 30."""
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    until = T0 + 29 * DAY
    town.wait(ticket_id, T0 + HOUR, until)
    town.wake(until)
    with town.store.read() as db:
        link = db.scalars(select(OfficerLink).where(OfficerLink.person_key == "pupr_1")).one()
        links.open_link(db, link.id, until + town.rules.link_lifetime - TICK)
        with pytest.raises(NotFound):
            links.open_link(db, link.id, until + town.rules.link_lifetime)
