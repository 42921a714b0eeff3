"""Files that citizens send along: each fetched once, looked at by content, and none lost."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter.gateways.channel import TransportError
from callcenter.services import counter, media
from callcenter.services.errors import Refused
from callcenter.services.media import Found
from callcenter.store.desk_models import ComplaintFile
from callcenter.store.inbound_models import InboundMessage, MessageFile
from callcenter.store.models import Complaint
from tests.services.conftest import HOUR, MINUTE, T0, Town, together
from tests.services.test_photos import picture
from tests.services.test_voice_notes import spoken

PDF = b"%PDF-1.7\n%%EOF"
FILM = b"\x00\x00\x00\x18ftypisom" + b"\0" * 40 + b"hdlr" + b"\0" * 8 + b"vide" + b"\0" * 20
VCARD = b"BEGIN:VCARD\nFN:I Wayan Contoh\nEND:VCARD"


class Shelf:
    """A provider: `holds` by address; `fails` in order, before it gives anything."""

    def __init__(self, **holds: bytes) -> None:
        self.holds, self.fails = holds, list[Exception]()
        self.asked = 0

    def fetch(self, address: str, to: Path) -> int:
        self.asked += 1
        if self.fails:
            raise self.fails.pop(0)
        to.write_bytes(self.holds[address])
        return len(self.holds[address])


def message(town: Town, *addresses: str, at: datetime = T0) -> int:
    """A citizen's message with these files; its id."""
    with town.store.write() as db:
        row = InboundMessage(
            provider_id=f"MM{at}{addresses}",
            channel="whatsapp",
            sender="+6281234567801",
            body="Lihat foto",
            media=len(addresses),
            received_at=at,
            result="stranger",
        )
        db.add(row)
        db.flush()
        media.note(db, row.id, [Found(a, "image/jpeg") for a in addresses], now=at)
        return row.id


def work(town: Town, shelf: Shelf, at: datetime = T0) -> int:
    """A worker's turn: everything that is due, once."""
    with town.store.read() as db:
        due = media.due(db, at)
    return sum(media.fetch(town.store, i, shelf, town.folder, clock=lambda: at) for i in due)


def files(town: Town) -> list[MessageFile]:
    with town.store.read() as db:
        return list(db.scalars(select(MessageFile).order_by(MessageFile.id)))


def given(town: Town, complaint_id: int) -> list[str]:
    with town.store.read() as db:
        return [f.media_type for f in db.get_one(Complaint, complaint_id).files]


def take(town: Town, message_id: int, at: datetime = T0) -> int:
    with town.store.write() as db:
        return counter.from_message(db, message_id, actor="ani", now=at).id


@pytest.mark.parametrize(
    ("data", "media_type", "ending"),
    [
        (picture(), "image/jpeg", "jpg"),
        (picture(kind="PNG"), "image/jpeg", "jpg"),
        (PDF, "application/pdf", "pdf"),
        (spoken(2, "OGG"), "audio/ogg", "ogg"),
        (b"#!AMR\n" + b"\0" * 50, "audio/amr", "amr"),
        (FILM, "video/mp4", "mp4"),
    ],
)
def test_a_file_is_what_its_bytes_are(
    town: Town, data: bytes, media_type: str, ending: str
) -> None:
    message(town, "a")
    assert work(town, Shelf(a=data)) == 1
    (kept,) = files(town)
    assert (kept.state, kept.media_type) == (media.KEPT, media_type)
    on_disk = town.folder / kept.path
    assert on_disk.suffix == f".{ending}"
    assert hashlib.sha256(on_disk.read_bytes()).hexdigest() == kept.sha256
    assert list((town.folder / "incoming").iterdir()) == []


@pytest.mark.parametrize("data", [VCARD, b"", b"<html>", picture()[:80], b"OggS nonsense"])
def test_what_is_odd_goes_into_quarantine_whole(town: Town, data: bytes) -> None:
    complaint_id = take(town, message(town, "a"))
    work(town, Shelf(a=data))
    (odd,) = files(town)
    assert odd.state == media.ODD
    assert odd.error
    assert odd.path.startswith("quarantine/messages/")
    assert (town.folder / odd.path).read_bytes() == data
    assert given(town, complaint_id) == []


