"""Photos of officers: hostile until opened, upright, without camera data, on disk whole or not."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from callcenter.services import attachments, photos
from callcenter.services.errors import Refused
from tests.services.conftest import together

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
RED, BLUE = (220, 20, 20), (20, 20, 220)
SECRET = "Kamera Rahasia"


def picture(
    size: tuple[int, int] = (640, 480), kind: str = "JPEG", orientation: int | None = None
) -> bytes:
    """Left half red, right half blue, with everything that a telephone writes beside it."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, size[0], size[1]))
    out = io.BytesIO()
    image.save(out, kind, exif=exif(orientation), quality=90)
    return out.getvalue()


def exif(orientation: int | None = None) -> bytes:
    """Camera, time and place as a telephone writes them."""
    made = Image.Exif()
    made[ExifTags.Base.Make] = SECRET
    made[ExifTags.Base.DateTime] = "2026:03:01 10:30:00"
    if orientation is not None:
        made[ExifTags.Base.Orientation] = orientation
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:03:01 10:29:58"
    place = made.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "S"
    place[ExifTags.GPS.GPSLatitude] = (
        IFDRational(8, 1),
        IFDRational(27, 1),
        IFDRational(1825, 100),
    )
    place[ExifTags.GPS.GPSLongitudeRef] = "E"
    place[ExifTags.GPS.GPSLongitude] = (IFDRational(115, 1), IFDRational(21, 1), IFDRational(0, 1))
    return made.tobytes()


@dataclass(frozen=True)
class Kept:
    """A photo on disk."""

    path: str
    sha256: str
    bytes: int
    exif: dict[str, Any]


def kept(data: bytes, folder: Path, now: datetime) -> Kept:
    """Developed, and put below `folder`."""
    made = photos.developed(data)
    return Kept(attachments.keep(made, folder, now), made.sha256, len(made.data), made.exif)


def stored(folder: Path, photo: Kept) -> Image.Image:
    """The picture as it lies on disk."""
    return Image.open(folder / photo.path)


def files(folder: Path) -> list[Path]:
    """Everything that lies below the folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred kilobytes that wants to become gigabytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\x00" * 50_000_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


# ---------------------------------------------------------------- kept


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_kept_as_a_plain_jpeg_and_what_the_camera_wrote_apart(
    tmp_path: Path, kind: str
) -> None:
    photo = kept(picture(kind=kind), tmp_path, NOW)
    data = (tmp_path / photo.path).read_bytes()
    assert SECRET.encode() not in data
    assert b"Exif" not in data
    with stored(tmp_path, photo) as image:
        assert image.format == "JPEG"
        assert dict(image.getexif()) == {}
        assert image.size == (640, 480)
    assert photo.exif["Make"] == SECRET
    assert photo.exif["DateTimeOriginal"] == "2026:03:01 10:29:58"
    assert photo.exif["GPSLatitude"] == "8.0 27.0 18.25"
    assert (photo.exif["GPSLatitudeRef"], photo.exif["GPSLongitudeRef"]) == ("S", "E")
    assert photo.bytes == len(data)


#: orientation -> (size after turning, where the red half then is)
TURNS = {
    1: ((640, 480), (10, 240)),
    2: ((640, 480), (630, 240)),
    3: ((640, 480), (630, 240)),
    4: ((640, 480), (10, 240)),
    5: ((480, 640), (240, 10)),
    6: ((480, 640), (240, 10)),
    7: ((480, 640), (240, 630)),
    8: ((480, 640), (240, 630)),
}


@pytest.mark.parametrize(("orientation", "expected"), list(TURNS.items()))
def test_a_photo_is_turned_upright(
    tmp_path: Path, orientation: int, expected: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    photo = kept(picture(orientation=orientation), tmp_path, NOW)
    size, red = expected
    with stored(tmp_path, photo) as image:
        assert image.size == size
        found: Any = image.getpixel(red)
        assert found[0] > 150
        assert found[2] < 100


def test_a_large_photo_is_made_small_and_a_small_one_is_left(tmp_path: Path) -> None:
    large = kept(picture((4000, 3000)), tmp_path, NOW)
    small = kept(picture((8, 6)), tmp_path, NOW)
    with stored(tmp_path, large) as image:
        assert image.size == (1600, 1200)
    with stored(tmp_path, small) as image:
        assert image.size == (8, 6)


def test_the_same_photo_twice_is_one_file(tmp_path: Path) -> None:
    first, second = (kept(picture(), tmp_path, NOW) for _ in range(2))
    assert first == second
    assert len(files(tmp_path)) == 1


def test_many_at_once_keep_the_same_photo(tmp_path: Path) -> None:
    """Two officers, or a double tap: neither takes the other's half-written file away."""
    data = picture((1600, 1200))
    for month in range(1, 7):
        now = NOW.replace(month=month)
        came = together(*(lambda n=now: kept(data, tmp_path, n) for _ in range(6)))
        assert len(set(map(repr, came))) == 1, came
    assert len(files(tmp_path)) == 6
    assert all(path.suffix == ".jpg" for path in files(tmp_path))


