"""Photos of officers: read with suspicion, made plain pictures without camera data.

What the camera wrote (place, time, model) is kept for the record, apart from the picture.
Decoding takes up to a second: it belongs before a transaction, never into one.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from typing import Any

from PIL import ExifTags, Image

from callcenter.services.attachments import Material
from callcenter.services.errors import Refused

_FORMATS = ("JPEG", "PNG", "WEBP")
_MOST_PIXELS = 60_000_000  # a telephone makes 12 to 50 million
_LONGEST_SIDE = 1600
_QUALITY = 82
_LONGEST_VALUE = 120
#: What the camera's orientation asks for (EXIF 2.3, tag 274). Turned here and not by the library,
#: which rewrites the camera data on the way and fails where that is broken.
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UNREADABLE = "Foto tidak dapat dibaca; kirim sebagai JPEG, PNG, atau WebP."


def developed(data: bytes) -> Material:
    """A plain JPEG of `data`, with what the camera wrote beside it.

    Raises Refused for what is no picture, or one too large to open.
    """
    picture, exif = _opened(data)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    plain = out.getvalue()
    digest = hashlib.sha256(plain).hexdigest()
    return Material(plain, digest, "photos", "jpg", "image/jpeg", exif)


def _opened(data: bytes) -> tuple[Image.Image, dict[str, Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a strange picture is no reason to write a warning
            with Image.open(io.BytesIO(data), formats=_FORMATS) as found:
                if found.width * found.height > _MOST_PIXELS:
                    raise Refused("photos", "Foto terlalu besar; kirim dengan ukuran lebih kecil.")
                exif, turn = _told(found), _TURNS.get(_orientation(found))
                found.draft("RGB", (2 * _LONGEST_SIDE, 2 * _LONGEST_SIDE))  # a JPEG opens smaller
                small = found.convert("RGB")
    except Refused:
        raise
    except Exception:  # a hostile file may fail in any way inside the decoder
        raise Refused("photos", _UNREADABLE) from None
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    upright = small if turn is None else small.transpose(turn)
    # A fresh picture: nothing of the file's own information goes along.
    plain = Image.new("RGB", upright.size)
    plain.paste(upright)
    return plain, exif


def _orientation(picture: Image.Image) -> object:
    """How the camera was held, 1 to 8; 1 where the camera data is broken."""
    try:
        return picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # as above
        return 1


def _told(picture: Image.Image) -> dict[str, Any]:
    """Camera, time and place as short text; unreadable EXIF is no reason to refuse a photo."""
    try:
        exif = picture.getexif()
        tags = {ExifTags.TAGS.get(k, str(k)): v for k, v in exif.items()}
        detail = {ExifTags.TAGS.get(k, str(k)): v for k, v in exif.get_ifd(0x8769).items()}
        place = {ExifTags.GPSTAGS.get(k, str(k)): v for k, v in exif.get_ifd(0x8825).items()}
    except Exception:  # as above
        return {}
    wanted = {
        **{k: tags.get(k) for k in ("Make", "Model", "DateTime")},
        **{k: detail.get(k) for k in ("DateTimeOriginal", "OffsetTimeOriginal")},
        **{k: place.get(k) for k in ("GPSLatitudeRef", "GPSLatitude")},
        **{k: place.get(k) for k in ("GPSLongitudeRef", "GPSLongitude", "GPSDateStamp")},
    }
    return {key: _short(value) for key, value in wanted.items() if value is not None}


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_short(part) for part in value)[:_LONGEST_VALUE]
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return "".join(c for c in text if c.isprintable())[:_LONGEST_VALUE]
