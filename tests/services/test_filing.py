"""From the spool to the database: nothing is lost, nothing comes twice, whatever breaks."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile
from sqlalchemy import event, func, select
from sqlalchemy.orm import selectinload

from callcenter.services import filing as service
from callcenter.services import intake
from callcenter.services.filing import Filing, Misplaced, Sweeper
from callcenter.store.models import Call, Complaint, History, Recording
from callcenter.store.session import Store
from ivr.numbers import make_number
from ivr.speaking import speak
from ivr.spool import Spool, SpooledCall
from ivr.wav import inspect
from tests.databases import Database

CALL = "pbx1-1764000000.12"
START = datetime.fromtimestamp(1764000000, UTC)  # 2025-11-24 16:00 UTC, the 25th in Bangli
NOW = START + timedelta(minutes=2)
NUMBER = make_number(41)
CALLER = "081234567890"
SIDECAR = f"""1764000000 started=pbx1
1764000000 caller={CALLER}
1764000000 called=5501000
1764000001.5 number={NUMBER}
1764000002 mode=app
1764000013 consent=8da96bf7a31e
1764000013.2 step=ask_complaint
1764000040.1 kept=complaint-1
1764000060 number_heard={NUMBER}
1764000064 ended=16
"""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "recordings/spool", tmp_path / "recordings/quarantine")
    made.prepare()
    return made


@pytest.fixture
def filing(store: Store, spool: Spool) -> Filing:
    return Filing(store, spool, spool.folder.parent, silent_below=0.5)


@pytest.fixture
def sweeper(filing: Filing) -> Sweeper:
    return Sweeper(filing, "pbx1", max_age_s=960)


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of speech."""
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    speak("Lampu jalan di depan pasar mati", path)
    return path


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    path = tmp_path / "silence.wav"
    soundfile.write(path, [0.0] * 8000, 8000, subtype="PCM_16")
    return path


def put(spool: Spool, text: str = SIDECAR, call_id: str = CALL, **clips: Path) -> SpooledCall:
    """A call in the spool; `complaint_1=path` is its first complaint clip."""
    (spool.folder / f"{call_id}.call").write_text(text)
    for name, source in clips.items():
        shutil.copy(source, clip_path(spool, name.replace("_", "-"), call_id))
    return spool.read(call_id)


def clip_path(spool: Spool, name: str, call_id: str = CALL) -> Path:
    return spool.folder / f"{call_id}_{name}.wav"


def aged(folder: Path, to: datetime) -> None:
    for path in folder.iterdir():
        os.utime(path, (to.timestamp(), to.timestamp()), follow_symlinks=False)


def calls(store: Store) -> list[Call]:
    with store.read() as session:
        loaded = select(Call).options(selectinload(Call.recordings), selectinload(Call.complaint))
        return list(session.scalars(loaded.order_by(Call.call_uid)))


def only(store: Store) -> Call:
    (call,) = calls(store)
    return call


def rows(store: Store) -> list[int]:
    """How many calls, recordings, complaints and rows of history there are."""
    with store.read() as session:
        return [
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Call, Recording, Complaint, History)
        ]


def sound_files(filing: Filing) -> list[str]:
    folder = filing.recordings / "calls"
    return sorted(str(p.relative_to(filing.recordings)) for p in folder.rglob("*.wav"))


def nobody() -> frozenset[str]:
    return frozenset()


def nobody_knows() -> None:
    return None


# ---------------------------------------------------------------- one call