def test_nothing_is_written_outside_the_folder_and_nobody_else_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    photo = kept(picture(), folder, NOW)
    assert files(tmp_path) == [folder / photo.path]
    assert photo.path == f"photos/2026/03/{photo.sha256}.jpg"
    assert (folder / photo.path).stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_an_error_not_half_a_photo(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("a file where a folder should be")
    with pytest.raises(OSError):
        kept(picture(), tmp_path, NOW)
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "F"])
def test_pictures_of_every_kind_of_colour_are_kept_or_refused(tmp_path: Path, mode: str) -> None:
    kind = {"CMYK": "JPEG", "F": "TIFF"}.get(mode, "PNG")
    image = Image.new(mode if mode != "PA" else "P", (40, 30))
    out = io.BytesIO()
    image.save(out, kind)
    try:
        photo = kept(out.getvalue(), tmp_path, NOW)
    except Refused as refused:
        assert refused.field == "photos"
        assert mode == "F"
    else:
        with stored(tmp_path, photo) as small:
            assert small.mode == "RGB"


# ---------------------------------------------------------------- refused

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "text": b"Jalan sudah ditambal.",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 500,
    "gif": GIF,
    "pdf": b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF",
    "zip": b"PK\x03\x04" + b"\x00" * 100,
    "only a beginning": picture()[:20],
    "half a photo": picture()[: len(picture()) // 2],
    "half a png": picture(kind="PNG")[:300],
    "png without pixels": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IEND", b""),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a picture of 0 by 0": b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x00\x03" + bytes(9),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_photo_is_refused_with_the_field_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused) as refused:
        kept(HOSTILE[name], tmp_path, NOW)
    assert refused.value.field == "photos"
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "size", [(8000, 8000), (20_000, 20_000), (65_000, 65_000), (1, 2**31 - 1), (2**31 - 1, 1)]
)
def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path, size: tuple[int, int]) -> None:
    data = bomb(*size)
    start = time.perf_counter()
    with pytest.raises(Refused) as refused:
        kept(data, tmp_path, NOW)
    assert refused.value.field == "photos"
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(("size", "fine"), [((10_000, 6000), True), ((10_001, 6000), False)])
def test_a_sound_picture_has_an_end_too(tmp_path: Path, size: tuple[int, int], fine: bool) -> None:
    out = io.BytesIO()
    Image.new("L", size).save(out, "JPEG")
    if fine:
        with stored(tmp_path, kept(out.getvalue(), tmp_path, NOW)) as small:
            assert small.size == (1600, 960)
    else:
        with pytest.raises(Refused, match="terlalu besar"):
            kept(out.getvalue(), tmp_path, NOW)


