"""Notices by e-mail, through the regency's own mail server."""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

from callcenter.config.schema import Smtp
from callcenter.gateways.attempt import Attempt, within
from callcenter.gateways.channel import (
    Anothers,
    Arrival,
    Outgoing,
    Receipt,
    TransportError,
    nobodys,
)
from callcenter.gateways.plain import one_line, plain

#: What every mail server takes unquoted; no sign that could end a line or begin an option.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+")
#: The port where TLS begins with the first byte (RFC 8314).
_TLS_PORT = 465
_SIGN_IN_FIRST = 530


class Mail:
    """E-mail; a conversation with the server takes at most `seconds` in all.

    `tls`: how the server's certificate is judged; the system's certificate store by default.
    """

    name = "email"

    def __init__(
        self,
        settings: Smtp,
        password: str | None,
        *,
        seconds: float = 15.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        name, address = parseaddr(settings.sender)
        if not (_ADDRESS.fullmatch(address) and settings.sender.isprintable()):
            raise ValueError("notices.smtp.sender: write an address, or a name and <address>")
        self._from = Address(one_line(name, 120), addr_spec=address)
        self._settings, self._password, self._seconds = settings, password, seconds
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Outgoing) -> Receipt:
        """Hand it to the mail server. TransportError as the protocol says, without addresses."""
        if not _ADDRESS.fullmatch(message.to):
            raise TransportError("not an e-mail address", permanent=True)
        mail = self._written(message)
        data = mail.as_bytes()

        def talk(attempt: Attempt) -> None:
            with self._connected() as server:
                self._sign_in(server)
                self._hand_over(server, attempt, message.to, data)

        within(self._seconds, "the mail server", talk)
        return self.arrival(str(mail["Message-ID"]))

    def find(
        self, message: Outgoing, since: datetime, anothers: Anothers = nobodys
    ) -> Receipt | None:
        """Always None: SMTP cannot be asked. A repeat is harmless: it has the same Message-ID."""
        return None

    def arrival(self, provider_id: str) -> Receipt:
        """A server that took a mail delivers it or writes to the sender: no more is ever known."""
        return Receipt(provider_id, Arrival.DELIVERED)

    # ------------------------------------------------------------ the mail

    def _written(self, message: Outgoing) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["Message-ID"] = self._message_id(message.key)
        mail["Date"] = datetime.now(UTC)
        mail["From"] = self._from
        mail["To"] = Address(one_line(message.name, 120), addr_spec=message.to)
        mail["Subject"] = one_line(message.subject, 200)
        mail["Auto-Submitted"] = "auto-generated"  # holiday answers stay away (RFC 3834)
        mail.set_content(plain(message.text), cte="quoted-printable")
        for file in message.files:
            main, _, sub = file.media_type.partition("/")
            mail.add_attachment(file.data, maintype=main, subtype=sub, filename=file.name)
        return mail

    def _message_id(self, key: str) -> str:
        """The same for every try of a notice, so that mail programs show a repeat once."""
        domain = self._from.domain[-30:].lstrip("-.")
        return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"

    # ------------------------------------------------------------ the conversation

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        server = self._greeted()
        try:
            if self._settings.starttls and not isinstance(server, smtplib.SMTP_SSL):
                server.starttls(context=self._tls)
            yield server
            with suppress(OSError):
                server.putcmd("quit")  # the answer is not waited for: the mail is taken
        except smtplib.SMTPNotSupportedError:
            raise TransportError(
                "the mail server offers no TLS or no sign-in; check notices.smtp.starttls and .port"
            ) from None
        except smtplib.SMTPResponseException as error:
            raise TransportError(f"the mail server: SMTP {error.smtp_code}") from None
        finally:
            server.close()

    def _greeted(self) -> smtplib.SMTP:
        """Our name is the sender's domain: the machine's own may take DNS seconds to find."""
        host, port, name = self._settings.host, self._settings.port, self._from.domain
        if port == _TLS_PORT:
            return smtplib.SMTP_SSL(host, port, name, timeout=self._seconds, context=self._tls)
        return smtplib.SMTP(host, port, name, timeout=self._seconds)

    def _sign_in(self, server: smtplib.SMTP) -> None:
        if self._settings.user is None or self._password is None:
            return
        try:
            server.login(self._settings.user, self._password)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPNotSupportedError):
            raise
        except smtplib.SMTPException:
            raise _account("refuses to sign us in") from None

    def _hand_over(self, server: smtplib.SMTP, attempt: Attempt, to: str, data: bytes) -> None:
        server.ehlo_or_helo_if_needed()
        code, _ = server.mail(self._from.addr_spec)
        if code != 250:
            raise _account(f"refuses our address, notices.smtp.sender (SMTP {code})")
        code, _ = server.rcpt(to)
        if code == _SIGN_IN_FIRST:
            raise _account(f"wants us to sign in (SMTP {code})")
        if code not in (250, 251):
            raise _refused("recipient", code)
        attempt.commit()
        try:
            code, _ = server.data(data)
        except smtplib.SMTPDataError as error:
            code = error.smtp_code
        if code != 250:
            # What is neither a yes nor a no is not SMTP, and nobody knows what became of the mail.
            raise _refused("mail", code, ambiguous=not 400 <= code < 600)


def _account(what: str) -> TransportError:
    """Trouble with us, not with this person: once it is mended, everything still goes out."""
    remedy = "check notices.smtp.user and ADUAN24_SMTP_PASSWORD"
    return TransportError(f"the mail server {what}; {remedy}")


def _refused(what: str, code: int, *, ambiguous: bool = False) -> TransportError:
    """5xx: for good; 4xx: for now."""
    words = f"the mail server refused the {what} (SMTP {code})"
    return TransportError(words, permanent=500 <= code < 600, ambiguous=ambiguous)
