"""Strangers at the exchange: what they leave in its logs, whom fail2ban would ban, what listens;
and the way in over TLS, with encrypted sound."""

from __future__ import annotations

import configparser
import re
import secrets
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callcenter.gateways import asterisk_logs
from callcenter.gateways.asterisk import Operator, Tls, Trunk
from callcenter.gateways.asterisk_logs import Logs
from tests.certificates import certificate
from tests.line.asterisk import RunningAsterisk, free_port, reserve, start, until
from tests.line.conftest import block
from tests.line.softphone import Call

ROOT = Path(__file__).resolve().parents[2]
STRANGER = "127.0.0.2"  # no address that the line knows
INNOCENT = "203.0.113.7"
CITIZEN = "081777888999"
WRONG = (
    'Authorization: Digest username="op1", realm="asterisk", nonce="1/abc", '
    'uri="sip:127.0.0.1", response="{}", algorithm=MD5'
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    """An exchange with TLS, where all sound must be encrypted, and one operator's account."""
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *block(20))
    crt, key = certificate(folder)
    running = start(
        folder,
        operators=(Operator("op1", "a-secret-of-op1"),),
        tls=Tls(crt, key, free_port(), srtp="required"),
    )
    yield running
    running.stop()


# ---------------------------------------------------------------- a few lines of SIP


