"""Whether something answers SIP: one OPTIONS request and any answer to it (RFC 3261, 11)."""

from __future__ import annotations

import secrets
import socket


def answers(host: str, port: int, seconds: float = 0.3) -> bool:
    """Whether a SIP response with our own call id comes back within `seconds`."""
    call_id = secrets.token_hex(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(seconds)
        try:
            line.connect((host, port))
            line.send(_options(host, port, line.getsockname(), call_id))
            answer = line.recv(4096)
        except OSError:
            return False
    return answer.startswith(b"SIP/2.0 ") and call_id.encode() in answer


def _options(host: str, port: int, own: tuple[str, int], call_id: str) -> bytes:
    lines = (
        f"OPTIONS sip:{host}:{port} SIP/2.0",
        f"Via: SIP/2.0/UDP {own[0]}:{own[1]};branch=z9hG4bK{call_id};rport",
        "Max-Forwards: 1",
        f"From: <sip:probe@{own[0]}>;tag={call_id}",
        f"To: <sip:{host}:{port}>",
        f"Call-ID: {call_id}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:probe@{own[0]}:{own[1]}>",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()
