"""What a camera wrote beside a photo, read again: when and where it was taken."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Taken:
    """When (aware) and where (degrees north, degrees east); None where the camera did not say."""

    at: datetime | None = None
    place: tuple[float, float] | None = None


def taken(exif: Mapping[str, object], zone: ZoneInfo) -> Taken:
    """The short texts that `photos` keeps, as values; what makes no sense is None.

    A camera's time carries its own offset where it wrote one (EXIF 2.31), else it is read in
    `zone`. The values are the camera's own word, and can be forged.
    """
    return Taken(_moment(exif, zone), _place(exif))


def _moment(exif: Mapping[str, object], zone: ZoneInfo) -> datetime | None:
    written = str(exif.get("DateTimeOriginal") or exif.get("DateTime") or "")
    offset = str(exif.get("OffsetTimeOriginal") or "")
    try:
        at = datetime.strptime(written.strip()[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    with suppress(ValueError):  # an offset that is none
        at = datetime.fromisoformat(at.isoformat() + offset.strip())
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _place(exif: Mapping[str, object]) -> tuple[float, float] | None:
    north = _degrees(exif.get("GPSLatitude"), exif.get("GPSLatitudeRef"), "S", 90)
    east = _degrees(exif.get("GPSLongitude"), exif.get("GPSLongitudeRef"), "W", 180)
    if north is None or east is None or (north, east) == (0, 0):  # a receiver that saw no sky
        return None
    return north, east


def _degrees(value: object, side: object, negative: str, most: int) -> float | None:
    """`8.0 27.0 18.25` and `S` -> -8.45507."""
    try:
        degrees, minutes, seconds = (float(part) for part in str(value).split())
    except ValueError:
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if not isfinite(total) or not 0 <= total <= most:
        return None
    return -total if str(side) == negative else total
