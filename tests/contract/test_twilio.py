"""Twilio as it really fails: what was certainly not taken, what nobody knows, what is final."""

from __future__ import annotations

import socket
import traceback
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from callcenter.gateways.channel import Arrival, TransportError
from callcenter.gateways.twilio import TwilioMessages, body_of
from callcenter.gateways.twilio_http import TwilioHttp
from tests.contract.conftest import LINK, PHONE, notice
from tests.contract.fake_twilio import Answer, FakeTwilio, Refusal

#: For tests that wait until the time is up.
SHORT = 0.4
#: Where what happens before the time is up counts as well, on a busy machine too.
ENOUGH = 1.0
BEFORE = [step for step in Answer if step.name.endswith("_BEFORE")]
AFTER = [step for step in Answer if step.name.endswith("_AFTER")]


@pytest.fixture(params=["whatsapp", "sms"])
def channel(request: pytest.FixtureRequest, twilio: FakeTwilio) -> TwilioMessages:
    return TwilioMessages(request.param, twilio.settings(), twilio.auth_token)


def hasty(channel: TwilioMessages, twilio: FakeTwilio, seconds: float) -> TwilioMessages:
    return TwilioMessages(channel.name, twilio.settings(), twilio.auth_token, seconds=seconds)


def failure(channel: TwilioMessages, text: str = f"Teks\n{LINK}") -> TransportError:
    with pytest.raises(TransportError) as caught:
        channel.send(notice(text=text))
    return caught.value


def test_a_message_carries_the_addresses_of_its_channel(
    channel: TwilioMessages, twilio: FakeTwilio
) -> None:
    receipt = channel.send(notice())
    (made,) = twilio.accepted
    prefix = "whatsapp:" if channel.name == "whatsapp" else ""
    sender = twilio.whatsapp_from if prefix else twilio.sms_from
    assert (made["to"], made["from"]) == (prefix + PHONE, prefix + sender)
    assert receipt.provider_id == made["sid"]
    assert receipt.arrival is Arrival.SENT


@pytest.mark.parametrize("step", BEFORE)
def test_untaken_but_unknown_is_ambiguous_and_then_not_found(
    channel: TwilioMessages, twilio: FakeTwilio, step: Answer
) -> None:
    since = datetime.now(UTC)
    twilio.behave(step)
    error = failure(hasty(channel, twilio, ENOUGH))
    assert error.ambiguous
    assert not error.permanent
    assert twilio.asked["send"] == 1
    assert channel.find(notice(text=f"Teks\n{LINK}"), since) is None


@pytest.mark.parametrize("step", [*AFTER, Answer.SLOW])
def test_taken_but_unknown_is_ambiguous_and_then_found(
    channel: TwilioMessages, twilio: FakeTwilio, step: Answer
) -> None:
    since = datetime.now(UTC)
    twilio.behave(step)
    error = failure(hasty(channel, twilio, ENOUGH))
    assert error.ambiguous
    assert not error.permanent
    assert twilio.asked["send"] == 1
    twilio.wait_accepted(1)
    found = channel.find(notice(text=f"Teks\n{LINK}"), since)
    assert found is not None
    assert [made["sid"] for made in twilio.accepted] == [found.provider_id]


def test_a_server_that_trickles_is_left_when_the_time_is_up(
    channel: TwilioMessages, twilio: FakeTwilio
) -> None:
    twilio.behave(Answer.SLOW)
    started = monotonic()
    failure(hasty(channel, twilio, SHORT))
    assert monotonic() - started < 5


def test_a_server_that_never_finishes_its_greeting_has_taken_nothing(twilio: FakeTwilio) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        channel = TwilioMessages("sms", twilio.settings(url), "t", seconds=SHORT)
        error = failure(channel)
    assert (error.permanent, error.ambiguous) == (False, False)


def test_plain_http_in_place_of_tls_has_taken_nothing(twilio: FakeTwilio) -> None:
    settings = twilio.settings(twilio.url.replace("http:", "https:"))
    error = failure(TwilioMessages("sms", settings, twilio.auth_token))
    assert (error.permanent, error.ambiguous) == (False, False)
    assert not twilio.accepted


def test_an_unknown_host_has_taken_nothing(twilio: FakeTwilio) -> None:
    channel = TwilioMessages("sms", twilio.settings("http://twilio.invalid"), "t")
    error = failure(channel)
    assert (error.permanent, error.ambiguous) == (False, False)


@pytest.mark.parametrize("step", [Answer.BUSY, Refusal(21611), Refusal(63018)])
def test_too_much_at_once_is_tried_later(
    channel: TwilioMessages, twilio: FakeTwilio, step: Answer | Refusal
) -> None:
    twilio.behave(step)
    error = failure(channel)
    assert (error.permanent, error.ambiguous) == (False, False)


