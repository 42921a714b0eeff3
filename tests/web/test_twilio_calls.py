"""Calls through Twilio: who gets in, what repeated and overtaken requests do, where audio goes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPConnection
from itertools import count, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from twilio.request_validator import RequestValidator

from callcenter.gateways.channel import TransportError
from callcenter.gateways.download import Downloader, open_public, public_address
from callcenter.gateways.twilio_recordings import TwilioRecordings
from callcenter.importing import importing, turn
from callcenter.services.twilio_courses import Courses, Turn
from callcenter.services.twilio_recordings import Told, collect, end_forgotten, reconcile
from callcenter.store.line_models import TwilioCall, TwilioRecording
from callcenter.web import create_app
from callcenter.wiring import Wiring
from ivr.flow import Found
from ivr.numbers import is_valid
from ivr.spool import SpooledCall
from tests.web.conftest import ROOT, build
from tests.web.fake_recordings import FakeRecordings
from tests.web.twilio_caller import (
    ACCOUNT,
    PUBLIC_URL,
    TOKEN,
    Document,
    TwilioCaller,
    client_of,
    deployment,
)

VOICE = f"{PUBLIC_URL}/twilio/voice"
SPEECH = (ROOT / "recordings/prompts/id/thanks.wav").read_bytes()
LATER = timedelta(minutes=10)
_sids = count(1)


def sid(kind: str) -> str:
    return f"{kind}{next(_sids):032x}"


@pytest.fixture
def account() -> Iterator[FakeRecordings]:
    with FakeRecordings() as fake:
        yield fake


@pytest.fixture
def wired(tmp_path: Path, account: FakeRecordings) -> Iterator[Wiring]:
    with deployment(tmp_path, account.url) as built:
        yield built


@pytest.fixture
def client(wired: Wiring) -> FlaskClient:
    return client_of(wired)


@pytest.fixture
def caller(wired: Wiring, client: FlaskClient) -> TwilioCaller:
    return TwilioCaller(wired, client, sid("CA"))


def stored(wired: Wiring, call_sid: str) -> Told:
    """What is known about a call: its course while it lasts, its row afterwards."""
    if course := Courses(wired.twilio_courses.folder).read(call_sid):
        return course
    with wired.store.read() as db:
        return db.get_one(TwilioCall, call_sid)


def to_recording(caller: TwilioCaller) -> Document:
    """From the first ring to the beep."""
    document = caller.follow(caller.rings().action, Digits="")
    document = caller.follow(document.action, Digits="")
    document = caller.follow(document.action, Digits="1")
    return caller.follow(document.action, Digits="")


def speaks(caller: TwilioCaller, document: Document, recording: str, **more: str) -> Document:
    """Six seconds of a complaint, and the silence that ends it."""
    return caller.follow(
        document.action, RecordingDuration="10", RecordingSid=recording, Digits="", **more
    )


def spooled(wired: Wiring, call_sid: str) -> SpooledCall:
    return wired.spool.read(stored(wired, call_sid).call_uid)


# ---------------------------------------------------------------- who is let in


def test_a_signed_request_is_answered_and_the_call_is_on_disk(
    wired: Wiring, caller: TwilioCaller
) -> None:
    document = caller.rings()
    assert document.last.tag == "Gather"
    call = stored(wired, caller.call_sid)
    assert is_valid(call.public_number or "")
    assert call.begun["caller_known"] is True
    assert (call.caller, call.events) == ("+6281234567890", [])


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/status", "/twilio/recording"])
@pytest.mark.parametrize("signature", [None, "", "wrong", "é", "A" * 5000])
def test_without_the_right_signature_nobody_gets_in(
    client: FlaskClient, caller: TwilioCaller, path: str, signature: str | None
) -> None:
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    assert client.post(path, data=caller.form(), headers=headers).status_code == 403


def test_a_signature_counts_for_its_own_address_and_words_only(
    wired: Wiring, client: FlaskClient, caller: TwilioCaller
) -> None:
    form = caller.form()
    signature = RequestValidator(TOKEN).compute_signature(VOICE, form)
    headers = {"X-Twilio-Signature": signature}
    assert client.post("/twilio/status", data=form, headers=headers).status_code == 403
    assert client.post("/twilio/voice?step=3", data=form, headers=headers).status_code == 403
    changed = {**form, "From": "+628111111111"}
    assert client.post("/twilio/voice", data=changed, headers=headers).status_code == 403
    assert client.post("/twilio/voice", data=form, headers=headers).status_code == 200


@pytest.mark.parametrize("query", ["", "?bodySHA256=" + sha256(b"{}").hexdigest(), "?bodySHA256=x"])
def test_json_is_never_taken(client: FlaskClient, query: str) -> None:
    url = VOICE + query
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    answer = client.post(
        f"/twilio/voice{query}",
        data="{}",
        content_type="application/json",
        headers={"X-Twilio-Signature": signature},
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["aduan.example:99999", "aduan.example:x", "127.0.0.1:8024"])
def test_the_address_that_a_proxy_shows_does_not_count(caller: TwilioCaller, host: str) -> None:
    assert caller.post(VOICE, caller.form(), Host=host).status_code in (200, 400)
    signed_for_host = caller.form()
    forged = RequestValidator(TOKEN).compute_signature(f"https://{host}/twilio/voice", {})
    assert caller.post(VOICE, signed_for_host, **{"X-Twilio-Signature": forged}).status_code == 403


def test_another_account_is_not_ours(caller: TwilioCaller) -> None:
    stranger = caller.form(AccountSid="AC" + "9" * 32)
    assert caller.post(VOICE, stranger).status_code == 403


@pytest.mark.parametrize("call_sid", ["", "CA1", "CA" + "g" * 32, "CA" + "0" * 31 + "\0", "../x"])
def test_a_call_id_that_is_none_is_refused(caller: TwilioCaller, call_sid: str) -> None:
    caller.call_sid = call_sid
    assert caller.post(VOICE, caller.form()).status_code == 400


def test_a_form_of_more_than_eight_kilobytes_is_refused(caller: TwilioCaller) -> None:
    assert caller.post(VOICE, caller.form(Extra="x" * 9000)).status_code == 413


@pytest.mark.parametrize("step", ["-1", "x", "1e3", "99999999", "٣", "1\0"])
def test_a_step_that_is_no_number_is_refused(caller: TwilioCaller, step: str) -> None:
    assert caller.post(f"{VOICE}?step={step}", caller.form()).status_code in (400, 403)


def test_hostile_values_are_as_if_nothing_were_there(wired: Wiring, caller: TwilioCaller) -> None:
    caller.shown = "+62\0<script>" + "9" * 300
    document = caller.rings()
    nasty = {"Digits": "\0'; DROP", "RecordingDuration": "-1e9", "RecordingUrl": "file:///etc"}
    document = caller.follow(document.action, **nasty)
    assert document.last.tag == "Gather"
    assert stored(wired, caller.call_sid).caller == ""


def test_other_forms_keep_their_protection(client: FlaskClient) -> None:
    assert client.post("/language", data={"language": "en"}).status_code == 400


def test_where_no_calls_come_that_way_there_is_no_door(
    tmp_path: Path, caller: TwilioCaller
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    closed = create_app(build(other)).test_client()
    assert closed.post("/twilio/voice", data=caller.form()).status_code == 404
    assert closed.get("/twilio/prompts/id/thanks.wav").status_code == 404


# ---------------------------------------------------------------- repeated, overtaken, late


def test_two_first_requests_at_once_are_one_call_with_one_number(wired: Wiring) -> None:
    app = create_app(wired)
    call_sid = sid("CA")

    def ring(_: int) -> str:
        return TwilioCaller(wired, app.test_client(), call_sid).rings().text

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ring, range(8)))) == 1
    following = TwilioCaller(wired, app.test_client(), sid("CA"))
    following.rings()
    first = stored(wired, call_sid).public_number or ""
    second = stored(wired, following.call_sid).public_number or ""
    assert int(second[:-1]) == int(first[:-1]) + 1


def test_an_old_request_gets_its_old_answer_and_the_call_goes_on(caller: TwilioCaller) -> None:
    documents = [caller.rings()]
    for digits in ("2", "", "1", "5"):
        documents.append(caller.follow(documents[-1].action, Digits=digits))
    assert caller.rings().text == documents[0].text
    for before, after in pairwise(documents):
        assert caller.follow(before.action, Digits="9").text == after.text


def test_of_two_answers_to_one_question_the_first_counts(
    wired: Wiring, caller: TwilioCaller
) -> None:
    first = caller.rings()
    app = create_app(wired)

    def press(key: str) -> str:
        other = TwilioCaller(wired, app.test_client(), caller.call_sid)
        return other.follow(first.action, Digits=key).text

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(press, "123"))) == 1
    assert len(stored(wired, caller.call_sid).events) == 1


def test_an_inquiry_is_made_once(wired: Wiring, client: FlaskClient) -> None:
    asked: list[tuple[str, str, str]] = []

    def inquiry(caller: str) -> Any:
        return lambda at: asked.append((caller, at.number, at.pin)) or Found(("thanks",))

    assert wired.twilio_line
    wired.__dict__["twilio_line"] = replace(wired.twilio_line, inquiry=inquiry)
    caller = TwilioCaller(wired, client, sid("CA"))
    document = caller.follow(caller.rings().action, Digits="")
    document = caller.follow(document.action, Digits="")
    document = caller.follow(document.action, Digits="2")
    document = caller.follow(document.action, Digits="10000007")
    told = caller.follow(document.action, Digits="4711")
    assert [urlsplit(url).path for url in told.played()] == ["/twilio/prompts/id/thanks.wav"]
    assert caller.follow(document.action, Digits="4711").text == told.text
    assert asked == [("+6281234567890", "10000007", "4711")]


def test_the_end_may_be_told_before_the_last_word(wired: Wiring, caller: TwilioCaller) -> None:
    document = to_recording(caller)
    caller.ends()
    recording = sid("RE")
    late = {"Digits": "hangup", "CallStatus": "completed", "RecordingDuration": "7"}
    answer = caller.follow(document.action, RecordingSid=recording, **late)
    assert answer.last.tag == "Hangup"
    assert stored(wired, caller.call_sid).events[-1]["event"] == "Recorded"
    with wired.store.read() as db:
        assert db.get_one(TwilioRecording, recording).kind == "complaint"
    assert caller.follow(document.action, RecordingSid=recording, **late).text == answer.text


def test_the_end_told_twice_and_after_it_nothing_counts(
    wired: Wiring, caller: TwilioCaller
) -> None:
    document = caller.rings()
    caller.ends()
    events = stored(wired, caller.call_sid).events
    caller.ends("failed")
    assert caller.follow(document.action, Digits="1").last.tag == "Hangup"
    assert stored(wired, caller.call_sid).events == events
    assert stored(wired, caller.call_sid).cause == "16"


def test_words_about_a_stranger_change_nothing(wired: Wiring, caller: TwilioCaller) -> None:
    caller.ends()
    with wired.store.read() as db:
        assert db.scalar(select(func.count()).select_from(TwilioCall)) == 0
    assert wired.twilio_courses.call_sids() == []


def test_a_number_is_asked_of_a_caller_who_hides_theirs(wired: Wiring, client: FlaskClient) -> None:
    for shown in ("anonymous", "+266696687", "Restricted", "sip:x@y", ""):
        caller = TwilioCaller(wired, client, sid("CA"), shown)
        caller.rings()
        assert stored(wired, caller.call_sid).begun["caller_known"] is False


def test_a_long_call_is_answered_within_a_second(wired: Wiring, caller: TwilioCaller) -> None:
    document = caller.follow(to_recording(caller).action, RecordingDuration="10")
    for _ in range(5):  # listens as often as is allowed
        document = caller.follow(document.action, Digits="2")
        began = perf_counter()
        document = caller.follow(document.action, Digits="")
        assert perf_counter() - began < 1
    assert len(stored(wired, caller.call_sid).events) > 14


def test_without_its_database_it_fails_so_that_twilio_takes_its_own_way(
    wired: Wiring, caller: TwilioCaller
) -> None:
    with wired.store.write() as db:
        db.execute(text("DROP TABLE twilio_calls"))
    assert caller.post(VOICE, caller.form()).status_code == 500


# ---------------------------------------------------------------- recordings


def test_a_call_with_its_recordings_comes_into_the_spool_as_any_other(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings
) -> None:
    document, recording = to_recording(caller), sid("RE")
    account.keep(recording, caller.call_sid, SPEECH)
    record = document.last
    speaks(caller, document, recording)
    for _ in range(2):
        assert caller.tells_of_recording(record, recording).status_code == 204
    caller.ends()
    later = datetime.now(UTC) + LATER
    assert collect(wired.store, wired.twilio_account, wired.twilio_import, now=later) == 2
    call = spooled(wired, caller.call_sid)
    assert (call.node, call.mode, call.hangup_cause) == ("twilio", "app", "16")
    assert (call.caller_raw, call.kept) == ("+6281234567890", "complaint-1")
    assert call.consent_at
    assert call.consent_at < call.ended_at  # type: ignore[operator]
    assert [(clip.kind, clip.take) for clip in call.clips] == [("complaint", 1)]
    assert call.clips[0].path.read_bytes() == SPEECH
    assert wired.spool.ready() == [call]
    assert wired.spool.strays(later) == []
    assert account.fetched() == [f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}.wav"]


def test_what_was_said_and_typed_is_forgotten_once_it_is_in_the_spool(
    wired: Wiring, caller: TwilioCaller
) -> None:
    document = caller.rings()
    caller.ends()
    collect(wired.store, wired.twilio_account, wired.twilio_import, now=datetime.now(UTC) + LATER)
    call = stored(wired, caller.call_sid)
    assert (call.events, call.begun, call.caller) == ([], {}, "")
    assert caller.follow(document.action, Digits="1").last.tag == "Hangup"
    assert caller.rings().last.tag == "Hangup"


def test_a_death_before_the_course_is_forgotten_leaves_one_call(
    wired: Wiring, caller: TwilioCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.rings()
    caller.ends()
    later, parts = datetime.now(UTC) + LATER, (wired.store, wired.twilio_account)

    def dies(_turn: Turn) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as death:
        death.setattr(Turn, "forget", dies)
        with pytest.raises(KeyboardInterrupt):
            collect(*parts, wired.twilio_import, now=later)
    assert collect(*parts, wired.twilio_import, now=later) == 1
    assert wired.twilio_courses.call_sids() == []
    assert len(wired.spool.ready()) == 1
    assert collect(*parts, wired.twilio_import, now=later) == 0


def test_a_call_waits_for_its_recordings_and_not_forever(
    wired: Wiring, caller: TwilioCaller
) -> None:
    speaks(caller, to_recording(caller), "")
    caller.ends()
    now, parts = datetime.now(UTC), (wired.store, wired.twilio_account, wired.twilio_import)
    assert collect(*parts, now=now + timedelta(seconds=30)) == 0
    assert wired.spool.ready() == []
    assert collect(*parts, now=now + LATER) == 1
    assert len(wired.spool.ready()) == 1


def test_a_recording_that_comes_late_is_filed_with_its_call(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings
) -> None:
    document = to_recording(caller)
    caller.ends()
    later = datetime.now(UTC) + LATER
    parts = (wired.store, wired.twilio_account, wired.twilio_import)
    collect(*parts, now=later)
    recording = sid("RE")
    account.keep(recording, caller.call_sid, SPEECH)
    caller.tells_of_recording(document.last, recording)
    collect(*parts, now=later)
    assert [clip.kind for clip in spooled(wired, caller.call_sid).clips] == ["complaint"]


def test_a_recording_that_cannot_be_had_is_asked_for_again_and_again(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings
) -> None:
    document, recording = to_recording(caller), sid("RE")
    speaks(caller, document, recording)
    caller.ends()
    now, parts = datetime.now(UTC), (wired.store, wired.twilio_account, wired.twilio_import)
    account.status = 503
    collect(*parts, now=now)
    collect(*parts, now=now + timedelta(seconds=2))
    assert len(account.fetched()) == 1
    account.status = 200
    account.keep(recording, caller.call_sid, SPEECH)
    collect(*parts, now=now + timedelta(minutes=1))
    assert len(spooled(wired, caller.call_sid).clips) == 1


def test_what_is_no_recording_does_not_come_into_the_spool(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings
) -> None:
    recording = sid("RE")
    account.keep(recording, caller.call_sid, b"<html>please sign in</html>")
    speaks(caller, to_recording(caller), recording)
    collect(wired.store, wired.twilio_account, wired.twilio_import, now=datetime.now(UTC) + LATER)
    with wired.store.read() as db:
        assert "not a recording" in db.get_one(TwilioRecording, recording).error
    assert list(wired.twilio_import.staging.iterdir()) == []


def test_what_twilio_recorded_while_nobody_answered_is_filed_once(
    wired: Wiring, account: FakeRecordings
) -> None:
    call_sid, recording = sid("CA"), sid("RE")
    account.keep(recording, call_sid, SPEECH)
    account.know(call_sid)
    now, since = datetime.now(UTC) + LATER, datetime.now(UTC) - timedelta(days=1)
    parts = (wired.store, wired.twilio_account)
    assert reconcile(*parts, since, wired.twilio_import, now=now) == 1
    call = spooled(wired, call_sid)
    assert (call.mode, call.caller_raw) == ("twilio-fallback", "+6281234567890")
    assert is_valid(call.number or "")
    assert [(clip.kind, clip.take) for clip in call.clips] == [("complaint", 9)]
    assert reconcile(*parts, since, wired.twilio_import, now=now) == 0
    assert len(account.fetched()) == 1


def test_a_recording_whose_callbacks_were_lost_finds_its_clip(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings
) -> None:
    document = caller.follow(to_recording(caller).action, RecordingDuration="10")
    talk, recording = sid("RE"), sid("RE")
    assert document.last.tag == "Gather"
    caller.ends()
    account.keep(recording, caller.call_sid, SPEECH)
    account.keep(talk, caller.call_sid, SPEECH, source="DialVerb")
    now, since = datetime.now(UTC) + LATER, datetime.now(UTC) - timedelta(days=1)
    assert reconcile(wired.store, wired.twilio_account, since, wired.twilio_import, now=now) == 2
    clips = spooled(wired, caller.call_sid).clips
    assert {(clip.kind, clip.take) for clip in clips} == {("complaint", 1), ("talk", 1)}


def test_a_call_that_goes_on_without_us_waits_until_it_is_over(
    wired: Wiring, account: FakeRecordings
) -> None:
    call_sid = sid("CA")
    account.keep(sid("RE"), call_sid, SPEECH)
    account.know(call_sid, "in-progress")
    now, since = datetime.now(UTC), datetime.now(UTC) - timedelta(days=1)
    parts = (wired.store, wired.twilio_account, since, wired.twilio_import)
    assert reconcile(*parts, now=now) == 0
    account.know(call_sid)
    assert reconcile(*parts, now=now) == 1


def test_the_end_of_a_forgotten_call_is_asked_for(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings
) -> None:
    caller.rings()
    account.know(caller.call_sid)
    now, parts = datetime.now(UTC), (wired.store, wired.twilio_courses, wired.twilio_account)
    assert end_forgotten(*parts, now=now) == 0
    assert end_forgotten(*parts, now=now + timedelta(hours=2)) == 1
    assert stored(wired, caller.call_sid).ended_at


# ---------------------------------------------------------------- sounds


def test_prompts_are_public_and_nothing_else_is(client: FlaskClient) -> None:
    answer = client.get("/twilio/prompts/id/thanks.wav")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "audio/wav", SPEECH)
    assert "public" in answer.headers["Cache-Control"]
    assert client.get("/twilio/prompts/en/beep.wav").status_code == 200  # Indonesian without it
    for path in ("id/..%2f..%2fx", "id/no_such_key", "xx/thanks", "id/manifest.json", "id/%00"):
        assert client.get(f"/twilio/prompts/{path}.wav").status_code == 404


def test_a_caller_hears_their_own_clip_and_nobody_guesses_its_address(
    client: FlaskClient, caller: TwilioCaller, account: FakeRecordings
) -> None:
    recording = sid("RE")
    account.keep(recording, caller.call_sid, SPEECH)
    review = speaks(caller, to_recording(caller), recording)
    (url,) = caller.follow(review.action, Digits="2").played()
    path = urlsplit(url).path
    assert client.get(path).data == SPEECH
    assert client.get(path).data == SPEECH
    assert len(account.fetched()) == 1
    assert client.get(path.replace(".wav", "x.wav")).status_code == 404
    assert client.get("/twilio/clips/WyJDQSJd.x.wav").status_code == 404


# ---------------------------------------------------------------- fetched safely


def cdn_of(server: FakeRecordings) -> Any:
    """The provider's other host, as it is reached in these tests."""
    return lambda _host, _port, seconds: HTTPConnection("127.0.0.1", server.port, timeout=seconds)