def request(
    method: str, where: str, source: tuple[str, int], *more: str, by: str = "UDP", who: str = "x"
) -> bytes:
    """One request; `who` says to be calling."""
    *headers, body = more if more and "v=0" in more[-1] else (*more, "")
    lines = [
        f"{method} {where} SIP/2.0",
        f"Via: SIP/2.0/{by} {source[0]}:{source[1]};rport;branch=z9hG4bK{secrets.token_hex(6)}",
        f"From: <sip:{who}@127.0.0.1>;tag={secrets.token_hex(4)}",
        f"To: <{where}>",
        f"CSeq: 1 {method}",
        f"Contact: <sip:x@{source[0]}:{source[1]};transport={by.lower()}>",
        "Max-Forwards: 70",
        *([] if any(h.startswith("Call-ID") for h in headers) else [f"Call-ID: {method}-1"]),
        *headers,
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


def tries(line: RunningAsterisk, method: str, *more: str, user: str = "op1", who: str = "x") -> int:
    """A stranger asks for something; the status of the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((STRANGER, 0))
        stranger.settimeout(5)
        where = f"sip:{user}@127.0.0.1:{line.sip_port}"
        stranger.sendto(
            request(method, where, stranger.getsockname(), *more, who=who),
            ("127.0.0.1", line.sip_port),
        )
        return int(stranger.recv(4096).split()[1])


# ---------------------------------------------------------------- who tries to break in


def banned(log: str) -> list[str]:
    """The address of each line that fail2ban's filter matches, in order."""
    read = configparser.ConfigParser(interpolation=None)
    read.read(ROOT / "deploy/fail2ban/aduan24.conf")
    rules = read["Definition"]["failregex"].strip().splitlines()
    host = r"(?:::f{4,6}:)?(?P<host>[\w.:^_-]*\w)"  # what <HOST> stands for
    failures = [re.compile(rule.strip().replace("<HOST>", host)) for rule in rules]
    dated = re.compile(r"^\[[-0-9T:+]+\]")  # fail2ban takes the date out first
    matched = [
        found
        for row in log.splitlines()
        if (found := next(filter(None, (f.search(dated.sub("", row)) for f in failures)), None))
    ]
    return [found["host"] for found in matched]


def security_log(line: RunningAsterisk) -> str:
    return (line.settings.state / "log/security.log").read_text(errors="replace")


def test_each_try_is_a_line_that_bans_the_stranger_and_nobody_else(
    guarded: RunningAsterisk,
) -> None:
    before = len(banned(security_log(guarded)))
    forged = f",RemoteAddress=%22IPV4/UDP/{INNOCENT}/5060%22"
    assert tries(guarded, "REGISTER", user="admin", who="admin") == 401
    assert tries(guarded, "INVITE", user="0900555", who="0812999888") == 401
    assert tries(guarded, "REGISTER", WRONG.format("0" * 32), who="op1") == 401
    assert tries(guarded, "INVITE", user="100", who=f"x%22{forged}") == 401
    assert tries(guarded, "INVITE", user="100", who=f"x%0aSecurityEvent=%22A%22{forged}") == 401
    # Quotes in the Call-ID of a wrong password: not found, and nobody else is banned for it.
    hidden = WRONG.format("1" * 32), f'Call-ID: z",RemoteAddress="IPV4/UDP/{INNOCENT}/5060"'
    assert tries(guarded, "REGISTER", *hidden, who="op1") == 401
    call_id = f'Call-ID: x",RemoteAddress="IPV4/UDP/{INNOCENT}/5060"'
    assert tries(guarded, "INVITE", call_id, user="100", who="y") == 401
    answer = f"0,RemoteAddress=IPV4/UDP/{INNOCENT}/5060"
    assert tries(guarded, "REGISTER", WRONG.format(answer), "Call-ID: wrong-2", who="op1") == 401
    found = until(lambda: (hosts := banned(security_log(guarded))[before:])[6:] and hosts)
    assert found == [STRANGER] * 7


def test_a_citizen_leaves_no_line_in_any_log(guarded: RunningAsterisk) -> None:
    with Call(guarded.sip_port, caller=CITIZEN) as call:
        until(lambda: call.status >= 200)
    assert tries(guarded, "INVITE", user="100", who="0812999777") == 401
    until(lambda: "0812999777" in security_log(guarded))  # so the citizen's would be there, too
    assert CITIZEN not in security_log(guarded) + guarded.log()
    assert "0812999777" not in guarded.log()


def test_logs_are_rotated_and_old_ones_deleted(
    guarded: RunningAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = Logs(guarded.settings, guarded.parts)
    folder = guarded.settings.state / "log"
    now = datetime.now(UTC)
    assert not logs.tidy(now)
    assert logs.tidy(now + timedelta(days=1, minutes=5))  # the security log is a day old
    monkeypatch.setattr(asterisk_logs, "MOST_BYTES", 10)
    for _ in range(5):
        tries(guarded, "REGISTER", user="admin", who="admin")
        until(lambda: "admin" in security_log(guarded))
        assert logs.tidy(now)
    assert len(list(folder.glob("security.log.*"))) == 1
    assert len(list(folder.glob("messages.log.*"))) <= 3


# ---------------------------------------------------------------- what listens


def test_nothing_listens_but_what_is_configured_and_on_loopback(guarded: RunningAsterisk) -> None:
    listing = subprocess.run(["ss", "-Hlntu", "-p"], capture_output=True, text=True, check=True)
    mine = {
        (kind, where)
        for kind, _state, _r, _s, where, *_ in (
            row.split() for row in listing.stdout.splitlines() if f"pid={guarded.pid}," in row
        )
    }
    settings = guarded.settings
    assert settings.tls
    configured = {
        ("udp", f"127.0.0.1:{settings.sip_port}"),
        ("tcp", f"127.0.0.1:{settings.ami_port}"),
        ("tcp", f"127.0.0.1:{settings.tls.port}"),
    }
    assert configured <= mine
    sound = range(settings.rtp_first, settings.rtp_last + 1)
    rest = {(kind, where) for kind, where in mine - configured if port_of(where) not in sound}
    # PJSIP's own DNS client waits for name servers' answers; it speaks no SIP.
    assert {kind for kind, _ in rest} <= {"udp"} and len(rest) <= 2
    for _, where in rest:
        assert not answers_sip(port_of(where))


def port_of(where: str) -> int:
    return int(where.rpartition(":")[2])


def answers_sip(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.settimeout(0.3)
        asking.sendto(
            request("OPTIONS", f"sip:127.0.0.1:{port}", asking.getsockname()), ("127.0.0.1", port)
        )
        try:
            return bool(asking.recv(4096))
        except OSError:
            return False


# ---------------------------------------------------------------- TLS and SRTP


@pytest.fixture
def trusting(guarded: RunningAsterisk) -> ssl.SSLContext:
    """A telephone that looks at the exchange's certificate."""
    assert guarded.settings.tls
    return ssl.create_default_context(cafile=str(guarded.settings.tls.certificate))


def over_tls(line: RunningAsterisk, context: ssl.SSLContext, method: str, *more: str) -> str:
    """What the exchange answers at last."""
    assert line.settings.tls
    port = line.settings.tls.port
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as link,
    ):
        here = link.getsockname()
        where = f"sip:5501000@127.0.0.1:{port};transport=tls"
        link.sendall(request(method, where, here, *more, by="TLS", who="0812"))
        heard = ""
        while not re.search(r"^SIP/2\.0 [2-6]\d\d.*?\r\n\r\n", heard, re.DOTALL | re.MULTILINE):
            heard += link.recv(65536).decode()
        return heard[heard.rindex("SIP/2.0 ") :]


def sdp(*crypto: str, profile: str = "RTP/AVP") -> str:
    lines = [
        *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"),
        *(f"m=audio 40000 {profile} 8", "a=rtpmap:8 PCMA/8000", *crypto, ""),
    ]
    return "\r\n".join(lines)


CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


def test_the_exchange_answers_over_tls_with_its_certificate(
    guarded: RunningAsterisk, trusting: ssl.SSLContext
) -> None:
    assert over_tls(guarded, trusting, "OPTIONS").startswith("SIP/2.0 200 ")


def test_a_telephone_that_does_not_know_the_certificate_hangs_up(guarded: RunningAsterisk) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        over_tls(guarded, ssl.create_default_context(), "OPTIONS")


def test_sound_is_encrypted_or_there_is_no_call(
    guarded: RunningAsterisk, trusting: ssl.SSLContext
) -> None:
    assert over_tls(guarded, trusting, "INVITE", sdp()).startswith("SIP/2.0 488 ")
    answer = over_tls(guarded, trusting, "INVITE", sdp(CRYPTO, profile="RTP/SAVP"))
    assert answer.startswith("SIP/2.0 200 ")
    assert "RTP/SAVP" in answer and "a=crypto:1 AES_CM_128_HMAC_SHA1_80" in answer


class Carrier:
    """A telephone company's exchange that takes TLS: hears one request, and who offered what."""

    def __init__(self, folder: Path) -> None:
        crt, key = certificate(folder, "carrier")
        self.certificate = crt
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(crt, key)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.heard: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(link, server_side=True) as tls:
                    self.heard.append(tls.recv(65536).decode())
            except OSError:
                self.heard.append("")

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@pytest.mark.parametrize("trusted", [True, False])
def test_the_line_registers_over_tls_with_a_carrier_whose_certificate_is_right(
    tmp_path_factory: pytest.TempPathFactory, trusted: bool
) -> None:
    folder = tmp_path_factory.mktemp("trunk")
    carrier = Carrier(folder)
    crt, key = certificate(folder)
    line = start(
        folder,
        tls=Tls(crt, key, free_port(), authorities=carrier.certificate if trusted else crt),
        trunk=Trunk("127.0.0.1", "03665501000", "trunk-secret", carrier.port, "tls"),
        sip_allow=("127.0.0.3",),  # the carrier has this machine's address
    )
    try:
        (first, *_) = until(lambda: carrier.heard)
    finally:
        line.stop()
        carrier.close()
    assert first.startswith("REGISTER sip:127.0.0.1:") is trusted
    assert "trunk-secret" not in first


def test_where_encryption_is_optional_a_plain_telephone_is_answered_too(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("optional")
    reserve(folder / "numbers", *block(5))
    crt, key = certificate(folder)
    line = start(folder, tls=Tls(crt, key, free_port()))
    try:
        trusting = ssl.create_default_context(cafile=str(crt))
        for offer in (sdp(), sdp(CRYPTO), sdp(CRYPTO, profile="RTP/SAVP")):
            assert over_tls(line, trusting, "INVITE", offer).startswith("SIP/2.0 200 ")
        with Call(line.sip_port, caller=CITIZEN) as call:
            assert call.answered.wait(5)
        assert CITIZEN not in security_log(line) + line.log()
    finally:
        line.stop()