def test_a_whole_call_becomes_a_complaint_with_its_recordings(
    filing: Filing, store: Store, spool: Spool, spoken: Path, silence: Path
) -> None:
    filing.file(put(spool, complaint_1=spoken, name_1=silence), NOW)
    call = only(store)
    assert (call.call_uid, call.line, call.mode, call.cause) == (CALL, "pbx1", "app", "16")
    assert (call.caller, call.called) == ("+6281234567890", "5501000")
    assert (call.started_at, call.ended_at) == (START, START + timedelta(seconds=64))
    assert (call.consent_at, call.filed_at) == (START + timedelta(seconds=13), NOW)
    assert (call.public_number, call.number_heard, call.silent) == (NUMBER, True, False)
    assert call.complaint
    assert call.complaint.public_number == NUMBER
    first, second = call.recordings
    folder = f"calls/2025/11/24/{CALL}"
    assert (first.path, second.path) == (f"{folder}/complaint-1.wav", f"{folder}/name-1.wav")
    assert (first.kind, first.take, first.repaired) == ("complaint", 1, False)
    assert first.seconds == pytest.approx(inspect(spoken).seconds, abs=0.001)
    assert first.speech_seconds > 1
    assert second.speech_seconds == 0
    content = (filing.recordings / first.path).read_bytes()
    assert content == spoken.read_bytes()
    assert (first.bytes, first.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert list(spool.folder.iterdir()) == []


def test_the_course_of_the_call_is_kept_without_the_callers_number(
    filing: Filing, store: Store, spool: Spool
) -> None:
    filing.file(put(spool), NOW)
    path = only(store).path
    assert path[0] == [1764000000.0, "started", "pbx1"]
    assert path[-1] == [1764000064.0, "ended", "16"]
    assert CALLER not in str(path)


def test_a_silent_call_is_in_the_log_and_is_no_complaint(
    filing: Filing, store: Store, spool: Spool, silence: Path
) -> None:
    filing.file(put(spool, complaint_1=silence, complaint_2=silence), NOW)
    call = only(store)
    assert (call.silent, call.complaint, len(call.recordings)) == (True, None, 2)


def test_a_call_without_any_recording_is_in_the_log(
    filing: Filing, store: Store, spool: Spool
) -> None:
    filing.file(put(spool), NOW)
    assert (only(store).silent, rows(store)) == (True, [1, 0, 0, 0])


def test_filing_twice_changes_nothing(
    filing: Filing, store: Store, spool: Spool, spoken: Path
) -> None:
    for _ in range(2):
        filing.file(put(spool, complaint_1=spoken), NOW)
    assert rows(store) == [1, 1, 1, 1]
    assert len(sound_files(filing)) == 1
    assert list(spool.quarantine_folder.iterdir()) == []


def test_audio_that_is_found_later_makes_the_silent_call_a_complaint(
    filing: Filing, store: Store, spool: Spool, spoken: Path
) -> None:
    filing.file(put(spool), NOW)
    filing.file(put(spool, complaint_9=spoken), NOW)
    assert rows(store) == [1, 1, 1, 1]
    assert not only(store).silent


def test_a_call_that_was_filed_as_lost_learns_how_it_ended(
    filing: Filing, store: Store, spool: Spool, spoken: Path
) -> None:
    begun, ended = SIDECAR[: SIDECAR.index("1764000060")], SIDECAR[SIDECAR.index("1764000060") :]
    filing.file(put(spool, begun, complaint_1=spoken), NOW)
    assert (only(store).ended_at, only(store).number_heard) == (None, False)
    for _ in range(2):
        filing.file(put(spool, ended), NOW)
        call = only(store)
        assert (call.ended_at, call.cause) == (START + timedelta(seconds=64), "16")
        assert call.number_heard
        assert [key for _, key, _ in call.path][-3:] == ["kept", "number_heard", "ended"]
    assert rows(store) == [1, 1, 1, 1]


# ---------------------------------------------------------------- damage


def test_a_header_that_a_killed_exchange_left_is_repaired_before_it_is_filed(
    filing: Filing, store: Store, spool: Spool, spoken: Path
) -> None:
    call = put(spool, complaint_1=spoken)
    content = bytearray(spoken.read_bytes())
    content[4:8] = content[40:44] = bytes(4)
    call.clips[0].path.write_bytes(content + b"\0")  # and half a sample
    filing.file(call, NOW)
    (recording,) = only(store).recordings
    assert recording.repaired
    assert recording.seconds == pytest.approx(inspect(spoken).seconds, abs=0.001)
    assert soundfile.info(filing.recordings / recording.path).frames > 8000
    assert only(store).complaint


@pytest.mark.parametrize("content", [b"", b"RIFF", b"<html>", bytes(5000)])
def test_what_is_no_recording_is_put_aside_and_the_call_is_filed_without_it(
    filing: Filing, store: Store, spool: Spool, spoken: Path, content: bytes
) -> None:
    call = put(spool, complaint_1=spoken, complaint_2=spoken)
    call.clips[0].path.write_bytes(content)
    filing.file(call, NOW)
    assert [(r.kind, r.take) for r in only(store).recordings] == [("complaint", 2)]
    aside = spool.quarantine_folder / f"{CALL}_complaint-1.wav"
    assert aside.read_bytes() == content
    assert aside.with_name(aside.name + ".reason").read_text().strip()


@pytest.mark.parametrize("other_file_system", [False, True])
def test_another_recording_at_the_final_place_is_not_overwritten(
    filing: Filing,
    spoken: Path,
    silence: Path,
    monkeypatch: pytest.MonkeyPatch,
    other_file_system: bool,
) -> None:
    if other_file_system:
        monkeypatch.setattr(os, "link", no_links)
    for source in (spoken, silence):
        filing.file(put(filing.spool, complaint_1=source), NOW)
    (recording,) = only(filing.store).recordings
    assert (filing.recordings / recording.path).read_bytes() == spoken.read_bytes()
    assert (filing.spool.quarantine_folder / f"{CALL}_complaint-1.wav").exists()


def test_a_bad_file_that_cannot_be_put_aside_is_not_deleted(
    filing: Filing, spool: Spool, silence: Path
) -> None:
    call = put(spool, complaint_1=silence)
    call.clips[0].path.write_bytes(b"garbage")
    spool.quarantine_folder.rmdir()
    with pytest.raises(OSError, match="No such file"):
        filing.file(call, NOW)
    assert call.clips[0].path.read_bytes() == b"garbage"


def test_on_a_full_disk_a_file_is_put_aside_without_its_reason(
    filing: Filing, spool: Spool, silence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    call = put(spool, complaint_1=silence)
    call.clips[0].path.write_bytes(b"garbage")
    monkeypatch.setattr(Path, "write_text", full)
    filing.file(call, NOW)
    assert [p.name for p in spool.quarantine_folder.iterdir()] == [f"{CALL}_complaint-1.wav"]


# ---------------------------------------------------------------- hostile names, values, links


def test_a_link_in_place_of_a_clip_is_put_aside_and_never_read(
    filing: Filing, store: Store, spool: Spool, spoken: Path
) -> None:
    call = put(spool, complaint_1=spoken)
    call.clips[0].path.unlink()
    call.clips[0].path.symlink_to(spoken)  # after the spool was listed
    filing.file(call, NOW)
    assert rows(store) == [1, 0, 0, 0]
    assert (spool.quarantine_folder / f"{CALL}_complaint-1.wav").is_symlink()
    assert spoken.exists()


@pytest.mark.parametrize("part", ["calls", "calls/2025", f"calls/2025/11/24/{CALL}"])
def test_recordings_are_not_written_through_a_link(
    filing: Filing, spool: Spool, spoken: Path, tmp_path: Path, part: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (filing.recordings / part).parent.mkdir(parents=True, exist_ok=True)
    (filing.recordings / part).symlink_to(elsewhere)
    with pytest.raises(Misplaced, match="link"):
        filing.file(put(spool, complaint_1=spoken), NOW)
    assert list(elsewhere.iterdir()) == []
    assert rows(filing.store) == [0, 0, 0, 0]
    assert spool.call_ids() == [CALL]


def test_a_link_at_the_final_place_is_refused(
    filing: Filing, spool: Spool, spoken: Path, tmp_path: Path
) -> None:
    target = filing.recordings / f"calls/2025/11/24/{CALL}/complaint-1.wav"
    target.parent.mkdir(parents=True)
    target.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        filing.file(put(spool, complaint_1=spoken), NOW)
    assert not (tmp_path / "victim").exists()


def test_hostile_values_are_stored_as_text_on_every_database(
    filing: Filing, store: Store, spool: Spool, spoken: Path
) -> None:
    keys = ("started", "caller", "called", "mode", "step", "ended")
    text = "".join(f"1764000000 {key}=%00%0A%1b[31m{'x' * 900}\n" for key in keys)
    filing.file(put(spool, text, complaint_1=spoken), NOW)
    filed = only(store)
    assert filed.line == "pbx1"
    for value in (filed.caller_raw, filed.called, filed.mode, filed.cause):
        assert value.isprintable()
    assert filed.complaint


@pytest.mark.parametrize(
    "name",
    [
        f"{'A' * 33}-1764000000.1.call",
        f"pbx1-{'9' * 13}.1.call",
        f"{CALL}_complaint-1.wav.call",
        "..call",
        "pbx1-1764000000.1_complaint-1.WAV",
        "pbx1-1764000000.1\n.call",
    ],
)
def test_a_name_that_is_none_of_ours_is_a_stray(
    sweeper: Sweeper, store: Store, spool: Spool, name: str
) -> None:
    (spool.folder / name).write_text(SIDECAR)
    aged(spool.folder, NOW - timedelta(minutes=2))
    assert sweeper.sweep(NOW, nobody) == 0
    assert rows(store) == [0, 0, 0, 0]
    assert (spool.quarantine_folder / name).exists()


def test_the_longest_name_that_is_ours_can_be_filed(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    longest = f"{'A' * 32}-{'9' * 12}.{'9' * 12}"
    put(spool, SIDECAR, longest, complaint_999=spoken)
    assert sweeper.sweep(NOW, nobody) == 1
    assert rows(store) == [1, 1, 1, 1]


def test_a_time_that_no_calendar_has_breaks_nothing(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    shutil.copy(spoken, clip_path(spool, "complaint-1", "pbx1-999999999999.1"))
    for path in spool.folder.iterdir():
        os.utime(path, (-(10**11), -(10**11)))
    assert sweeper.sweep(NOW, nobody) == 1
    assert only(store).started_at.year == 1970


# ---------------------------------------------------------------- crashes


def no_links(*_: object, **__: object) -> None:
    """Two file systems."""
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


class Killed(BaseException):
    """As by kill -9: nothing in the way catches it."""


class Killer:
    """Kills at the n-th deed: each file or folder opened, linked, made, renamed or removed, and
    each commit, before it is done."""

    DEEDS = frozenset({"open", "os.link", "os.mkdir", "os.rename", "os.remove"})

    def __init__(self) -> None:
        self.left: int | None = None
        sys.addaudithook(lambda deed, _: self.count(deed in self.DEEDS))

    def count(self, counts: bool = True) -> None:
        if self.left is None or not counts:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Killed

    @contextmanager
    def at(self, deed: int) -> Iterator[None]:
        self.left = deed
        try:
            yield
        finally:
            self.left = None


@pytest.fixture(scope="session")
def killer() -> Killer:
    """An audit hook stays until the process ends: one for all tests."""
    return Killer()


def dies(killer: Killer, deed: int, work: Callable[[], object]) -> bool:
    try:
        with killer.at(deed):
            work()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("other_file_system", [False, True])
def test_a_kill_at_any_deed_is_harmless(
    filing: Filing,
    spoken: Path,
    killer: Killer,
    monkeypatch: pytest.MonkeyPatch,
    other_file_system: bool,
) -> None:
    """Killed at the first deed of filing a call, then of another at the second, and so on."""
    if other_file_system:
        monkeypatch.setattr(os, "link", no_links)
    event.listen(filing.store.engine, "commit", lambda _: killer.count())
    spool, deed, died = filing.spool, 0, True
    while died:
        call_id = f"pbx1-1764000000.{deed}"
        text = SIDECAR.replace(NUMBER, make_number(deed))
        put(spool, text, call_id, complaint_1=spoken, name_1=spoken)
        died = dies(killer, deed, partial(filing.file, spool.read(call_id), NOW))
        if spool.call_ids():
            filing.file(spool.read(call_id), NOW)
        deed += 1
        assert list(spool.folder.iterdir()) == []
        assert rows(filing.store) == [deed, 2 * deed, deed, deed]
    assert deed > 20
    assert len(sound_files(filing)) == 2 * deed
    for call in calls(filing.store):
        for recording in call.recordings:
            content = (filing.recordings / recording.path).read_bytes()
            assert hashlib.sha256(content).hexdigest() == recording.sha256
        (kept,) = (filing.recordings / call.recordings[0].path).parent.glob("*.call")
        assert kept.name == f"{call.call_uid}.call"
        number = make_number(int(call.call_uid.rpartition(".")[2]))
        assert kept.read_text() == SIDECAR.replace(NUMBER, number)
    assert list(spool.quarantine_folder.iterdir()) == []


def test_a_full_disk_keeps_the_call_in_the_spool(
    filing: Filing, store: Store, spool: Spool, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        with pytest.raises(OSError, match="No space"):
            filing.file(put(spool, complaint_1=spoken), NOW)
    assert spool.call_ids() == [CALL]
    filing.file(spool.read(CALL), NOW)
    assert rows(store) == [1, 1, 1, 1]


def test_a_hard_link_takes_no_room(filing: Filing, spool: Spool, spoken: Path) -> None:
    call = put(spool, complaint_1=spoken)
    before = call.clips[0].path.stat().st_ino
    filing.file(call, NOW)
    (path,) = sound_files(filing)
    assert (filing.recordings / path).stat().st_ino == before


# ---------------------------------------------------------------- sweeps


def test_a_call_is_filed_once_its_last_lines_are_written(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    put(spool, complaint_1=spoken)
    ended = START + timedelta(seconds=64)
    assert sweeper.sweep(ended + timedelta(seconds=0.2), nobody) == 0
    assert sweeper.sweep(ended + timedelta(seconds=0.4), nobody) == 1
    assert sweeper.sweep(ended + timedelta(seconds=0.6), nobody) == 0
    assert rows(store) == [1, 1, 1, 1]


def test_calls_that_have_hung_up_are_filed_and_the_others_are_left_for_a_sweep(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    other, going_on = "pbx1-1764000000.13", "pbx1-1764000000.14"
    put(spool, complaint_1=spoken)
    put(spool, SIDECAR, other)
    put(spool, SIDECAR.replace("1764000064 ended=16\n", ""), going_on)
    assert sweeper.sweep_these(NOW, {CALL, going_on, "pbx1-1764000000.15"}) == 1
    assert rows(store) == [1, 1, 1, 1]
    assert spool.call_ids() == [other, going_on]
    assert sweeper.sweep_these(NOW, {CALL}) == 0
    assert sweeper.sweep(NOW, lambda: {going_on}) == 1
    assert spool.call_ids() == [going_on]


@pytest.mark.parametrize("ended", ["1764000064", "1795536064"])
def test_a_clock_that_was_wrong_holds_no_finished_call_back(
    sweeper: Sweeper, store: Store, spool: Spool, ended: str
) -> None:
    put(spool, SIDECAR.replace("1764000064", ended))
    assert sweeper.sweep(NOW, nobody) == 1


def test_the_exchange_is_asked_only_while_a_call_is_open(sweeper: Sweeper, spool: Spool) -> None:
    asked: list[int] = []

    def live() -> frozenset[str]:
        asked.append(1)
        return frozenset({CALL})

    sweeper.sweep(NOW, live)
    assert not asked
    put(spool, SIDECAR.replace("ended", "step"))
    sweeper.sweep(NOW, live)
    assert asked


def test_a_call_that_lives_is_left_alone(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    put(spool, SIDECAR.replace("ended", "step"), complaint_1=spoken)
    assert sweeper.sweep(NOW, lambda: frozenset({CALL})) == 0
    assert sweeper.sweep(NOW, nobody_knows) == 0
    assert spool.call_ids() == [CALL]


def test_a_call_whose_exchange_was_killed_is_filed(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    put(spool, SIDECAR.replace("ended", "step"), complaint_1=spoken)
    assert sweeper.sweep(NOW, nobody) == 1
    call = only(store)
    assert (call.ended_at, call.cause, call.silent) == (None, "", False)
    assert call.complaint
    assert call.complaint.public_number == NUMBER


@pytest.mark.parametrize("away", [timedelta(seconds=961), timedelta(seconds=-961)])
def test_a_call_that_is_too_old_is_filed_whatever_the_exchange_says(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path, away: timedelta
) -> None:
    """Or one that began in the future, by a clock that was wrong."""
    put(spool, SIDECAR.replace("ended", "step"), complaint_1=spoken)
    assert sweeper.sweep(START + away, nobody_knows) == 1


def test_the_exchange_knows_nothing_of_the_test_phone(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    put(spool, SIDECAR.replace("ended", "step"), "phone-1764000000.1", complaint_1=spoken)
    assert sweeper.sweep(NOW, nobody) == 0
    assert sweeper.sweep(START + timedelta(seconds=961), nobody) == 1


def test_audio_alone_is_adopted_with_a_number_of_the_applications(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path
) -> None:
    put(spool, complaint_1=spoken)
    (spool.folder / f"{CALL}.call").unlink()
    aged(spool.folder, NOW - timedelta(seconds=59))
    assert sweeper.sweep(NOW, nobody) == 0
    aged(spool.folder, NOW - timedelta(seconds=60))
    assert sweeper.sweep(NOW, nobody) == 1
    call = only(store)
    assert (call.started_at, call.mode, call.public_number) == (START, "adopted", None)
    assert call.complaint
    assert call.complaint.public_number == make_number(0)


def test_strays_are_put_aside(sweeper: Sweeper, spool: Spool, tmp_path: Path) -> None:
    (spool.folder / "holiday.jpg").write_bytes(b"x")
    (spool.folder / f"{CALL}.call").symlink_to(tmp_path)
    aged(spool.folder, NOW - timedelta(minutes=2))
    sweeper.sweep(NOW, nobody)
    assert list(spool.folder.iterdir()) == []
    assert (spool.quarantine_folder / f"{CALL}.call").is_symlink()


# ---------------------------------------------------------------- one call's trouble


def test_one_calls_trouble_holds_up_no_other_and_is_tried_again(
    sweeper: Sweeper, store: Store, spool: Spool, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        text = SIDECAR.replace(NUMBER, make_number(n))
        put(spool, text, f"pbx1-1764000000.{n}", complaint_1=spoken)
    link = service._link

    def full(source: Path, target: Path) -> None:
        if "1764000000.0" in source.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(service, "_link", full)
        assert sweeper.sweep(NOW, nobody) == 2
        assert sum(sweeper.sweep(NOW, nobody) for _ in range(20)) == 0
    assert sum(sweeper.sweep(NOW, nobody) for _ in range(9)) == 1
    assert rows(store) == [3, 3, 3, 3]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_while_the_database_is_locked_one_call_is_tried_per_sweep_and_all_are_filed_after(
    database: Database,
    store: Store,
    sweeper: Sweeper,
    spool: Spool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each time another one: it may be one call's own trouble."""
    for n in range(6):
        put(spool, SIDECAR, f"pbx1-1764000000.{n}")
    event.listen(store.engine, "connect", _impatient)
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(4):
            assert sweeper.sweep(NOW, nobody) == 0
    tried = [line.getMessage() for line in caplog.records]
    assert len(set(tried)) == len(tried) == 4
    assert all("it stays in the spool: database is locked" in line for line in tried)
    assert sum(sweeper.sweep(NOW, nobody) for _ in range(9)) == 6
    assert rows(store) == [6, 0, 0, 0]


def _impatient(connection: Any, _record: object) -> None:
    """Locked is said at once instead of after half a minute."""
    connection.execute("PRAGMA busy_timeout=1")


def test_a_log_line_says_nothing_about_the_caller(
    sweeper: Sweeper,
    spool: Spool,
    spoken: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error of the database carries the statement and its values."""
    caplog.set_level("DEBUG", "aduan24.line")
    put(spool, "", "pbx1-1764000000.1")
    assert sweeper.sweep(NOW, nobody) == 1
    new_call = intake._new_call

    def clashing(heard: intake.HeardCall, now: datetime) -> Call:
        call = new_call(heard, now)
        call.call_uid = "pbx1-1764000000.1"
        return call

    with monkeypatch.context() as patch:
        patch.setattr(intake, "_new_call", clashing)
        put(spool, complaint_1=spoken)
        assert sweeper.sweep(NOW, nobody) == 0
    assert sum(sweeper.sweep(NOW, nobody) for _ in range(5)) == 1
    assert "IntegrityError" in caplog.text
    assert "filed with 1 recordings" in caplog.text
    assert CALLER[1:] not in caplog.text
    assert NUMBER not in caplog.text


def test_every_folder_is_on_disk_before_the_database_says_so(
    filing: Filing, spool: Spool, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders above the day's once in the life of a process; a new one of that name again."""
    synced: list[str] = []
    sync = service._sync

    def noted(path: Path) -> None:
        assert rows(filing.store)[0] == filed
        synced.append(str(path.relative_to(filing.recordings)))
        sync(path)

    monkeypatch.setattr(service, "_sync", noted)
    day = ["calls/2025/11/24", "calls/2025/11", "calls/2025", "calls", "."]
    for filed, above in enumerate((day, day[:1], day)):
        if filed == 2:
            (filing.recordings / day[0]).rename(filing.recordings / "moved")
        call_id = f"pbx1-1764000000.{filed}"
        filing.file(put(spool, SIDECAR, call_id, name_1=spoken), NOW)
        own = f"{day[0]}/{call_id}"
        assert synced == [f"{own}/name-1.wav", own, *above]
        synced.clear()
