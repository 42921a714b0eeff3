"""What we offer and what the line answers about the media (RFC 8866, RFC 3264, RFC 4733)."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ivr.caller.g711 import PAYLOAD_TYPES, Law
from ivr.caller.sip import Address, BadMessage

DTMF_TYPE: Final = 101
_MEDIA: Final = re.compile(r"audio (\d{1,5})(?:/\d+)? (RTP/AVPF?)((?: \d{1,3}){1,64})")
_RTPMAP: Final = re.compile(r"rtpmap:(\d{1,3}) ([A-Za-z0-9-]{1,32})/(\d{1,6})(?:/1)?")
_CONNECTION: Final = re.compile(r"IN IP[46] ([0-9A-Fa-f:.]{3,45})(?:/\d+)*")


@dataclass(frozen=True)
class Media:
    """Where to send the audio and in which form; `dtmf` None: no telephone-event (RFC 4733)."""

    address: Address
    law: Law
    payload_type: int
    dtmf: int | None


def offer(host: str, port: int, session: int) -> bytes:
    """A-law first (it is what the network here speaks), mu-law, keys as telephone-events."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {session} {session} IN {family} {host}",
        "s=call",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 8 0 {DTMF_TYPE}",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        f"a=rtpmap:{DTMF_TYPE} telephone-event/8000",
        f"a=fmtp:{DTMF_TYPE} 0-16",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


def read_answer(body: bytes) -> Media:
    """The media of an SDP body. Raises BadMessage where there is no G.711 to be had."""
    lines = [line.strip() for line in body.decode("utf-8", "replace").splitlines()]
    session, section = _audio_section(lines)
    media = _MEDIA.fullmatch(section[0][2:])
    if not media or not 0 < int(media[1]) < 65536:
        raise BadMessage("the line refused the audio stream")
    host = _connection(section) or _connection(session)
    if not host:
        raise BadMessage("no address for the audio")
    types = [int(each) for each in media[3].split()]
    law_type = next((each for each in types if each in PAYLOAD_TYPES), None)
    if law_type is None:
        raise BadMessage("the line chose neither PCMA nor PCMU")
    dtmf = _dtmf_type(section, types)
    return Media((host, int(media[1])), PAYLOAD_TYPES[law_type], law_type, dtmf)


def _audio_section(lines: list[str]) -> tuple[list[str], list[str]]:
    starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
    for start, end in pairwise([*starts, len(lines)]):
        if lines[start].startswith("m=audio "):
            return lines[: starts[0]], lines[start:end]
    raise BadMessage("no audio in the session description")


def _connection(lines: list[str]) -> str:
    for line in lines:
        if line.startswith("c=") and (found := _CONNECTION.fullmatch(line[2:])):
            return found[1]
    return ""


def _dtmf_type(section: list[str], types: list[int]) -> int | None:
    for line in section:
        found = _RTPMAP.fullmatch(line[2:]) if line.startswith("a=") else None
        if found and found[2].lower() == "telephone-event" and int(found[3]) == 8000:
            number = int(found[1])
            return number if number in types and number < 128 else None
    return None
