"""Ten times as many telephones as the line has places, one in ten real: the real ones get in.

The flood is of three kinds, in equal parts: a few numbers known for their pranks, hidden callers,
and one address that shows another number each time. Nobody of them speaks or hangs up, and
whoever is refused is back half a second later. Real callers have a number and one call; they arrive
spread over the time, speak, and redial a few times when they hear that the line is busy. The
last of them call when the application is gone: the exchange alone is no weaker.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from ivr.asterisk import LineServer, LineSettings, serve
from ivr.caller import Beep, CallPlan, CallResult, HangUp, Heard, Press, Say, place_call
from ivr.caller.script import After, read_audio
from ivr.menu import Limits, build_menu
from ivr.numbers import make_number
from ivr.resting import Resting
from ivr.spool import Spool, SpooledCall
from ivr.wav import duration
from tests.line import noises
from tests.line.asterisk import RunningAsterisk, reserve, start, until
from tests.line.flood import Attacker, Flood
from tests.line.noises import book_of, keys_of, make_noises, noise

LIMITS = Limits(
    complaint_s=6,
    complaint_silence_s=1,
    short_s=0.5,
    short_silence_s=0.5,
    language_wait_s=0.1,
    menu_wait_s=0.1,
    again_wait_s=0.1,
    review_wait_s=0.1,
)
SPOKEN = read_audio(Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav")[:12000]
SHORT = {"welcome_consent": 0.5, "number_again": 0.4}
OFFICE = "127.0.0.9"  # an address that is not the trunk's
REPEATERS = 3
HIDDEN = "anonymous"
REDIALS = 6
REDIAL_S = 2.0
EACH_S = 1.7  # from one real caller to the next, for ten places
PER_CALLER = 2


def source_places(places: int) -> int:
    return max(1, places // 10)


@dataclass
class Storm:
    """An exchange of few places, the application on it, and how many real people call."""

    pbx: RunningAsterisk
    spool: Spool
    server: LineServer
    people: int

    @property
    def places(self) -> int:
        return self.pbx.settings.max_calls

    def sidecars(self) -> dict[str, str]:
        """What was written down of every call, thousands of refused ones among them."""
        return {path.stem: path.read_text() for path in self.spool.folder.glob("*.call")}

    def real(self, caller: str, plan: CallPlan) -> tuple[int, CallResult]:
        """How often this caller had to dial, and the last call."""
        line, attempt = f"sip:5501000@127.0.0.1:{self.pbx.sip_port}", 1
        while not (result := place_call(line, plan)).answered and attempt < REDIALS:
            time.sleep(REDIAL_S)
            attempt += 1
        return attempt, result


@pytest.fixture(
    params=[
        (10, 6),
        pytest.param((60, 60), marks=[pytest.mark.endurance, pytest.mark.timeout(900)]),
    ],
    ids=["ten places", "sixty places"],
)
def storm(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Storm]:
    folder, (places, people) = tmp_path_factory.mktemp("pbx"), request.param
    monkeypatch.setattr(noises, "USUAL_S", 0.2)  # a real call is short: a place is free sooner
    monkeypatch.setattr(noises, "SECONDS", noises.SECONDS | SHORT)
    reserve(folder / "numbers", *(make_number(serial) for serial in range(5000)))
    book = make_noises(folder / "prompts", "id", keys_of(build_menu(LIMITS)))
    pbx = start(
        folder,
        prompts=book.folder,
        sip_allow=("127.0.0.0/8",),
        max_calls=places,
        max_calls_per_caller=PER_CALLER,
        max_calls_per_source=source_places(places),
    )
    settings = LineSettings(
        pbx.spool,
        folder / "quarantine",
        folder / "prompts",
        port=pbx.settings.agi_port,
        limits=LIMITS,
        max_calls=places,
        resting=Resting(pbx.settings.resting),
    )
    settings.resting.hold(f"0811{n}" for n in range(REPEATERS))  # known for their pranks
    server = serve(settings, books=lambda: {"id": book_of(book.folder)})
    server.start()
    yield Storm(pbx, Spool(settings.spool, settings.quarantine), server, people)
    server.stop()
    pbx.stop()


def attackers(places: int) -> list[Attacker]:
    """Nine for each place."""
    kinds = (
        [Attacker("127.0.0.1", f"0811{n % REPEATERS}") for n in range(3 * places)],
        [Attacker("127.0.0.1", HIDDEN) for _ in range(3 * places)],
        [Attacker(OFFICE, "*") for _ in range(3 * places)],
    )
    return [attacker for kind in kinds for attacker in kind]


def most_at_once(calls: list[SpooledCall]) -> int:
    """Calls in at once: each from its number, which is taken just behind the door."""
    changes = sorted(
        (at, step) for call in calls for at, step in ((came_in(call), 1), (call.ended_at, -1))
    )
    now = most = 0
    for _, step in changes:
        now += step
        most = max(most, now)
    return most


def came_in(call: SpooledCall) -> datetime:
    return next(event.at for event in call.events if event.key == "number")


def test_real_callers_get_in_while_the_line_is_flooded(storm: Storm) -> None:
    places, people = storm.places, storm.people
    said_twice = HangUp(Heard(noise("id", "number_again")))
    plan = CallPlan((Say(SPOKEN, Beep()), said_twice))
    callers = [f"0822{n:06d}" for n in range(people)]
    with Flood(storm.pbx.sip_port, attackers(places)) as flood, ThreadPoolExecutor(people) as pool:
        until(lambda: flood.refused > 9 * places, 30)
        futures: list[Future[tuple[int, CallResult]]] = []
        for caller in callers:
            one = replace(plan, caller=caller)
            if caller == callers[people // 4]:  # one of them in an emergency
                one = replace(one, steps=(Press("*", After(0.3)), *plan.steps))
            if caller == callers[people * 7 // 10]:
                futures[0].result()  # one at least is served by the application to the end
                storm.server.stop()
            futures.append(pool.submit(storm.real, caller, one))
            time.sleep(EACH_S * 10 / places)
        results = dict(zip(callers, (future.result() for future in futures), strict=True))
    until(lambda: all(" ended=" in text for text in storm.sidecars().values()), 30)
    tries = Counter(attempt for attempt, result in results.values() if result.answered)
    answered = sum(tries.values())
    calls = storm.sidecars()
    refused = {call_id for call_id, text in calls.items() if " refused=" in text}
    let_in = [storm.spool.read(call_id) for call_id in calls if call_id not in refused]
    print(
        f"{places} places, {len(calls)} calls ({flood.answered} of the flood answered, "
        f"{flood.refused} refused); {answered} of {people} real ones answered, by attempt "
        f"{dict(sorted(tries.items()))}; at most {most_at_once(let_in)} at once"
    )
    assert answered >= 0.95 * people
    assert flood.refused > 9 * places
    assert not [call_id for call_id in refused if " number=" in calls[call_id]]
    recorded = {path.name.partition("_")[0] for path in storm.spool.folder.glob("*_*")}
    assert recorded and not recorded & refused
    assert most_at_once(let_in) <= places
    spoke: set[str] = set()
    for caller in callers:
        done = [call for call in let_in if call.caller_raw == caller]
        if results[caller][1].answered:
            assert done[-1].number_heard_at, done[-1].events
            assert max(duration(c.path) for c in done[-1].clips_of("complaint")) > 1.3
            if done[-1].mode in ("app", "fallback-refused"):  # held by one of them to the end
                spoke.add(done[-1].mode)
                assert not rests(storm, caller)
    assert spoke == {"app", "fallback-refused"}
    urgent = [call for call in let_in if any(e.key == "urgent" for e in call.events)]
    assert [call.caller_raw for call in urgent] == [callers[people // 4]]
    assert_fair(let_in, places)


def rests(storm: Storm, caller: str) -> bool:
    """Whether this telephone is marked as one that called and did not speak."""
    name = hashlib.md5(caller.encode(), usedforsecurity=False).hexdigest()
    mark = storm.pbx.settings.resting / name
    return mark.exists() and mark.read_text().startswith("1")


def assert_fair(let_in: list[SpooledCall], places: int) -> None:
    """Nobody has more than their share."""
    crowd = [call for call in let_in if call.caller_raw == HIDDEN]
    assert most_at_once(crowd) <= places // 2
    for n in range(REPEATERS):
        assert most_at_once([c for c in let_in if c.caller_raw == f"0811{n}"]) <= PER_CALLER
    office = [call for call in let_in if len(call.caller_raw) == 12 and call.caller_raw[:2] == "08"]
    assert most_at_once(office) <= source_places(places)
