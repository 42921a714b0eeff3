"""Hostile sidecars: every call is filed, as one call, on both databases, and nothing of it is a
control character on a screen."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_from_bytes

from sqlalchemy import func, select

from callcenter.services.filing import Filing
from callcenter.store.models import Call, Complaint
from callcenter.store.session import Store
from ivr.numbers import make_number
from ivr.spool import Spool
from tests.attack.hostile import SEED, hostile

SPEECH = Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav"
KEYS = ("caller", "called", "mode", "ended", "number", "consent", "kept", "step", "failed", "phone")
PER_CALL = 8


def test_every_hostile_sidecar_becomes_one_call(store: Store, tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path / "spool", tmp_path / "quarantine")
    spool.prepare()
    (tmp_path / "recordings").mkdir()
    filing = Filing(store, spool, tmp_path / "recordings", silent_below=0.5)
    chance, values = random.Random(SEED), hostile(size)
    calls = size // PER_CALL
    for serial in range(calls):
        call_id = f"pbx1-1764000000.{serial}"
        lines = [b"1764000000.000 started=pbx1", b"1764000000.1 number=" + number(serial)]
        for value in (next(values) for _ in range(PER_CALL)):
            raw = chance.random() < 0.3  # as no dialplan writes it
            said = value if raw else quote_from_bytes(value, safe="").encode()
            lines.append(b"1764000001.000 " + chance.choice(KEYS).encode() + b"=" + said)
        (spool.folder / f"{call_id}.call").write_bytes(b"\n".join(lines) + b"\n")
        if serial % 10 == 0:
            shutil.copyfile(SPEECH, spool.folder / f"{call_id}_complaint-1.wav")
        filing.file(spool.read(call_id), datetime(2026, 3, 2, tzinfo=UTC))
    assert spool.call_ids() == []
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(Call)) == calls
        assert db.scalar(select(func.count()).select_from(Complaint)) == -(-calls // 10)
        for call in db.scalars(select(Call)):
            assert (call.caller_raw + call.called + call.mode + call.cause).isprintable()
            assert all(key.isprintable() and value.isprintable() for _, key, value in call.path)


def number(serial: int) -> bytes:
    return make_number(serial).encode()