@pytest.mark.parametrize("step", [Answer.UNAUTHORISED, Refusal(20005, 403)])
def test_trouble_with_the_account_loses_nobody_and_names_the_remedy(
    channel: TwilioMessages, twilio: FakeTwilio, step: Answer | Refusal
) -> None:
    twilio.behave(step)
    error = failure(channel)
    assert (error.permanent, error.ambiguous) == (False, False)
    assert "ADUAN24_TWILIO_AUTH_TOKEN" in str(error)


@pytest.mark.parametrize("code", [21211, 21610, 21614, 63016, 99999])
def test_what_will_be_refused_again_is_permanent(
    channel: TwilioMessages, twilio: FakeTwilio, code: int
) -> None:
    twilio.behave(Refusal(code))
    error = failure(channel)
    assert (error.permanent, error.ambiguous) == (True, False)
    assert str(code) in str(error)


def test_another_server_at_the_address_is_named_and_tried_again(twilio: FakeTwilio) -> None:
    twilio.behave(Refusal(code=0, status=404))
    error = failure(TwilioMessages("sms", twilio.settings(), twilio.auth_token))
    assert (error.permanent, error.ambiguous) == (False, False)
    assert "notices.twilio.api_url" in str(error)


@pytest.mark.parametrize(
    "step",
    [
        *(step for step in Answer if step is not Answer.ACCEPT),
        Refusal(21211, words=f"The 'To' number {PHONE} ({PHONE[1:]}, 0812-3456-7890) is invalid"),
        Refusal(20003, 401, f"{FakeTwilio.auth_token} of {FakeTwilio.account_sid} for {PHONE}"),
        Refusal(30000, 500, f"no route to %2B{PHONE[1:]} with {FakeTwilio.auth_token}"),
    ],
)
@pytest.mark.parametrize("operation", ["send", "list", "fetch"])
def test_no_failure_tells_the_number_or_the_token(
    channel: TwilioMessages,
    twilio: FakeTwilio,
    step: Answer | Refusal,
    operation: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    made = twilio.add(to="+62", sender="", body="", at=datetime.now(UTC))
    twilio.behave(step, on=operation)
    channel = hasty(channel, twilio, SHORT)
    with pytest.raises(TransportError) as caught:
        if operation == "send":
            channel.send(notice())
        elif operation == "list":
            channel.find(notice(), datetime.now(UTC))
        else:
            channel.arrival(made["sid"])
    error = caught.value
    told = "".join([*traceback.format_exception(error), repr(error.args), caplog.text])
    for secret in (PHONE[1:], "81234567890", "3456-7890", twilio.auth_token):
        assert secret not in told


class TestFind:
    NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)

    @pytest.fixture
    def sms(self, twilio: FakeTwilio) -> TwilioMessages:
        return TwilioMessages("sms", twilio.settings(), twilio.auth_token, seconds=5)

    def taken(self, twilio: FakeTwilio, minutes: float, body: str, to: str = PHONE) -> str:
        at = self.NOW + timedelta(minutes=minutes)
        return str(twilio.add(to=to, sender=twilio.sms_from, body=body, at=at)["sid"])

    def test_walks_all_pages(self, sms: TwilioMessages, twilio: FakeTwilio) -> None:
        mine = self.taken(twilio, 0, "Teks")
        for number in range(10):
            self.taken(twilio, 1 + number, f"Lain {number}")
        found = sms.find(notice(text="Teks"), self.NOW)
        assert found is not None
        assert found.provider_id == mine
        assert twilio.asked["list"] == 4

    def test_stops_at_what_is_older(self, sms: TwilioMessages, twilio: FakeTwilio) -> None:
        for number in range(30):
            self.taken(twilio, -10 - number, "Teks")
        assert sms.find(notice(text="Teks"), self.NOW) is None
        assert twilio.asked["list"] == 1

    def test_allows_for_clocks_that_differ(self, sms: TwilioMessages, twilio: FakeTwilio) -> None:
        self.taken(twilio, -1, "Teks")
        assert sms.find(notice(text="Teks"), self.NOW) is not None

    def test_is_exact(self, sms: TwilioMessages, twilio: FakeTwilio) -> None:
        self.taken(twilio, 0, "Teks.")
        self.taken(twilio, 0, "teks")
        self.taken(twilio, 0, "Sisa Teks")
        self.taken(twilio, 0, "Teks", to="+6281234567891")
        assert sms.find(notice(text="Teks"), self.NOW) is None

    def test_leaves_alone_what_is_another_notices(
        self, sms: TwilioMessages, twilio: FakeTwilio
    ) -> None:
        """Two notices to one person with one text: the newer message is the other one's."""
        mine = self.taken(twilio, 1, "Teks")
        other = self.taken(twilio, 0, "Teks")
        found = sms.find(notice(text="Teks"), self.NOW, {other}.__contains__)
        assert found is not None
        assert found.provider_id == mine
        assert sms.find(notice(text="Teks"), self.NOW, {mine, other}.__contains__) is None

    def test_does_not_rely_on_the_list_being_filtered(
        self, sms: TwilioMessages, twilio: FakeTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usual = twilio.answer_list
        monkeypatch.setattr(twilio, "answer_list", lambda path, query: usual(path, {}))
        self.taken(twilio, 1, "Teks", to="+6281234567891")
        mine = self.taken(twilio, 0, "Teks")
        found = sms.find(notice(text="Teks"), self.NOW)
        assert found is not None
        assert found.provider_id == mine

    def test_knows_a_text_that_was_cut_or_cleaned(self, twilio: FakeTwilio) -> None:
        sms = TwilioMessages("sms", twilio.settings(), twilio.auth_token)
        message = notice(text="a\0\r\n" + "kata " * 800 + f"\r\n{LINK}")
        since = datetime.now(UTC)
        sent = sms.send(message)
        assert sms.find(message, since) == sent

    def test_knows_the_text_of_a_trial_account(
        self, sms: TwilioMessages, twilio: FakeTwilio
    ) -> None:
        mine = self.taken(twilio, 0, "Sent from your Twilio trial account - Teks")
        found = sms.find(notice(text="Teks"), self.NOW)
        assert found is not None
        assert found.provider_id == mine

    @pytest.mark.parametrize("step", [s for s in Answer if s is not Answer.ACCEPT])
    def test_a_list_that_fails_is_never_a_no(self, twilio: FakeTwilio, step: Answer) -> None:
        sms = TwilioMessages("sms", twilio.settings(), twilio.auth_token, seconds=SHORT)
        for number in range(5):
            self.taken(twilio, number, f"Lain {number}")
        for plan in ([step], [Answer.ACCEPT, step]):  # on the first page, on the second
            twilio.behave(*plan, on="list")
            with pytest.raises(TransportError) as caught:
                sms.find(notice(text="Teks"), self.NOW)
            assert caught.value.ambiguous


class TestArrival:
    @pytest.fixture
    def sms(self, twilio: FakeTwilio) -> TwilioMessages:
        return TwilioMessages("sms", twilio.settings(), twilio.auth_token, seconds=5)

    @pytest.mark.parametrize(
        ("status", "arrival"),
        [
            *((s, Arrival.SENT) for s in ("queued", "accepted", "sending", "sent", "unheard of")),
            ("delivered", Arrival.DELIVERED),
            ("read", Arrival.READ),
            *((s, Arrival.FAILED) for s in ("failed", "undelivered", "canceled")),
        ],
    )
    def test_follows_the_status(
        self, sms: TwilioMessages, twilio: FakeTwilio, status: str, arrival: Arrival
    ) -> None:
        receipt = sms.send(notice())
        twilio.set_status(receipt.provider_id, status)
        assert sms.arrival(receipt.provider_id).arrival is arrival

    @pytest.mark.parametrize("unknown", ["SM" + "9" * 32, "", "../Calls", "screen:1", "SM\r\n"])
    def test_an_unknown_message_is_final(self, sms: TwilioMessages, unknown: str) -> None:
        with pytest.raises(TransportError) as caught:
            sms.arrival(unknown)
        assert caught.value.permanent

    def test_a_failing_answer_is_not_final(self, sms: TwilioMessages, twilio: FakeTwilio) -> None:
        receipt = sms.send(notice())
        twilio.behave(Answer.BROKEN_BEFORE, on="fetch")
        with pytest.raises(TransportError) as caught:
            sms.arrival(receipt.provider_id)
        assert not caught.value.permanent


class TestLength:
    @pytest.mark.parametrize("word", ["kata ", "a", "🌋", "é́", "👨‍👩‍👧‍👦 ", "baris\n"])
    @pytest.mark.parametrize("link", ["", f"\n{LINK}", f"\nBuka: {LINK}"])
    def test_a_long_text_is_cut_before_its_link(self, word: str, link: str) -> None:
        body = body_of(word * 3000 + link)
        assert 1500 < len(body.encode("utf-16-le")) / 2 <= 1600
        assert body.endswith("..." + link)
        assert body.startswith(word * 20)

    def test_a_text_of_the_longest_length_is_left_alone(self) -> None:
        for text in ("a" * 1600, "🌋" * 800, "b" * (1599 - len(LINK)) + f"\n{LINK}"):
            assert body_of(text) == text
        assert body_of("a" * 1601) == "a" * 1597 + "..."

    def test_words_stay_whole(self) -> None:
        body = body_of("aduan " * 400)
        assert body.removesuffix("...").split()[-1] == "aduan"


def test_the_token_goes_to_the_configured_host_alone(twilio: FakeTwilio) -> None:
    path = f"/2010-04-01/Accounts/{twilio.account_sid}/Messages.json"
    auth = (twilio.account_sid, twilio.auth_token)
    answer = TwilioHttp(twilio.url + "/", 5).request("GET", f"https://x.invalid{path}", auth=auth)
    assert answer.status_code == 200
    assert twilio.asked == {"list": 1}


def test_a_channel_without_its_sender_is_a_mistake_at_once(twilio: FakeTwilio) -> None:
    settings = twilio.settings().model_copy(update={"sms_from": None})
    with pytest.raises(ValueError, match=r"notices\.twilio\.sms_from"):
        TwilioMessages("sms", settings, "t")
