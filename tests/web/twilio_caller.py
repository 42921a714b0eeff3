"""Twilio's side of a call, over HTTP: it signs, asks where it was told to, and reads TwiML.

caller = TwilioCaller(wired, client)
document = caller.rings()                    # the call begins
document = caller.follow(document.action, Digits="1")
caller.ends()                                # the status callback
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import yaml
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from callcenter.store.models import Base
from callcenter.web import create_app
from callcenter.wiring import Wiring
from tests.web.conftest import ROOT, Closing, build

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "the-token-of-the-tests"
PUBLIC_URL = "https://aduan.example"
PEOPLE = {"emergency": "+62366112", "operators": "+623665501000"}


def config_text(source: Path, api_url: str = "http://127.0.0.1:9") -> str:
    """config.yaml of the sample, with calls through Twilio; its token is in `twilio.secret`."""
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    config["web"]["public_url"] = PUBLIC_URL
    config["line"]["twilio"] = PEOPLE
    config.setdefault("notices", {})["twilio"] = {
        "account_sid": ACCOUNT,
        "auth_token_file": "twilio.secret",
        "api_url": api_url,
    }
    return yaml.safe_dump(config, allow_unicode=True)


@contextmanager
def deployment(folder: Path, api_url: str = "http://127.0.0.1:9") -> Iterator[Wiring]:
    """An empty one in `folder` that takes calls through Twilio, with the shipped prompts."""
    (folder / "twilio.secret").write_text(TOKEN)
    built = build(folder, config_text(ROOT / "config.yaml", api_url))
    Base.metadata.create_all(built.store.engine)
    (built.config.storage.recordings / "prompts").symlink_to(ROOT / "recordings" / "prompts")
    yield built
    built.store.engine.dispose()


def client_of(wired: Wiring) -> FlaskClient:
    """Who asks its doors."""
    app = create_app(wired)
    app.test_client_class = Closing
    return app.test_client()


@dataclass(frozen=True)
class Document:
    """One TwiML document. `text` is the whole of it."""

    text: str

    @property
    def _root(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.text)  # noqa: S314 - our own answer

    @property
    def verbs(self) -> list[ElementTree.Element]:
        return list(self._root)

    def played(self) -> Iterator[str]:
        """The addresses of all sounds, in order."""
        for play in self._root.iter("Play"):
            yield play.text or ""

    @property
    def last(self) -> ElementTree.Element:
        """The verb that ends the document, but for a redirect after a <Record>."""
        verbs = self.verbs
        return verbs[-2] if verbs[-1].tag == "Redirect" and len(verbs) > 1 else verbs[-1]

    @property
    def action(self) -> str:
        """Where the next event goes."""
        for verb in reversed(self.verbs):
            if verb.get("action"):
                return verb.get("action") or ""
        return self.verbs[-1].text or ""


class TwilioCaller:
    """One call."""

    def __init__(
        self, wired: Wiring, client: FlaskClient, call_sid: str, shown: str = "+6281234567890"
    ) -> None:
        self._client, self.call_sid, self.shown = client, call_sid, shown
        self._validator = RequestValidator(wired.secrets.twilio_auth_token)

    def form(self, **more: str) -> dict[str, str]:
        """What Twilio always sends, and more."""
        return {
            "AccountSid": ACCOUNT,
            "CallSid": self.call_sid,
            "From": self.shown,
            "To": "+623665501000",
            "CallStatus": "in-progress",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            **more,
        }

    def post(self, url: str, form: dict[str, str], **headers: str) -> TestResponse:
        """A signed request to an absolute address of ours."""
        assert url.startswith(PUBLIC_URL), url
        signature = self._validator.compute_signature(url, form)
        parts = urlsplit(url)
        return self._client.post(
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            data=form,
            headers={"X-Twilio-Signature": signature, **headers},
        )

    def rings(self) -> Document:
        """The call comes in."""
        return self.follow(f"{PUBLIC_URL}/twilio/voice", CallStatus="ringing")

    def follow(self, url: str, **more: str) -> Document:
        """One event -> the next document."""
        answer = self.post(url, self.form(**more))
        assert answer.status_code == 200, answer.text
        return Document(answer.text)

    def ends(self, status: str = "completed") -> None:
        """The status callback."""
        form = self.form(CallStatus=status)
        assert self.post(f"{PUBLIC_URL}/twilio/status", form).status_code == 204

    def tells_of_recording(self, verb: ElementTree.Element, sid: str) -> TestResponse:
        """The callback of a recording that a verb asked for."""
        url = verb.get("recordingStatusCallback") or ""
        return self.post(url, self.form(RecordingSid=sid, RecordingStatus="completed"))
