"""What somebody who means harm puts into a field: one generator for every door.

    for value in hostile(2_000):         # bytes; the same ones for the same seed
        ...

The seed is fixed, or $ADUAN24_SEED; a test prints it. Values are pieces that mean something to
one of the parsers behind a field (AGI, AMI, the dialplan, XML, SQL, a shell, telephone numbers),
put together at random, some of them as long as a field may be.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

SEED = int(os.environ.get("ADUAN24_SEED", "24"))
USUAL = 2_000
MANY = 100_000
LONGEST = 8 * 1024

_ENDS = (b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\0", b"\x1a", b"\x7f", b"\x0b", b"\x85")
_SIGNS = (b'"', b"'", b"\\", b"\\\\", b";", b",", b"|", b"&", b"%", b"<", b">", b"(", b")", b"=")
_AGI = (
    b"200 result=0",
    b"200 result=1 (10000007)",
    b"200 result=-1",
    b"200 result=49 endpos=8000",
    b"200 result=999999999999999999999",
    b"100 result=0 Trying...",
    b"HANGUP",
    b"510 Invalid or unknown command",
    b"511 Command Not Permitted on a dead channel",
    b"520-Invalid command syntax.  Proper usage follows:",
    b"520 End of proper usage.",
    b"SET VARIABLE ADUAN_DONE 1",
    b'EXEC System "touch /tmp/aduan-owned"',
    b"agi_uniqueid: pbx9-1.1",
    b"agi_callerid: 0811",
)
_AMI = (
    b"Action: Originate",
    b"Application: System",
    b"Data: touch /tmp/aduan-owned",
    b"ActionID: a1",
    b"Response: Success",
    b"Response: Error",
    b"Event: Hangup",
    b"Event: CoreShowChannelsComplete",
    b"Uniqueid: pbx1-1764000000.1",
)
_DIALPLAN = (
    b"${SHELL(touch /tmp/aduan-owned)}",
    b"${FILE(/etc/passwd)}",
    b"${ADUAN_NUMBER}",
    b"$[1 / 0]",
    b"${",
    b"}",
    b"^{x}",
    b"same => n,Dial(PJSIP/0900@trunk)",
)
_WEB = (
    b"</Say><Dial>+6290012345</Dial>",
    b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
    b"<script>alert(1)</script>",
    b"{{ 7 * 7 }}",
    b"' OR 1=1 --",
    b"'; DROP TABLE calls; --",
    b"../../../../etc/passwd",
    b"http://169.254.169.254/latest/meta-data",
    b"%0d%0aSet-Cookie: x=1",
    b'=HYPERLINK("http://x")',
    b"`id`",
    b"$(id)",
)
_NUMBERS = (
    b"081234567890",
    b"+6281234567890",
    b"10000007",
    b"-1",
    b"1e9999",
    b"0x10",
    b"9" * 40,
    "\u0661\u0662\u0663\u0664".encode(),  # digits to str.isdecimal
    "\uff11\uff12\uff13".encode(),
    "\u00b2\u00b3".encode(),  # digits to str.isdigit
)
_UNICODE = (
    "\u202e".encode(),  # what follows is shown from right to left
    "\u2028".encode(),  # ends a line for str.splitlines
    "\ufeff".encode(),
    "\u0000".encode(),
    "\U0001f6a8".encode(),
    "\u0130".encode(),
    b"\xff\xfe",
    b"\xc0\xaf",  # an overlong slash
    b"\xed\xa0\x80",  # half a surrogate pair
    b"\xf4\x90\x80\x80",
)
_KINDS = (_ENDS, _ENDS, _SIGNS, _SIGNS, _AGI, _AMI, _DIALPLAN, _WEB, _NUMBERS, _UNICODE)


def hostile(count: int, seed: int = SEED) -> Iterator[bytes]:
    """So many values; none is longer than 8 KiB."""
    chance = random.Random(seed)
    for _ in range(count):
        yield _value(chance)[:LONGEST]


def texts(count: int, seed: int = SEED) -> Iterator[str]:
    """The same as text; what is no UTF-8 is a replacement character."""
    for value in hostile(count, seed):
        yield value.decode("utf-8", errors="replace")


def _value(chance: random.Random) -> bytes:
    if chance.random() < 0.01:
        return _piece(chance) * LONGEST
    pieces = [_piece(chance) for _ in range(chance.choice((1, 1, 2, 2, 3, 5, 9)))]
    if chance.random() < 0.01:
        pieces.insert(chance.randrange(len(pieces) + 1), b"A" * chance.randrange(LONGEST))
    return b"".join(pieces)


def _piece(chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(1, 20))
    return chance.choice(chance.choice(_KINDS))
