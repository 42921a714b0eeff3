"""Mail as it really fails, and that a header is never more than a header."""

from __future__ import annotations

import ssl
import traceback
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from callcenter.gateways import smtp as gateway
from callcenter.gateways.channel import Arrival, Enclosure, TransportError
from callcenter.gateways.smtp import Mail
from tests.contract.conftest import MAIL, notice, smtp
from tests.contract.mail_servers import MailServer, ScriptedServer

SHORT = 0.4
#: Enough to come as far as the mail itself, on a busy machine too.
ENOUGH = 1.5
PASSWORD = "s3cret-of-the-mail"


def failure(channel: Mail) -> TransportError:
    with pytest.raises(TransportError) as caught:
        channel.send(notice(to=MAIL))
    told = "".join([*traceback.format_exception(caught.value), repr(caught.value.args)])
    assert MAIL not in told
    assert PASSWORD not in told
    return caught.value


def kind(error: TransportError) -> str:
    words = [word for word in ("permanent", "ambiguous") if getattr(error, word)]
    return " ".join(words) or "transient"


def test_a_mail_is_complete_and_says_that_a_machine_wrote_it(server: MailServer) -> None:
    receipt = Mail(smtp(server.port), None).send(notice(to=MAIL))
    (mail,), (envelope,) = server.mails, server.envelopes
    assert envelope.mail_from == "aduan@bangli.example.go.id"
    assert envelope.rcpt_tos == [MAIL]
    assert mail["From"] == "Aduan Bangli <aduan@bangli.example.go.id>"
    assert mail["To"] == f"Kadek Suardana <{MAIL}>"
    assert mail["Subject"] == "Aduan baru 12 34 56 78"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Message-ID"] == receipt.provider_id
    assert mail.get_content_charset() == "utf-8"
    assert receipt.arrival is Arrival.DELIVERED


def test_a_paper_is_attached_whole_and_the_text_stays_what_it_was(server: MailServer) -> None:
    paper = Enclosure("laporan-10000012-pupr.pdf", "application/pdf", bytes(range(256)) * 400)
    message = replace(notice(to=MAIL), files=(paper,))
    Mail(smtp(server.port), None).send(message)
    (mail,) = server.mails
    text, attached = mail.iter_parts()
    assert message.text in text.get_content().replace("\r\n", "\n")
    assert attached.get_filename() == paper.name
    assert attached.get_content_type() == "application/pdf"
    assert attached.is_attachment()
    assert attached.get_content() == paper.data


def test_a_repeat_has_the_same_message_id_and_another_notice_another(server: MailServer) -> None:
    channel = Mail(smtp(server.port), None)
    for key in ("a", "a", "b"):
        channel.send(notice(to=MAIL, key=key))
    first, second, third = (mail["Message-ID"] for mail in server.mails)
    assert first == second != third


def test_the_id_is_short_and_unbroken_with_a_long_domain(server: MailServer) -> None:
    sender = "aduan@" + "bagian." * 20 + "bangli.go.id"
    receipt = Mail(smtp(server.port, sender=sender), None).send(notice(to=MAIL))
    content = server.envelopes[0].original_content or b""
    assert f"Message-ID: {receipt.provider_id}\r\n".encode() in content
    assert len(receipt.provider_id) <= 80


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x85", "\0"])
def test_no_text_becomes_a_header_or_a_recipient(server: MailServer, end: str) -> None:
    evil = f"x{end}Bcc: lain@example.com{end}{end}badan"
    Mail(smtp(server.port), None).send(notice(to=MAIL, name=evil, subject=evil, text=evil))
    (mail,), (envelope,) = server.mails, server.envelopes
    assert envelope.rcpt_tos == [MAIL]
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["To"].addresses] == [MAIL]
    expected = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version"}
    mime = {"content-type", "content-transfer-encoding"}
    added_by_server = {"x-peer", "x-mailfrom", "x-rcptto"}
    assert {name.lower() for name in mail} - added_by_server == expected | mime


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("MAIL", "550 5.7.1 not you", "transient"),
        ("MAIL", "451 later", "transient"),
        ("RCPT", f"550 5.1.1 <{MAIL}> unknown", "permanent"),
        ("RCPT", "553 no such mailbox", "permanent"),
        ("RCPT", "530 5.7.0 sign in first", "transient"),
        ("RCPT", "450 4.2.1 greylisted", "transient"),
        ("RCPT", "421 closing", "transient"),
        ("DATA", f"554 5.6.0 not from you to {MAIL}", "permanent"),
        ("DATA", "452 4.3.1 disk full", "transient"),
    ],
)
def test_a_refusal_is_judged_by_its_code(command: str, answer: str, expected: str) -> None:
    with MailServer(answers={command: answer}) as server:
        error = failure(Mail(smtp(server.port), None))
    assert kind(error) == expected
    assert answer[:3] in str(error)


