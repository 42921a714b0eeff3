"""The line process on a disk that fills up: it says so within 30 seconds, and nothing is lost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from callcenter.doctor import examine
from callcenter.store.line_models import Alarm
from callcenter.store.models import Call, Heartbeat, Notice
from tests.disks import small_disk
from tests.faults.conftest import MakeSite
from tests.faults.deployment import Site
from tests.running import ROOT, until

ALARM_WITHIN = 30.0
MB = 1_048_576
SPEECH = ROOT / "recordings/prompts/id/thanks.wav"
CALL = "pbx1-1764000000.1"


def started(here: Site) -> None:
    here.start("line")

    def beats() -> bool:
        with here.store.read() as session:
            return session.get(Heartbeat, "line") is not None

    until(beats, 20)


def alarms(here: Site) -> list[tuple[str, bool]]:
    """Each alarm so far: its level, and whether it still stands."""
    with here.store.read() as session:
        rows = session.scalars(select(Alarm).order_by(Alarm.id)).all()
    return [(alarm.level, alarm.ended_at is None) for alarm in rows]


def told(here: Site) -> list[tuple[str | None, str]]:
    """Who was told what, in order."""
    with here.store.read() as session:
        rows = session.scalars(select(Notice).where(Notice.kind == "alarm").order_by(Notice.id))
        return [(notice.person_key, notice.subject) for notice in rows]


def to_both(*subjects: str) -> list[tuple[str, str]]:
    return [(who, subject) for subject in subjects for who in ("coordinator", "supervisor")]


LOW = "Ruang disk menipis"
FULL = "DISK PENUH: aduan lewat telepon tidak bisa direkam"
OVER = "Disk sudah lapang"


def within(what: str, condition: Callable[[], object]) -> None:
    begun = time.monotonic()
    until(condition, ALARM_WITHIN, lambda: what)
    print(f"{what}: after {time.monotonic() - begun:.1f} s")


def test_a_disk_that_fills_up_is_told_at_each_level_and_when_it_is_over(
    site: MakeSite, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 8 * MB) as disk:
        recordings = disk.folder / "recordings"
        here = site(recordings=str(recordings), enabled="false", low_below_mb=4, stop_below_mb=1)
        started(here)
        disk.leave(2 * MB)
        within("little room", lambda: alarms(here) == [("low", True)])
        assert told(here) == to_both(LOW)
        disk.leave(0)
        within("no room", lambda: alarms(here) == [("low", False), ("full", True)])
        assert told(here) == to_both(LOW, FULL)
        said = {finding.name: finding.level for finding in examine(here.file)}
        assert (said["disk"], said["alarm"]) == ("fail", "fail")
        disk.empty()
        within("room again", lambda: alarms(here) == [("low", False), ("full", False)])
        assert told(here) == to_both(LOW, FULL, OVER)


def test_while_the_database_is_on_a_full_disk_calls_wait_in_the_spool(
    site: MakeSite, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 8 * MB) as disk:
        url = f"sqlite:///{disk.folder}/aduan24.db"
        here = site(database=url, enabled="false", low_below_mb=4, stop_below_mb=1)
        started(here)
        disk.leave(0)
        put_call(here)
        until(lambda: "not filed yet, it stays in the spool" in here.processes[0].said, 30)
        assert here.wiring.spool.call_ids() == [CALL]
        assert here.processes[0].child.poll() is None
        disk.empty()
        until(lambda: filed(here), 30)
        assert here.wiring.spool.call_ids() == []
        within("told afterwards", lambda: alarms(here) == [("full", False)])
        assert told(here) == to_both(FULL, OVER)


def put_call(here: Site) -> None:
    """What the exchange leaves of a call in which somebody spoke."""
    spool = here.wiring.spool
    now = datetime.now(UTC).timestamp()
    clip = here.folder / "complaint.wav"
    shutil.copyfile(SPEECH, clip)
    lines = [(now - 5, "started", "pbx1"), (now - 5, "caller", "0812"), (now - 1, "ended", "16")]
    spool.put_call(CALL, lines, [("complaint", 1, clip)])


def filed(here: Site) -> bool:
    with here.store.read() as session:
        call = session.scalar(select(Call).where(Call.call_uid == CALL))
        return call is not None and call.complaint is not None