def test_a_silent_voice_of_a_citizen_is_kept_all_the_same(town: Town) -> None:
    import io

    import numpy as np
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.zeros(16_000, np.float32), 16_000, format="WAV")
    message(town, "a")
    work(town, Shelf(a=out.getvalue()))
    assert files(town)[0].state == media.KEPT


def test_files_belong_to_the_complaint_whichever_comes_first(town: Town) -> None:
    shelf = Shelf(a=picture(), b=PDF)
    early, late = message(town, "a"), message(town, "b", at=T0 + MINUTE)
    work(town, shelf)
    first = take(town, early)
    assert given(town, first) == ["image/jpeg"]
    second = take(town, late, T0 + MINUTE)
    assert given(town, second) == []
    work(town, shelf, T0 + MINUTE)
    assert given(town, second) == ["application/pdf"]


def test_two_workers_fetch_a_file_once_and_the_complaint_has_it_once(town: Town) -> None:
    complaint_id = take(town, message(town, "a", "b"))
    shelf = Shelf(a=picture(), b=picture())  # the same picture twice
    did = together(*[partial(work, town, shelf)] * 4)
    assert sum(n for n in did if isinstance(n, int)) == 2
    assert {f.state for f in files(town)} == {media.KEPT}
    assert given(town, complaint_id) == ["image/jpeg"]
    assert town.count(ComplaintFile) == 1


def test_what_fails_is_tried_again_ever_later_and_then_given_up(town: Town) -> None:
    message(town, "a")
    shelf, at = Shelf(a=PDF), T0
    shelf.fails = [TransportError("HTTP 500")] * (media.TRIES + 1)
    pauses = []
    while (found := files(town)[0]).state == media.WAITING:
        at = found.fetch_at
        assert work(town, shelf, at) == 1
        pauses.append(files(town)[0].fetch_at - at)
    assert shelf.asked == media.TRIES
    assert pauses == sorted(pauses)
    assert (found.state, found.error) == (media.GIVEN_UP, "HTTP 500")
    assert work(town, shelf, at + 24 * HOUR) == 0
    shelf.fails = []
    with town.store.write() as db:
        media.again(db, found.id, actor="ani", now=at)
    work(town, shelf, at)
    assert files(town)[0].state == media.KEPT
    with pytest.raises(Refused), town.store.write() as db:
        media.again(db, found.id, actor="ani", now=at)


def test_what_is_gone_at_the_provider_is_given_up_at_once(town: Town) -> None:
    message(town, "a")
    shelf = Shelf()
    shelf.fails = [TransportError("HTTP 404", permanent=True)]
    work(town, shelf)
    assert files(town)[0].state == media.GIVEN_UP


def test_an_address_that_is_not_the_providers_is_asked_by_nobody(town: Town) -> None:
    message(town, "")
    assert work(town, Shelf()) == 0
    assert files(town)[0].state == media.GIVEN_UP


def test_a_full_disk_is_no_end(town: Town) -> None:
    message(town, "a")
    shelf = Shelf(a=PDF)
    shelf.fails = [OSError(28, "no space")]
    work(town, shelf)
    assert (files(town)[0].state, files(town)[0].error) == (media.WAITING, "disk: OSError")
    work(town, shelf, T0 + MINUTE)
    assert files(town)[0].state == media.KEPT


def test_a_worker_that_died_is_followed_by_another_and_comes_too_late(town: Town) -> None:
    message(town, "a")
    (row,) = files(town)
    with town.store.write() as db:
        stale = media._claim(db, row.id, T0)
    assert stale
    before = T0 + media.LEASE - MINUTE / 60
    assert work(town, Shelf(a=PDF), before) == 0
    assert work(town, Shelf(a=PDF), T0 + media.LEASE) == 1
    media._settle(town.store, stale, VCARD, town.folder, T0 + HOUR)
    assert files(town)[0].state == media.KEPT
