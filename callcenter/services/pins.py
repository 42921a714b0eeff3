"""PINs of complaints: four digits that follow from the public number and the one secret here.

They need no storage and can be given out while the database is away. The exchange's own are a
file, `pins.txt` beside `numbers.txt`, five bytes each, in the same order. Whoever has the secret
has every PIN; whoever changes it makes those that citizens wrote down worthless.
"""

from __future__ import annotations

import fcntl
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path

from ivr.numbers import is_valid

DIGITS = 4
_NUMBER_LINE = 9  # bytes of a line of numbers.txt: eight digits and a line feed
_LINE = DIGITS + 1
_NO_PIN = b"----\n"  # beside a line that nobody may give out
_PURPOSE = b"aduan24 pin of a complaint 1\0"  # the secret signs other things too

_OFFICER = b"aduan24 pin of an officer 1\0"


def pin_of(number: str, secret: str) -> str:
    """The PIN of a public number. Raises ValueError for anything else, and without a secret."""
    if not (is_valid(number) and secret):
        raise ValueError("a PIN needs a public number and the installation's secret")
    digest = hmac.digest(secret.encode(), _PURPOSE + number.encode("ascii"), "sha256")
    return f"{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}}"


def officer_pin(person_key: str, secret: str) -> str:
    """The PIN by which an officer is known when the line calls. Raises ValueError without a
    secret."""
    if not (person_key and secret):
        raise ValueError("a PIN needs a person and the installation's secret")
    digest = hmac.digest(secret.encode(), _OFFICER + person_key.encode(), "sha256")
    return f"{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}}"


def matches(pin: str, number: str, secret: str) -> bool:
    """Whether this is the number's PIN; takes as long for a wrong one."""
    return hmac.compare_digest(pin.encode(), pin_of(number, secret).encode())


def write_pins(folder: Path, secret: str) -> int:
    """Bring `pins.txt` to what `numbers.txt` in this folder holds; how many lines it has then.

    Only appends, unless lines of numbers.txt were replaced (those that nobody had been given).
    Harmless to repeat after a crash at any point. Raises OSError.
    """
    wanted = _pins(folder / "numbers.txt", secret)
    with _opened(folder / "pins.txt") as file:
        there = os.pread(file, os.fstat(file).st_size, 0)
        kept = _agreeing(there, wanted)
        if kept < len(there):
            os.ftruncate(file, kept)
        _append(file, wanted[kept:])
    return len(wanted) // _LINE


def short(folder: Path) -> bool:
    """Whether numbers were added since the last `write_pins`: the sizes of two files."""
    return _size(folder / "numbers.txt") // _NUMBER_LINE != _size(folder / "pins.txt") / _LINE


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _pins(numbers: Path, secret: str) -> bytes:
    try:
        content = numbers.read_bytes()
    except FileNotFoundError:
        return b""
    whole = range(0, len(content) - _NUMBER_LINE + 1, _NUMBER_LINE)
    return b"".join(_pin(content[at : at + _NUMBER_LINE], secret) for at in whole)


def _pin(line: bytes, secret: str) -> bytes:
    number = line[:-1].decode("ascii", errors="replace")
    if not (line.endswith(b"\n") and is_valid(number)):
        return _NO_PIN
    return f"{pin_of(number, secret)}\n".encode()


def _agreeing(there: bytes, wanted: bytes) -> int:
    """How many bytes of the file are right, in whole lines."""
    both = min(len(there), len(wanted))
    whole = range(0, both - both % _LINE, _LINE)
    differs = (at for at in whole if there[at : at + _LINE] != wanted[at : at + _LINE])
    return next(differs, whole.stop)


def _append(file: int, data: bytes) -> None:
    """In one write, and on disk; what a full disk cuts short is mended by the next run."""
    if data and os.write(file, data) != len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    os.fsync(file)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file for reading and appending, ours alone until the end of the block."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)
