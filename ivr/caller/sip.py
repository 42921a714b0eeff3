"""SIP messages as they travel (RFC 3261): parsed with suspicion, built without surprises.

Everything from the network is hostile until parsed: `parse` gives a `Message` or raises
`BadMessage`, nothing else. `build` refuses a header value that would start another header.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

Address = tuple[str, int]
Headers = Sequence[tuple[str, str]]

_COMPACT: Final = {  # RFC 3261, section 7.3.3
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
    "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding",
}  # fmt: skip
_NEEDED: Final = ("via", "from", "to", "call-id", "cseq")
_LISTS: Final = frozenset({"via", "route", "record-route", "contact"})
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?")
_REQUEST_LINE: Final = re.compile(r"([A-Za-z0-9.!%*_+`'~-]{1,32}) (\S{1,512}) SIP/2\.0")
_CSEQ: Final = re.compile(r"(\d{1,10})\s+([A-Za-z0-9.!%*_+`'~-]{1,32})")
_LIST_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|,|[^",<>]+|.', re.DOTALL)
_USER: Final = re.compile(r"[A-Za-z0-9+*#._~-]{1,64}")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_URI: Final = re.compile(
    r"sips?:(?:([^@;?>\s]{0,128})@)?([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?",
    re.IGNORECASE,
)
_MAX_LINES: Final = 256


class BadMessage(ValueError):
    """What arrived is not a SIP message or not a session description that we understand."""


@dataclass(frozen=True)
class Account:
    """Who we are to a registrar or PBX that asks (401 or 407)."""

    user: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not valid_user(self.user):
            raise ValueError("account user: letters, digits and +*#._-~ only")


@dataclass(frozen=True)
class Target:
    """Whom to call: user part (may be empty), host and port."""

    user: str
    host: str
    port: int

    @property
    def uri(self) -> str:
        where = self.host if self.port == 5060 else f"{self.host}:{self.port}"
        return f"sip:{self.user}@{where}" if self.user else f"sip:{where}"


@dataclass(frozen=True)
class Message:
    """One request (`method`, `uri`) or one response (`status` above 0, `reason`)."""

    method: str
    uri: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]  # names in lower case and long form
    body: bytes

    def get(self, name: str) -> str:
        """The first value of a header, empty if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order; comma-separated lists are split."""
        return [value for key, value in self.headers if key == name]

    @property
    def cseq(self) -> tuple[int, str]:
        number, method = self.get("cseq").split(None, 1)
        return int(number), method.strip().upper()

    @property
    def branch(self) -> str:
        return parameter(self.get("via"), "branch")


def parse_target(text: str) -> Target:
    """`sip:hotline@10.0.0.1:5060`, with or without `sip:`, user and port.

    Raises ValueError with the remedy.
    """
    bare = text.strip().removeprefix("sip:").split(";")[0]
    user, _, where = bare.rpartition("@")
    host, _, port = where.rpartition(":") if re.search(r":\d+$", where) else (where, "", "5060")
    if user and not _USER.fullmatch(user):
        raise ValueError(f"target {text!r}: the part before @ may hold letters, digits and +*#._-")
    if not _HOST.fullmatch(host) or not 0 < int(port) < 65536:
        raise ValueError(f"target {text!r}: write it as sip:NUMBER@HOST:PORT")
    return Target(user, host, int(port))


def valid_user(text: str) -> bool:
    """Whether `text` can stand before the @ of a SIP address as it is."""
    return bool(_USER.fullmatch(text))


def resolve(host: str, port: int) -> Address:
    """The first address of `host`; raises OSError where the name is unknown."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)
    address = found[0][4]
    return str(address[0]), int(address[1])


def parse(data: bytes) -> Message:
    """One datagram. Raises BadMessage; what follows Content-Length is cut off (section 18.3)."""
    head, blank, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        raise BadMessage("no empty line after the headers")
    lines = _unfold(head.decode("utf-8", "replace")).split("\r\n")
    if len(lines) > _MAX_LINES or any(bad in line for line in lines for bad in "\r\n\0"):
        raise BadMessage("too many headers, or a control character in one")
    method, uri, status, reason = _start_line(lines[0])
    headers = tuple(pair for line in lines[1:] for pair in _header(line))
    message = Message(method, uri, status, reason, headers, body)
    _check(message)
    return Message(method, uri, status, reason, headers, body[: _length(message)])


def _unfold(head: str) -> str:
    return re.sub(r"\r\n[ \t]+", " ", head)


def _start_line(line: str) -> tuple[str, str, int, str]:
    if reply := _STATUS_LINE.fullmatch(line):
        return "", "", int(reply[1]), (reply[2] or "").strip()
    if request := _REQUEST_LINE.fullmatch(line):
        return request[1].upper(), request[2], 0, ""
    raise BadMessage("neither a request nor a response")


def _header(line: str) -> list[tuple[str, str]]:
    name, colon, value = line.partition(":")
    name = name.strip().lower()
    if not colon or not name:
        raise BadMessage("a header without a name")
    name = _COMPACT.get(name, name)
    values = _split(value) if name in _LISTS and "," in value else [value]
    return [(name, each.strip()) for each in values]


def _split(value: str) -> list[str]:
    """A list at its commas, but not at those inside quotes or angle brackets."""
    parts = [""]
    for piece in _LIST_PIECE.findall(value):
        if piece == ",":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _check(message: Message) -> None:
    if missing := [name for name in _NEEDED if not message.get(name)]:
        raise BadMessage(f"no {missing[0]} header")
    cseq = _CSEQ.fullmatch(message.get("cseq"))
    if not cseq or int(cseq[1]) >= 2**31:
        raise BadMessage("CSeq is not a number and a method")
    if message.method and message.method != cseq[2].upper():
        raise BadMessage("CSeq names another method")


def _length(message: Message) -> int:
    text = message.get("content-length")
    if not text:
        return len(message.body)
    if not (text.isascii() and text.isdigit() and len(text) < 9) or int(text) > len(message.body):
        raise BadMessage("Content-Length does not fit the datagram")
    return int(text)


def build(start: str, headers: Headers, body: bytes = b"") -> bytes:
    """The datagram; Content-Length is added. Raises ValueError for a value that breaks a line."""
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if any(bad in line for line in lines for bad in "\r\n\0"):
        raise ValueError("a SIP header may not contain a line break")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def parameter(value: str, name: str) -> str:
    """A header parameter such as `tag` or `branch`, empty if absent."""
    outside = value.rpartition(">")[2] if "<" in value else value
    found = re.search(rf";\s*{name}\s*=\s*([^\s;,]+)", outside, re.IGNORECASE)
    return found[1] if found else ""


def uri_of(value: str) -> str:
    """The URI of a name-addr or addr-spec, without the display name and header parameters."""
    quoteless = re.sub(r'^\s*"(?:[^"\\]|\\.)*"', "", value)
    inside = re.search(r"<([^<>\s]{1,512})>", quoteless)
    return inside[1] if inside else quoteless.split(";")[0].strip()


def uri_address(uri: str) -> Address | None:
    """Host and port of a SIP URI, None where it is not one."""
    found = _URI.match(uri)
    if not found or re.search(r"[\s<>\"]", uri):
        return None
    port = int(found[3] or 5060)
    return (found[2].strip("[]"), port) if 0 < port < 65536 else None


def is_ip(host: str) -> bool:
    """Whether `host` is an address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