def strange_exif() -> Iterator[tuple[str, bytes]]:
    """Camera data that is broken in its own ways; the picture beside it is sound."""
    head = b"Exif\x00\x00"
    yield "nothing", head
    yield "no tiff", head + b"this is not TIFF at all"
    yield "an endless directory", head + b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\x0f\x01" * 400
    yield "a directory far away", head + b"II*\x00\xff\xff\xff\x7f"
    looped = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x8769, 4, 1, 8)
    yield "a directory in itself", head + looped

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return head + struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, tag, kind, count, value, 0)

    yield "orientation as text", entry(0x0112, 2, 4, 0x41414141)
    yield "orientation 99", entry(0x0112, 3, 1, 99)
    yield "orientation as a fraction", entry(0x0112, 5, 1, 4)
    yield "orientation as many", entry(0x0112, 3, 2, 0x00060006)
    yield "an unknown kind", entry(0x010F, 77, 1, 1)
    yield "a value of 4 GiB", entry(0x010F, 2, 0xFFFFFFFF, 8)
    two = struct.pack("<2sHIH", b"II", 42, 8, 2)
    turned = struct.pack("<HHII", 0x0112, 3, 1, 6)
    for name, other in (
        ("a negative unsigned", struct.pack("<HHII", 0x0100, 9, 1, 0xFFFFFFFF)),
        ("text where a number belongs", struct.pack("<HHI4s", 0x011A, 2, 4, b"ab\x00\x00")),
        ("a fraction of nothing", struct.pack("<HHII", 0x011A, 5, 1, 0)),
        ("place that is no directory", struct.pack("<HHII", 0x8825, 2, 4, 0x41414141)),
        ("place far away", struct.pack("<HHII", 0x8825, 4, 1, 0x7FFFFFFF)),
        ("undefined bytes", struct.pack("<HHI4s", 0x0131, 7, 4, b"\xff\xfe\xfd\xfc")),
    ):
        yield f"turned, with {name}", head + two + turned + other + bytes(4)


@pytest.mark.parametrize(("name", "data"), list(strange_exif()))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_camera_data_is_no_reason_to_refuse_a_photo(
    tmp_path: Path, kind: str, name: str, data: bytes
) -> None:
    image, out = Image.new("RGB", (64, 48), RED), io.BytesIO()
    image.save(out, kind, exif=data)
    photo = kept(out.getvalue(), tmp_path, NOW)
    with stored(tmp_path, photo) as small:
        assert small.size == ((48, 64) if name.startswith("turned") else small.size)
    for value in photo.exif.values():
        assert isinstance(value, str)
        assert len(value) <= 120
        assert value.isprintable()


def test_what_the_camera_wrote_is_short_and_printable(tmp_path: Path) -> None:
    made, out = Image.Exif(), io.BytesIO()
    made[ExifTags.Base.Make] = "\x1b[31m" + "A" * 5000 + "\u202e"
    made[ExifTags.Base.Model] = "B\x00\x00C\r\n"
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=made.tobytes())
    written = kept(out.getvalue(), tmp_path, NOW).exif
    assert len(written["Make"]) <= 120
    assert all(value.isprintable() for value in written.values())


SEEDS = [picture((32, 24), kind, 6) for kind in ("JPEG", "PNG", "WEBP")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.binary(max_size=4)), max_size=8),
    cut=st.floats(0.05, 1),
)
def test_no_damage_whatever_does_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory,
    seed: bytes,
    changes: list[tuple[float, bytes]],
    cut: float,
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}"
    data = bytearray(seed)
    for place, new in changes:
        at = int(place * len(data))
        data[at : at + len(new)] = new
    try:
        photo = kept(bytes(data[: int(cut * len(data))]), folder, NOW)
    except Refused as refused:
        assert refused.field == "photos"
    else:
        assert (folder / photo.path).stat().st_size == photo.bytes