@pytest.fixture
def cdn() -> Iterator[FakeRecordings]:
    with FakeRecordings() as fake:
        fake.answer = lambda _path: (200, {}, SPEECH)  # type: ignore[method-assign]
        yield fake


def recordings_at(wired: Wiring, cdn: FakeRecordings) -> TwilioRecordings:
    account = wired.config.notices.twilio
    assert account
    hosts = ("*.twiliocdn.com",)
    return TwilioRecordings(account, TOKEN, hosts, open_other=cdn_of(cdn))


def test_the_credentials_go_to_the_api_and_not_to_its_other_hosts(
    wired: Wiring, account: FakeRecordings, cdn: FakeRecordings, tmp_path: Path
) -> None:
    account.elsewhere["RE1"] = "https://media.twiliocdn.com/one?X-Amz-Signature=s"
    recordings_at(wired, cdn).fetch("RE1", tmp_path / "one.wav")
    assert (tmp_path / "one.wav").read_bytes() == SPEECH
    assert account.asked[0][1].startswith("Basic ")
    assert cdn.asked == [("/one", "")]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://media.twiliocdn.com.evil.example/x",
        "http://media.twiliocdn.com/x",
        "https://media.twiliocdn.com:8443/x",
        "https://user@media.twiliocdn.com/x",
        "file:///etc/passwd",
        "//127.0.0.1/x",
        "",
    ],
)
def test_a_redirect_to_anywhere_else_is_not_followed(
    wired: Wiring, account: FakeRecordings, cdn: FakeRecordings, tmp_path: Path, url: str
) -> None:
    account.elsewhere["RE1"] = url
    with pytest.raises(TransportError):
        recordings_at(wired, cdn).fetch("RE1", tmp_path / "one.wav")
    assert cdn.asked == []
    assert list(tmp_path.glob("*one*")) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "0.0.0.0"])
