"""Evidence of a waiting: a photo (of the letter, of the broken machine) or a PDF."""

from __future__ import annotations

import hashlib
import re

from callcenter.services import photos
from callcenter.services.attachments import Material
from callcenter.services.errors import Refused

FIELD = "evidence_files"
MOST_BYTES = 10_000_000
_PDF = re.compile(rb"%PDF-[12]\.\d")


def looked_at(data: bytes) -> Material:
    """The file as it will be kept: a photo made plain, a PDF as it came. Raises Refused."""
    if _PDF.match(data):
        if len(data) > MOST_BYTES:
            raise Refused(FIELD, "PDF lebih dari 10 MB; kirim bagian yang penting saja.")
        return Material(data, hashlib.sha256(data).hexdigest(), "papers", "pdf", "application/pdf")
    try:
        return photos.developed(data)
    except Refused:
        raise Refused(FIELD, "Bukti tidak dapat dibaca; kirim foto atau PDF.") from None
