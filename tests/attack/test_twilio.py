"""Hostile parameters in requests that Twilio has signed: no server error, no call to anybody else.

The signature says that Twilio passes the words on, not that they are Twilio's: the caller's number
and name, keys and addresses come from whoever phones.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from callcenter.wiring import Wiring
from tests.attack.hostile import SEED, hostile
from tests.web.twilio_caller import PEOPLE, PUBLIC_URL, TwilioCaller, client_of, deployment

FIELDS = (
    "From",
    "To",
    "CallStatus",
    "Digits",
    "FinishedOnKey",
    "RecordingUrl",
    "RecordingSid",
    "RecordingDuration",
    "RecordingStatus",
    "DialCallStatus",
    "DialCallDuration",
    "QueueResult",
    "SpeechResult",
    "Caller",
    "CallerName",
    "ForwardedFrom",
    "CallSid",
)
VERBS = {"Response", "Play", "Gather", "Record", "Dial", "Number", "Redirect", "Hangup", "Pause"}
ANSWERS = {200, 204, 400, 403, 413}
_calls = count(1)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wiring]:
    with deployment(tmp_path) as built:
        yield built


@pytest.fixture
def client(wired: Wiring) -> FlaskClient:
    return client_of(wired)


class Attacker:
    """Calls again and again; each request carries four hostile fields, some a hostile address."""

    def __init__(self, wired: Wiring, client: FlaskClient, values: Iterator[bytes]) -> None:
        self.wired, self.client, self.values = wired, client, values
        self.chance = random.Random(SEED)
        self.counts: Counter[str] = Counter()
        self._next_call()

    def _next_call(self) -> None:
        self.caller = TwilioCaller(self.wired, self.client, f"CA{next(_calls):032x}")
        self.url, self.steps = f"{PUBLIC_URL}/twilio/voice", 0

    def _text(self) -> str:
        return next(self.values, b"").decode("utf-8", errors="replace")

    def request(self) -> None:
        """One request; goes on with the call where the answer says."""
        form = self.caller.form(Digits=self.chance.choice("1120*"), RecordingDuration="5")
        form |= {name: self._text() for name in self.chance.sample(FIELDS, 4)}
        if self.chance.random() < 0.9:
            form["CallSid"] = self.caller.call_sid
        answer = self.caller.post(self._address(), form)
        self.counts[str(answer.status_code)] += 1
        assert answer.status_code in ANSWERS, (answer.status_code, form)
        self.steps += 1
        if answer.status_code != 200 or self.steps > 40 or not self._follow(answer.text):
            self._next_call()

    def _address(self) -> str:
        chance = self.chance.random()
        if chance < 0.1:
            name = self.chance.choice(("step", "again", "clip", "x"))
            return f"{self.url.split('?')[0]}?{name}={quote(self._text()[:1000], safe='')}"
        if chance < 0.15:
            return f"{PUBLIC_URL}/twilio/{self.chance.choice(('status', 'recording?clip=name-1'))}"
        return self.url

    def _follow(self, text: str) -> bool:
        """Whether the document goes on; it says nothing but what ours say."""
        root = ElementTree.fromstring(text)  # noqa: S314 - our own answer
        for verb in root.iter():
            self.counts[verb.tag] += 1
            assert verb.tag in VERBS, text
            for value in verb.attrib.values():
                assert "://" not in value or value.startswith(f"{PUBLIC_URL}/twilio/"), text
            if verb.tag in {"Play", "Redirect"}:
                assert (verb.text or "").startswith(f"{PUBLIC_URL}/twilio/"), text
            if verb.tag == "Number" or (verb.tag == "Dial" and (verb.text or "").strip()):
                assert verb.text in PEOPLE.values(), text
        actions = [verb.get("action") or "" for verb in root if verb.get("action")]
        redirects = [verb.text or "" for verb in root if verb.tag == "Redirect"]
        self.url = next(iter([*actions, *redirects]), "")
        return bool(self.url)


def test_signed_and_hostile_is_no_error_and_calls_nobody_else(
    wired: Wiring, client: FlaskClient, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    attacker = Attacker(wired, client, Counting(hostile(size)))
    values = attacker.values
    assert isinstance(values, Counting)
    while values.taken < size:
        attacker.request()
    print(dict(attacker.counts))
    assert not [record for record in caplog.records if record.exc_info]
    assert attacker.counts["Record"] > 0 and attacker.counts["Dial"] > 0
    courses = wired.twilio_courses
    calls = [call for sid in courses.call_sids() if (call := courses.read(sid))]
    assert calls and all((call.caller + call.called).isprintable() for call in calls)


class Counting(Iterator[bytes]):
    """Values, and how many were taken."""

    def __init__(self, values: Iterator[bytes]) -> None:
        self._values, self.taken = values, 0

    def __next__(self) -> bytes:
        self.taken += 1
        return next(self._values)
