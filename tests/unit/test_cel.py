"""The exchange's own record on disk: whatever lies there, only whole events come out, once."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.gateways.cel import NAME, ChannelEvent, Chunk, Record

NOW = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)
CALL = "pbx1-1773201600.7"
EXTRA = '{""hangupcause"":16,""hangupsource"":""PJSIP/line-00000001"",""dialstatus"":""""}'


def line(kind: str, at: str = "1773201600.250000", extra: str = "", call: str = CALL) -> bytes:
    """As Asterisk 22 writes it."""
    return f'"{kind}","{at}","{call}","{call}","aduan-inbound","{extra}"\n'.encode()


WHOLE = (
    line("CHAN_START")
    + line("ANSWER", "1773201600.500000")
    + line("HANGUP", "1773201625.000001", EXTRA)
    + line("CHAN_END", "1773201625.000001")
)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record")


def write(record: Record, content: bytes, name: str = NAME) -> Path:
    record.folder.mkdir(exist_ok=True)
    path = record.folder / name
    with path.open("ab") as file:
        file.write(content)
    return path


class Reader:
    """Reads on from where it was, as the database remembers it."""

    def __init__(self, record: Record) -> None:
        self.record, self.positions = record, dict[str, int]()

    def __call__(self) -> list[ChannelEvent]:
        return [event for chunk in self.chunks() for event in chunk.events]

    def chunks(self) -> list[Chunk]:
        found = []
        for chunk in self.record.chunks(lambda file: self.positions.get(file, 0)):
            self.positions[chunk.file] = chunk.end
            found.append(chunk)
        return found


@pytest.fixture
def reads(record: Record) -> Reader:
    return Reader(record)


def test_a_call_from_its_first_line_to_its_last(record: Record, reads: Reader) -> None:
    write(record, WHOLE)
    start, answer, hangup, end = reads()
    assert (start.kind, start.context) == ("CHAN_START", "aduan-inbound")
    assert start.channel_id == start.linked_id == CALL
    assert start.at == datetime(2026, 3, 11, 4, 0, 0, 250000, tzinfo=UTC)
    assert (answer.kind, end.kind) == ("ANSWER", "CHAN_END")
    assert (hangup.cause, end.cause) == ("16", "")
    assert reads() == []


def test_there_is_nothing_before_the_first_call(reads: Reader) -> None:
    assert reads() == []


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 7))
def test_wherever_reading_was_cut_every_event_comes_once(
    record: Record, reads: Reader, cut: int
) -> None:
    """A last line without its end is one that is still being written."""
    write(record, WHOLE[:cut])
    first = reads()
    write(record, WHOLE[cut:])
    assert [event.kind for event in first + reads()] == [
        "CHAN_START",
        "ANSWER",
        "HANGUP",
        "CHAN_END",
    ]


def test_a_renamed_file_is_read_on_and_the_next_one_after_it(record: Record, reads: Reader) -> None:
    write(record, line("CHAN_START"))
    assert len(reads()) == 1
    aside = record.put_aside(NOW, larger_than=0)
    assert aside and aside.name == "calls-20260311T040000.csv"
    write(record, line("ANSWER"), aside.name)  # the exchange had it open
    write(record, line("CHAN_START", call="pbx1-1773201700.8"))
    assert [event.kind for event in reads()] == ["ANSWER", "CHAN_START"]
    assert reads() == []


def test_only_a_long_file_is_put_aside_and_no_name_is_taken_twice(record: Record) -> None:
    assert record.put_aside(NOW, larger_than=0) is None
    write(record, WHOLE)
    assert record.put_aside(NOW, larger_than=len(WHOLE)) is None
    names = []
    for _ in range(3):
        write(record, WHOLE)
        path = record.put_aside(NOW, larger_than=len(WHOLE) - 1)
        assert path
        names.append(path.name)
    stem = "calls-20260311T040000"
    assert names == [f"{stem}.csv", f"{stem}.1.csv", f"{stem}.2.csv"]


def test_what_is_older_than_recordings_is_forgotten_the_present_file_never(record: Record) -> None:
    old, young = write(record, WHOLE, "calls-20250311T040000.csv"), write(record, WHOLE)
    for path in (old, young):
        os.utime(path, (NOW.timestamp() - 10, NOW.timestamp() - 10))
    assert record.forget(NOW - timedelta(seconds=10)) == 0
    assert record.forget(NOW - timedelta(seconds=9)) == 1
    assert not old.exists() and young.exists()


def test_half_a_line_of_a_killed_exchange_costs_no_other_event(
    record: Record, reads: Reader
) -> None:
    """The exchange comes back and appends to the half."""
    half = line("HANGUP", extra=EXTRA)[:60]
    write(record, half + line("CHAN_START", call="pbx1-1773201700.8") + line("ANSWER"))
    (chunk,) = reads.chunks()
    assert [event.kind for event in chunk.events] == ["CHAN_START", "ANSWER"]
    assert chunk.unreadable == 1


@pytest.mark.parametrize(
    "damaged",
    [
        b"\0" * 4096 + b"\n",  # a power failure
        b"\n\n",
        b"x" * 2_000_000 + b"\n",
        line("CHAN_START", at="99999999999.000000"),
        line("CHAN_START", at="9999999999.000000"),
        line("CHAN_START", at="1773201600"),
        line("CHAN_START", at="-1.000000"),
        line("CHAN_START", call="../../etc/passwd"),
        line("CHAN_START", call="a" * 81),
        line("CHAN_START", extra='a"b'),
        line("SHUTDOWN"),
        b'"CHAN_START","1773201600.250000"\n',
        '"CHAN_START","１７７３.000000","x","x","c",""\n'.encode(),
    ],
)
def test_what_is_no_line_of_ours_is_passed_over(
    record: Record, reads: Reader, damaged: bytes
) -> None:
    write(record, line("ANSWER") + damaged + line("CHAN_END"))
    chunks = reads.chunks()
    kinds = [event.kind for chunk in chunks for event in chunk.events]
    assert kinds == ["ANSWER", "CHAN_END"]
    assert (sum(chunk.unreadable for chunk in chunks) > 0) == bool(damaged.strip())
    assert reads() == []


def test_links_and_other_names_are_not_read(record: Record, reads: Reader, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_bytes(WHOLE)
    record.folder.mkdir()
    (record.folder / NAME).symlink_to(elsewhere)
    (record.folder / "calls-20260311T040000.csv").mkdir()
    write(record, WHOLE, "calls-2026.csv.bak")
    assert reads() == []
    assert record.put_aside(NOW, larger_than=0) is None


def test_a_file_that_became_shorter_is_read_from_its_beginning(
    record: Record, reads: Reader
) -> None:
    path = write(record, WHOLE)
    assert len(reads()) == 4
    path.write_bytes(line("CHAN_START") + line("CHAN_END"))
    assert len(reads()) == 2


@given(st.binary(max_size=400), st.integers(0, len(WHOLE)))
def test_no_bytes_stop_it_and_none_make_an_event_that_is_not_ours(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    record = Record(tmp_path_factory.mktemp("cel"))
    write(record, WHOLE[:at] + noise + b"\n" + WHOLE)
    events = Reader(record)()
    assert [event.kind for event in events[-4:]] == ["CHAN_START", "ANSWER", "HANGUP", "CHAN_END"]
    assert all(len(event.channel_id) <= 80 and event.at.year < 2200 for event in events)
