"""Every channel with its other end: what was sent, as the person would see it."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.config.schema import Smtp
from callcenter.gateways.channel import Channel, Outgoing
from callcenter.gateways.screen import Screen
from callcenter.gateways.smtp import Mail
from callcenter.gateways.twilio import TwilioMessages
from tests.contract.fake_twilio import FakeTwilio
from tests.contract.mail_servers import HOST, MailServer

LINK = "https://aduan.example.go.id/p/MTI.a1b2c3"
PHONE = "+6281234567890"
MAIL = "kadek@dinas.example.go.id"


def notice(**changes: str) -> Outgoing:
    """A usual notice, with these fields changed."""
    usual = {
        "key": "notice:17:dispatch:kadek",
        "to": PHONE,
        "name": "Kadek Suardana",
        "subject": "Aduan baru 12 34 56 78",
        "text": f"Ada aduan baru: jalan rusak di Kintamani.\n{LINK}",
    }
    return Outgoing(**{**usual, **changes})


@dataclass(frozen=True, slots=True)
class Rig:
    """A channel, an address on it, and the texts that arrived so far."""

    channel: Channel
    to: str
    arrived: Callable[[], list[str]]
    repeats_harmlessly: bool

    def send(self, **changes: str) -> tuple[Outgoing, str]:
        """Send a notice; it and its id at the provider."""
        message = notice(to=self.to, **changes)
        return message, self.channel.send(message).provider_id


def smtp(port: int, **changes: object) -> Smtp:
    """The section `smtp` of a configuration for a server of the tests."""
    usual: dict[str, object] = {"sender": "Aduan Bangli <aduan@bangli.example.go.id>"}
    return Smtp.model_validate({**usual, "starttls": False, **changes, "host": HOST, "port": port})


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio(page_size=3) as fake:
        yield fake


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture(params=["screen", "whatsapp", "sms", "email"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each channel in turn."""
    name = request.param
    if name == "screen":
        return _screen(request.getfixturevalue("capsys"))
    if name == "email":
        server: MailServer = request.getfixturevalue("server")
        channel = Mail(smtp(server.port), None)
        return Rig(channel, MAIL, lambda: _contents(server), True)
    fake: FakeTwilio = request.getfixturevalue("twilio")
    messages = TwilioMessages(name, fake.settings(), fake.auth_token)
    return Rig(messages, PHONE, lambda: [made["body"] for made in fake.accepted], False)


def _contents(server: MailServer) -> list[str]:
    return [mail.get_content().replace("\r\n", "\n") for mail in server.mails]


def _screen(capsys: pytest.CaptureFixture[str]) -> Rig:
    shown: list[str] = []

    def arrived() -> list[str]:
        if block := capsys.readouterr().out:
            shown.append(block)
        return shown

    return Rig(Screen(), "layar", arrived, True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has vouched for, with its key in the same file."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    more = ["-subj", "/CN=mail", "-addext", f"subjectAltName=IP:{HOST}"]
    files = ["-keyout", str(file), "-out", str(file)]
    subprocess.run([*command.split(), *more, *files], check=True, capture_output=True)
    return file


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