@pytest.mark.parametrize("then", [None, ""])
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("greeting", "transient"),
        ("EHLO", "transient"),
        ("MAIL", "transient"),
        ("RCPT", "transient"),
        ("DATA", "ambiguous"),
        (".", "ambiguous"),
    ],
)
def test_silence_and_a_lost_connection_are_ambiguous_only_from_data_on(
    at: str, then: str | None, expected: str
) -> None:
    patience = 15.0 if then is None else ENOUGH if expected == "ambiguous" else SHORT
    with ScriptedServer(at, then) as server:
        assert kind(failure(Mail(smtp(server.port), None, seconds=patience))) == expected


@pytest.mark.parametrize(
    ("at", "then", "expected"),
    [
        ("greeting", "554 go away", "transient"),
        ("greeting", "HTTP/1.1 400 Bad Request", "transient"),
        ("EHLO", "500 what", ""),  # an old server: HELO does
        (".", "Klingon", "ambiguous"),
        (".", "250 OK", ""),
    ],
)
def test_what_is_not_smtp_is_not_believed(at: str, then: str, expected: str) -> None:
    with ScriptedServer(at, then) as server:
        channel = Mail(smtp(server.port), None)
        if expected:
            assert kind(failure(channel)) == expected
        else:
            channel.send(notice(to=MAIL))


class TestSignIn:
    SETTINGS: ClassVar[dict[str, object]] = {"user": "aduan", "starttls": True}

    @pytest.fixture
    def trusting(self, certificate: Path) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(certificate))

    def test_over_tls(self, server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
        with MailServer(tls=server_tls, login=("aduan", PASSWORD)) as server:
            Mail(smtp(server.port, **self.SETTINGS), PASSWORD, tls=trusting).send(notice(to=MAIL))
        assert len(server.envelopes) == 1

    def test_over_tls_from_the_first_byte(
        self,
        server_tls: ssl.SSLContext,
        trusting: ssl.SSLContext,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with MailServer(tls=server_tls, tls_first=True) as server:
            monkeypatch.setattr(gateway, "_TLS_PORT", server.port)
            Mail(smtp(server.port, starttls=True), None, tls=trusting).send(notice(to=MAIL))
        assert len(server.envelopes) == 1

    def test_a_wrong_password_names_the_remedy(
        self, server_tls: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        with MailServer(tls=server_tls, login=("aduan", "other")) as server:
            error = failure(Mail(smtp(server.port, **self.SETTINGS), PASSWORD, tls=trusting))
        assert kind(error) == "transient"
        assert "ADUAN24_SMTP_PASSWORD" in str(error)

    def test_a_certificate_that_nobody_vouches_for_gets_no_password(
        self, server_tls: ssl.SSLContext
    ) -> None:
        with MailServer(tls=server_tls, login=("aduan", PASSWORD)) as server:
            error = failure(Mail(smtp(server.port, **self.SETTINGS), PASSWORD))
        assert kind(error) == "transient"
        assert "certificate" in str(error)
        assert server.envelopes == []

    def test_a_server_without_tls_gets_no_password(self, server: MailServer) -> None:
        error = failure(Mail(smtp(server.port, **self.SETTINGS), PASSWORD))
        assert kind(error) == "transient"
        assert "notices.smtp.starttls" in str(error)
        assert server.envelopes == []


@pytest.mark.parametrize("sender", ["", "aduan", "a@b\r\nBcc: c@d", "a b@c", "<>"])
def test_a_sender_that_is_no_address_is_a_mistake_at_once(sender: str) -> None:
    with pytest.raises(ValueError, match=r"notices\.smtp\.sender"):
        Mail(smtp(1, sender=sender), None)
