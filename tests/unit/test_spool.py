"""The spool reads whatever a killed PBX, a full disk or a stranger left there."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import sidecar as sidecars
from ivr.numbers import make_number
from ivr.spool import NotInSpool, Spool, is_call_id, parse

CALL = "pbx1-1764000000.12"
START = datetime.fromtimestamp(1764000000, UTC)
NUMBER = make_number(41)
GOOD = f"""1764000000 started=pbx1
1764000000 caller=%2B62366550100
1764000000 called=5501000
1764000001.5 number={NUMBER}
1764000013 consent=8da96bf7a31e
1764000013.2 step=ask_complaint
1764000040 clip={CALL}_complaint-1.wav
1764000040.1 kept=complaint-1
1764000041 review=accepted
1764000060 number_heard={NUMBER}
1764000062 mode=app
1764000063 someday=an%20unknown%20key
1764000064 ended=16
"""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool", tmp_path / "quarantine")
    made.prepare()
    return made


def put(spool: Spool, text: str | bytes, call_id: str = CALL) -> Path:
    path = spool.folder / f"{call_id}.call"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def clip(spool: Spool, name: str, call_id: str = CALL) -> Path:
    path = spool.folder / f"{call_id}_{name}.wav"
    path.write_bytes(b"RIFF")
    return path


def aged(path: Path, to: datetime) -> None:
    os.utime(path, (to.timestamp(), to.timestamp()), follow_symlinks=False)


def test_a_whole_call(spool: Spool) -> None:
    sidecar = put(spool, GOOD)
    for name in ("village-1", "complaint-1", "name-1", "complaint-9"):
        clip(spool, name)
    (call,) = spool.ready()
    assert (call.call_id, call.node, call.mode, call.review) == (CALL, "pbx1", "app", "accepted")
    assert (call.started_at, call.ended_at) == (START, START + timedelta(seconds=64))
    assert (call.caller_raw, call.called, call.number) == ("+62366550100", "5501000", NUMBER)
    assert (call.consent_version, call.hangup_cause) == ("8da96bf7a31e", "16")
    assert call.consent_at == START + timedelta(seconds=13)
    assert call.number_heard_at == START + timedelta(seconds=60)
    assert [str(c.path.name) for c in call.clips] == [
        f"{CALL}_{name}.wav" for name in ("complaint-1", "complaint-9", "name-1", "village-1")
    ]
    assert [c.take for c in call.clips_of("complaint")] == [1, 9]
    assert (call.kept, call.sidecar) == ("complaint-1", sidecar.resolve())
    assert call.events[-2].value == "an unknown key"


def test_a_line_still_being_written_is_not_read(spool: Spool) -> None:
    put(spool, GOOD.removesuffix("16\n"))
    assert spool.ready() == []
    assert spool.read(CALL).ended_at is None


@pytest.mark.parametrize(
    "line",
    [
        "no equals sign",
        "= =",
        "abc started=x",
        "1764000000 Started=x",
        "1764000000 ../../etc=x",
        "99999999999 started=x",
        "nan started=x",
        "-5 started=x",
        "\udcff\x00".encode("utf-8", "surrogateescape").decode("latin-1"),
    ],
)
def test_a_damaged_line_is_skipped_and_the_others_are_read(spool: Spool, line: str) -> None:
    put(spool, f"{line}\n{GOOD}")
    (call,) = spool.ready()
    assert call.number == NUMBER
    assert call.started_at == START


@pytest.mark.parametrize(
    "cut",
    [
        "17",
        "1764000000.0",
        "1764000000.000 numb",
        "1764000000.000 number=1234",
        "1764000000.000 room=00000000000000000000",
    ],
)
def test_the_line_after_one_that_a_full_disk_cut_short_is_read(spool: Spool, cut: str) -> None:
    put(spool, f"1764000000.000 caller=0812\n{cut}1764000009.125 ended=16\n")
    (call,) = spool.ready()
    assert (call.hangup_cause, call.number, call.caller_raw) == ("16", None, "0812")


def test_half_a_line_that_the_disk_took_is_an_error(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.open_call(CALL, [("started", "pbx1")])
    whole = os.write
    monkeypatch.setattr("ivr.spool.os.write", lambda file, data: whole(file, data[:20]))
    with pytest.raises(OSError, match="No space left"):
        spool.append_event(CALL, "number", NUMBER)
    monkeypatch.undo()
    spool.append_event(CALL, "ended", "16")
    assert (spool.read(CALL).number, spool.read(CALL).hangup_cause) == (None, "16")


def test_hostile_values_are_values_and_nothing_more(spool: Spool) -> None:
    put(spool, f"1764000000 caller={'9' * 9000}\n1764000000 number=12345678\n")
    call = spool.read(CALL)
    assert len(call.caller_raw) == 1000
    assert call.number is None


@given(content=st.binary(max_size=400))
def test_no_sidecar_at_all_breaks_the_reader(content: bytes) -> None:
    for event in parse(content):
        assert event.at.tzinfo is UTC


def test_without_a_readable_line_the_call_id_says_when(spool: Spool) -> None:
    put(spool, b"\xff\xfe")
    call = spool.read(CALL)
    assert (call.node, call.started_at, call.events) == ("pbx1", START, ())


def test_what_was_appended_is_read_back(spool: Spool) -> None:
    spool.open_call(CALL, [("started", "pbx1"), ("caller", "")])
    assert spool.append_event(CALL, "caller", "0366\n5501=%\u00e9 ")
    assert spool.read(CALL).caller_raw == "0366\n5501=%\u00e9"
    assert spool.read(CALL).ended_at is None


def test_a_late_line_does_not_bring_a_filed_call_back(spool: Spool) -> None:
    assert not spool.append_event(CALL, "step", "review")
    assert spool.call_ids() == []


def test_a_wrong_key_is_refused(spool: Spool) -> None:
    put(spool, GOOD)
    with pytest.raises(NotInSpool, match="no key"):
        spool.append_event(CALL, "a=b\n1 ended", "x")


# ---------------------------------------------------------------- orphans


@pytest.mark.parametrize(
    ("age", "live", "orphan"),
    [
        (4, frozenset(), False),
        (6, frozenset(), True),
        (6, frozenset({CALL}), False),
        (6, None, False),
        (960, frozenset({CALL}), False),
        (961, frozenset({CALL}), True),
        (961, None, True),
    ],
)
def test_orphans(spool: Spool, age: int, live: frozenset[str] | None, orphan: bool) -> None:
    put(spool, GOOD.replace("ended", "more"))
    found = spool.orphans(START + timedelta(seconds=age), live, max_age_s=960)
    assert bool(found) is orphan


def test_a_call_that_ended_is_no_orphan(spool: Spool) -> None:
    put(spool, GOOD)
    assert spool.orphans(START + timedelta(days=1), frozenset(), max_age_s=960) == []


def test_audio_alone_is_adopted_once_it_is_quiet(spool: Spool) -> None:
    now = START + timedelta(minutes=10)
    paths = [clip(spool, "complaint-1"), clip(spool, "complaint-9")]
    aged(paths[0], now - timedelta(seconds=300))
    aged(paths[1], now - timedelta(seconds=59))
    assert spool.adoptable(now) == []
    aged(paths[1], now - timedelta(seconds=60))
    (call,) = spool.adoptable(now)
    assert (call.call_id, call.caller_raw, call.sidecar) == (CALL, "", None)
    assert (call.started_at, len(call.clips)) == (START, 2)
    put(spool, GOOD)
    assert spool.adoptable(now) == []


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("text", ["phone-1764000000.1", "pbx1-1.0", "A9-12.3"])
def test_call_ids(text: str) -> None:
    assert is_call_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "../x-1.2", "pbx-1-2.3", "pbx1-1.2\n", "pbx1-1.2/..", "pbx1-１.2", "pbx1", "p b-1.2"],
)
def test_what_is_no_call_id(spool: Spool, text: str) -> None:
    assert not is_call_id(text)
    with pytest.raises(NotInSpool):
        spool.read(text)
    with pytest.raises(NotInSpool):
        spool.append_event(text, "step")


@pytest.mark.parametrize(("kind", "take"), [("../x", 1), ("voice", 1), ("name", 0), ("name", -1)])
def test_a_clip_that_is_none_of_ours_has_no_path(spool: Spool, kind: str, take: int) -> None:
    with pytest.raises(NotInSpool):
        spool.clip_path(CALL, kind, take)


def test_links_are_refused_and_never_read(spool: Spool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(GOOD)
    (spool.folder / f"{CALL}.call").symlink_to(secret)
    (spool.folder / f"{CALL}_name-1.wav").symlink_to(secret)
    clip(spool, "complaint-1")
    assert spool.call_ids() == []
    call = spool.read(CALL)
    assert (call.events, [c.kind for c in call.clips]) == ((), ["complaint"])
    with pytest.raises(NotInSpool, match="link"):
        spool.append_event(CALL, "step", "x")
    with pytest.raises(NotInSpool, match="link"):
        spool.clip_path(CALL, "name", 1)


def test_strays_are_named_and_put_aside_unchanged(spool: Spool, tmp_path: Path) -> None:
    now = datetime.now(UTC) + timedelta(minutes=2)
    put(spool, GOOD)
    (spool.folder / "holiday.jpg").write_bytes(b"x")
    (spool.folder / "link").symlink_to(tmp_path / "nowhere")
    (spool.folder / "dir").mkdir()
    strays = spool.strays(now)
    assert [(path.name, why) for path, why in strays] == [
        ("dir", "no ordinary file"),
        ("holiday.jpg", "no name of a call's file"),
        ("link", "a link"),
    ]
    for path, why in strays:
        spool.quarantine(path, why)
    assert spool.strays(now) == []
    assert (spool.quarantine_folder / "holiday.jpg").read_bytes() == b"x"
    assert (spool.quarantine_folder / "link").is_symlink()
    assert (spool.quarantine_folder / "link.reason").read_text() == "a link\n"


def test_quarantine_overwrites_nothing(spool: Spool) -> None:
    first = spool.quarantine(clip(spool, "name-1"), "empty")
    second = spool.quarantine(clip(spool, "name-1"), "empty again")
    assert first != second
    assert second.with_name(second.name + ".reason").read_text() == "empty again\n"


# ---------------------------------------------------------------- clearing


def test_a_filed_call_is_removed_and_removing_it_again_is_harmless(spool: Spool) -> None:
    put(spool, GOOD)
    clip(spool, "complaint-1")
    other = put(spool, GOOD, "pbx1-1764000000.13")
    call = spool.read(CALL)
    spool.remove(call)
    spool.remove(call)
    assert [path.name for path in spool.folder.iterdir()] == [other.name]


def test_a_look_at_some_calls_sees_no_others(spool: Spool) -> None:
    for call_id in ("pbx1-1764000000.1", "pbx1-1764000000.2"):
        spool.open_call(call_id, [("started", "pbx1"), ("ended", "16")])
        spool.clip_path(call_id, "complaint", 1).write_bytes(b"x")
    (spool.folder / "stray").write_bytes(b"")
    look = spool.look({"pbx1-1764000000.2"})
    assert (look.sidecars, look.others) == (("pbx1-1764000000.2",), ())
    assert [call.call_id for call in spool.ready(look)] == ["pbx1-1764000000.2"]
    assert len(spool.ready(look)[0].clips) == 1


def test_a_call_that_goes_on_is_read_again_only_when_its_sidecar_has_grown(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    content_of = sidecars.content_of

    def reading(path: Path) -> bytes | None:
        read.append(path.name)
        return content_of(path)

    monkeypatch.setattr("ivr.spool.content_of", reading)
    spool.open_call("pbx1-1764000000.1", [("started", "pbx1")])
    assert [spool.ready() for _ in range(3)] == [[], [], []]
    assert len(read) == 1
    spool.append_event("pbx1-1764000000.1", "ended", "16")
    assert len(spool.ready()) == 1
    spool.remove(spool.ready()[0])
    spool.open_call("pbx1-1764000000.1", [("started", "pbx1")])
    assert spool.ready() == []
