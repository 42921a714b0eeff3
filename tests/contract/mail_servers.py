"""Mail servers for tests: a real one that keeps what it takes, and one that follows a script."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody holds now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class MailServer:
    """A real server (aiosmtpd). `answers`: a command and what is said to it instead of "yes".

    `login`: the user and password that it demands; `tls`: its certificate, for STARTTLS, or with
    `tls_first` from the first byte.
    """

    answers: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    tls_first: bool = False
    envelopes: list[Envelope] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.port = free_port()
        # Only where asked for: aiosmtpd warns about a sign-in that could be overheard.
        demands: dict[str, Any] = {}
        if self.login:
            demands = {"auth_required": True, "authenticator": self._signs_in}
        starttls = None if self.tls_first else self.tls
        self._controller = Controller(
            self,
            hostname=HOST,
            port=self.port,
            ssl_context=self.tls if self.tls_first else None,
            tls_context=starttls,
            require_starttls=starttls is not None,
            **demands,
        )
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def mails(self) -> list[EmailMessage]:
        """What was taken, oldest first."""
        raw = [envelope.original_content or b"" for envelope in self.envelopes]
        return [message_from_bytes(one, policy=default) for one in raw]

    def _signs_in(self, *asked: Any) -> AuthResult:
        *_, given = asked
        user, password = self.login or ("", "")
        good = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=given == good, handled=False)

    async def handle_MAIL(  # noqa: N802 (the names and shapes are aiosmtpd's)
        self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Envelope
    ) -> str:
        if "DATA" not in self.answers:
            self.envelopes.append(envelope)
        return self.answers.get("DATA", "250 OK")


class ScriptedServer:
    """Greets, says yes to every command, and ends or falls silent where the script says so.

    `at`: "greeting", a command such as "RCPT", or "." for the end of the mail; `then`: what is
    said there, or None to close the connection, or "" to say nothing more.
    """

    def __init__(self, at: str, then: str | None) -> None:
        self._at, self._then = at, then
        self._stopped = threading.Event()
        self._listening = socket.create_server((HOST, 0))
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        try:
            while True:
                wire, _ = self._listening.accept()
                with wire, wire.makefile("rb") as lines:
                    self._converse(wire, lines)
        except OSError:
            return

    def _converse(self, wire: socket.socket, lines: Any) -> None:
        if not self._say(wire, "greeting", "220 ready"):
            return
        in_mail = False
        for raw in lines:
            line = raw.decode().rstrip()
            if in_mail and line != ".":
                continue
            command = line.partition(" ")[0].upper()
            in_mail = command == "DATA"
            if not self._say(wire, command, "354 go on" if in_mail else "250 OK"):
                return

    def _say(self, wire: socket.socket, at: str, usual: str) -> bool:
        words = self._then if at == self._at else usual
        if words == "":
            self._stopped.wait(30)
        elif words is not None:
            wire.sendall(f"{words}\r\n".encode())
        return bool(words)
