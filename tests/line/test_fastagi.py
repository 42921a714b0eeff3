"""The driver on a real Asterisk: real SIP calls that speak, press keys, hang up and hear."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ivr.asterisk import LineServer, LineSettings, serve
from ivr.caller import After, Beep, CallPlan, CallResult, HangUp, place_calls, speaking
from ivr.caller.g711 import Samples
from ivr.caller.hearing import heard_numbers, heard_prompts, spoken_within
from ivr.caller.script import Say, read_audio
from ivr.menu import Limits, build_menu
from ivr.numbers import make_number
from ivr.prompt_making import make
from ivr.prompts import TABLE
from ivr.speaking import speak
from ivr.spool import Spool, SpooledCall
from ivr.wav import duration
from tests.line.asterisk import RunningAsterisk, reserve, start, until
from tests.line.noises import DIGITS, keys_of

COMPLAINT = "Lampu jalan di depan pasar Kintamani mati sejak tiga hari yang lalu"
LIMITS = Limits(
    complaint_silence_s=2,
    short_silence_s=1,
    language_wait_s=0.3,
    menu_wait_s=0.3,
    again_wait_s=0.3,
    review_wait_s=1.5,
)
# On a busy machine a lost frame of 20 ms hides a short prompt from the recogniser, as it would
# from a person: that is why the number is read twice, and one reading heard right is enough.
UNRECOGNISED = 2
# The shipped prompts take a minute a call; these say a word or two each, or nothing where
# `test_menu_ways` walks.
NOTHING = dict.fromkeys(keys_of(build_menu(LIMITS)), "silence:0.05")
SHORT = {
    "welcome": "Layanan aduan.",
    "language_id": "Indonesia.",
    "language_ban": "Bali.",
    "language_en": "Inggris.",
    "menu": "Lapor atau status?",
    "menu_again": "Lapor?",
    "repeat": "Ulangi?",
    "welcome_consent": "Panggilan ini direkam.",
    "ask_complaint": "Silakan bicara.",
    "heard_nothing": "Belum terdengar.",
    "review": "Kirim, dengar, ulangi?",
    "ask_name": "Siapa nama Anda?",
    "ask_village": "Dari desa mana?",
    "number_again": "Sekali lagi",
    "thanks": "Terima kasih banyak.",
    "goodbye_silent": "Sampai jumpa kembali.",
    "fallback_intro": "Sistem terganggu.",
    "pause": "silence:0.1",
}
KEPT = ("beep", "number_intro", "failed")


@dataclass
class Exchange:
    """A real exchange and the settings of the application that belongs to it."""

    pbx: RunningAsterisk
    settings: LineSettings

    @property
    def spool(self) -> Spool:
        return Spool(self.settings.spool, self.settings.quarantine)

    @property
    def files(self) -> dict[str, Path]:
        return {path.stem: path for path in (self.settings.prompts / "id").glob("*.wav")}

    def calls(self, *plans: CallPlan) -> list[CallResult]:
        return place_calls(f"sip:5501000@127.0.0.1:{self.pbx.sip_port}", plans)

    def numbers(self, result: CallResult) -> list[str]:
        return heard_numbers(result.heard, self.files)

    def prompts(self, result: CallResult) -> list[str]:
        heard = [key for _, key in heard_prompts(result.heard, self.files)]
        return [key for key in heard if not key.startswith("digit_")]

    def filed(self, caller: str) -> SpooledCall:
        """The finished call of this caller."""

        def ended() -> list[SpooledCall]:
            return [call for call in self.spool.ready() if call.caller_raw == caller]

        return until(ended)[0]

    @contextmanager
    def application(self, limits: Limits | None = None) -> Iterator[LineServer]:
        running = serve(replace(self.settings, limits=limits or self.settings.limits))
        running.start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    folder = tmp_path_factory.mktemp("pbx")
    prompts = _short_prompts(folder)
    reserve(folder / "numbers", *(make_number(serial) for serial in range(1, 201)))
    pbx = start(folder, prompts=prompts / "id", handover_seconds=8)
    port = pbx.settings.agi_port
    settings = LineSettings(pbx.spool, folder / "quarantine", prompts, port=port, limits=LIMITS)
    yield Exchange(pbx, settings)
    pbx.stop()


def _short_prompts(folder: Path) -> Path:
    shipped = tomllib.loads(TABLE.read_text(encoding="utf-8"))["id"]
    unsaid = {key: text for key, text in NOTHING.items() if key not in DIGITS}
    said = {**shipped, **unsaid, **{key: shipped[key] for key in KEPT}, **SHORT}
    lines = [f'{key} = "{text}"\n' for key, text in said.items()]
    (folder / "prompts.toml").write_text("[id]\n" + "".join(lines), encoding="utf-8")
    make(folder / "prompts", table=folder / "prompts.toml")
    return folder / "prompts"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    path = tmp_path_factory.mktemp("speech") / "complaint.wav"
    speak(COMPLAINT, path)
    return read_audio(path)


@dataclass
class Done:
    """What a caller heard, and what the spool holds of the call."""

    result: CallResult
    call: SpooledCall
    numbers: list[str]
    prompts: list[str]


HANG_UPS = (0.2, 1.0, 2.5, 9.0)
CROWD = 20


@pytest.fixture(scope="module")
def done(exchange: Exchange, spoken: Samples) -> dict[str, Done]:
    """All at once: callers of each kind, and a crowd who only speak; by caller ID."""
    plans = {
        "0811001": CallPlan(speaking(spoken)),
        "0811002": CallPlan(speaking(spoken, keys="121")),
        "0811003": CallPlan(speaking(spoken), hangup_after=2.0),
        "0811004": CallPlan(),
        **{f"08119{int(s * 10):02d}": CallPlan((HangUp(After(s)),)) for s in HANG_UPS},
        **{f"0812{n:03d}": CallPlan(speaking(spoken), start_after=0.1 * n) for n in range(CROWD)},
    }
    with exchange.application() as application:
        results = exchange.calls(*(replace(plan, caller=who) for who, plan in plans.items()))
        until(lambda: application.calls() == 0)
    return {
        who: Done(result, exchange.filed(who), exchange.numbers(result), exchange.prompts(result))
        for who, result in zip(plans, results, strict=True)
    }


def values_of(call: SpooledCall, key: str) -> list[str]:
    return [event.value for event in call.events if event.key == key]


def heard_right(call: SpooledCall, numbers: list[str]) -> bool:
    """Whether one of the two readings arrived whole (the words between them may be missed)."""
    return call.number is not None and call.number in "".join(numbers)


def lost_seconds(call: SpooledCall, spoken: Samples) -> float:
    """Of the take that counts: a caller who did not catch the beep speaks at the next one."""
    (path,) = [clip.path for clip in call.clips if f"{clip.kind}-{clip.take}" == call.kept]
    _, there = spoken_within(read_audio(path), spoken)
    return len(spoken) / 8000 - there


def test_speaking_alone_files_a_complaint_and_reads_the_number_twice(
    done: dict[str, Done], spoken: Samples
) -> None:
    one = done["0811001"]
    assert one.result.ended_by == "line"
    assert one.call.number
    assert heard_right(one.call, one.numbers)
    assert values_of(one.call, "step") == [
        "language", "welcome", "menu", "ask_complaint", "record_complaint",
        "review", "ask_name", "record_name", "ask_village", "record_village",
        "tell_number", "tell_again", "repeat", "thanks", "end",
    ]  # fmt: skip
    said = [
        "welcome_consent", "ask_complaint", "beep", "review", "ask_name", "beep",
        "ask_village", "beep", "number_intro", "number_again", "thanks",
    ]  # fmt: skip
    heard = [prompt for prompt in one.prompts if prompt in said]  # the menus are words here
    remaining = iter(said)
    assert all(prompt in remaining for prompt in heard)
    assert len(said) - len(heard) <= UNRECOGNISED
    assert (one.call.mode, one.call.review, one.call.kept) == ("app", "silence", "complaint-1")
    assert one.call.consent_at
    assert one.call.number_heard_at
    assert lost_seconds(one.call, spoken) <= 0.3


def test_keys_are_shortcuts(done: dict[str, Done]) -> None:
    one = done["0811002"]
    assert heard_right(one.call, one.numbers)
    assert "listen" in values_of(one.call, "step")
    assert one.call.review == "accepted"
    assert values_of(one.call, "clip_status")[0] == "DTMF"


def test_a_hang_up_while_speaking_keeps_every_word(done: dict[str, Done]) -> None:
    call = done["0811003"].call
    assert call.kept == "complaint-1"
    assert values_of(call, "clip_status") == ["HANGUP"]
    assert duration(call.clips_of("complaint")[0].path) == pytest.approx(2.0, abs=0.3)
    assert call.number_heard_at is None


@pytest.mark.parametrize("seconds", HANG_UPS)
def test_a_hang_up_before_a_word_is_a_finished_call(done: dict[str, Done], seconds: float) -> None:
    call = done[f"08119{int(seconds * 10):02d}"].call
    assert (call.kept, call.number_heard_at) == ("", None)
    assert bool(call.consent_at) is (seconds > 3)


def test_saying_nothing_is_asked_twice_and_ends(done: dict[str, Done]) -> None:
    one = done["0811004"]
    assert values_of(one.call, "step").count("heard_nothing") == 2
    assert values_of(one.call, "step")[-2:] == ["goodbye_silent", "silent"]
    assert set(one.prompts) & {"heard_nothing", "goodbye_silent"}
    assert [clip.take for clip in one.call.clips_of("complaint")] == [1, 2, 3]


def test_a_crowd_at_once_loses_nothing(done: dict[str, Done], spoken: Samples) -> None:
    crowd = [one for who, one in done.items() if who.startswith("0812")]
    assert [one.result.ended_by for one in crowd] == ["line"] * CROWD
    assert all(one.call.number_heard_at for one in crowd)
    assert sum(heard_right(one.call, one.numbers) for one in crowd) >= CROWD - 2
    assert len({one.call.number for one in crowd}) == CROWD
    assert max(lost_seconds(one.call, spoken) for one in crowd) <= 0.3


@pytest.mark.endurance  # in `make test` a whole line process dies: test_line_process
def test_the_application_dies(exchange: Exchange, spoken: Samples) -> None:
    """After the complaint the fallback only reads the number; during it, it asks once more."""
    after = CallPlan(speaking(spoken), caller="0813001")
    during = CallPlan((Say(spoken), Say(spoken)), caller="0813002", start_after=4.0)
    with exchange.application() as application:
        killer = threading.Thread(target=_stop, args=(exchange, application))
        killer.start()
        results = exchange.calls(after, during)
        killer.join()
    calls = [exchange.filed(plan.caller) for plan in (after, during)]
    for result, call in zip(results, calls, strict=True):
        assert call.mode == "fallback-died"
        assert len(values_of(call, "consent")) == 1
        assert exchange.prompts(result).count("welcome_consent") <= 1
        assert heard_right(call, exchange.numbers(result))
    assert "fallback_intro" not in exchange.prompts(results[0])
    assert [clip.take for clip in calls[0].clips] == [1]
    assert [clip.take for clip in calls[1].clips] == [1, 9]


def _stop(exchange: Exchange, application: LineServer) -> None:
    """As soon as one caller has spoken and another is speaking."""

    def both() -> bool:
        spool = exchange.spool
        live = [call for call in map(spool.read, spool.call_ids()) if not call.ended_at]
        return {"review", "record_complaint"} <= {
            values_of(call, "step")[-1] for call in live if values_of(call, "step")
        }

    until(both, 60)
    application.stop()


@pytest.mark.endurance  # in `make test` a whole line process hangs: test_line_process
def test_the_application_hangs(
    exchange: Exchange, spoken: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    awake = threading.Event()
    monkeypatch.setattr(
        "ivr.performing.speech_at_once", lambda path, plenty_s: float(awake.wait(120))
    )
    with exchange.application(replace(LIMITS, complaint_s=6)):
        plan = CallPlan((Say(spoken), Say(spoken, Beep())), caller="0813003")
        (result,) = exchange.calls(plan)
        call = exchange.filed("0813003")
        awake.set()
    assert call.mode == "fallback-hung"
    assert heard_right(call, exchange.numbers(result))
    assert [clip.take for clip in call.clips] == [1, 9]