def test_a_name_that_leads_into_a_private_network_is_refused(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def look_up(_host: str, port: int, **_: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port)),
            (family, socket.SOCK_STREAM, 6, "", (address, port)),
        ]

    with pytest.raises(TransportError, match="not a host of the internet"):
        public_address("media.twiliocdn.com", 443, look_up)


def test_a_loopback_name_is_refused_for_real() -> None:
    with pytest.raises(TransportError, match="not a host of the internet"):
        open_public("localhost", 443, 1)


def test_a_file_that_does_not_end_is_cut_and_not_kept(
    account: FakeRecordings, tmp_path: Path
) -> None:
    account.audio["RE1"] = b"x" * 200_000
    small = Downloader(account.url, {}, (), most_bytes=100_000)
    with pytest.raises(TransportError, match="over 100000 bytes"):
        small.fetch(
            f"{account.url}/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1.wav", tmp_path / "x"
        )
    assert list(tmp_path.iterdir()) == []


def test_no_number_and_no_token_stands_in_a_log(
    wired: Wiring, caller: TwilioCaller, account: FakeRecordings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    account.status = 401
    speaks(caller, to_recording(caller), sid("RE"))
    caller.ends()
    collect(wired.store, wired.twilio_account, wired.twilio_import, now=datetime.now(UTC) + LATER)
    written = json.dumps([record.getMessage() for record in caplog.records])
    assert "81234567890" not in written
    assert TOKEN not in written


# ---------------------------------------------------------------- by itself


def test_a_round_of_the_import_brings_everything_home(
    wired: Wiring, account: FakeRecordings
) -> None:
    call_sid = sid("CA")
    account.keep(sid("RE"), call_sid, SPEECH)
    account.know(call_sid)
    now = datetime.now(UTC)
    turn(wired, now, look=False)
    assert wired.spool.ready() == []
    turn(wired, now + LATER, look=True)
    assert [call.mode for call in wired.spool.ready()] == ["twilio-fallback"]


def test_a_round_that_fails_is_logged_without_a_number_and_tried_again(
    wired: Wiring, account: FakeRecordings, caplog: pytest.LogCaptureFixture
) -> None:
    account.status = 503
    turn(wired, datetime.now(UTC), look=True)
    assert "recordings at Twilio: TransportError" in caplog.text
    account.status = 200
    caplog.clear()
    turn(wired, datetime.now(UTC), look=True)
    assert caplog.text == ""


def test_without_calls_through_twilio_nothing_is_imported(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with importing(build(folder)):
        assert "twilio" not in [thread.name for thread in threading.enumerate()]
