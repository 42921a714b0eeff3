"""The flow: golden transcripts of whole calls, and what holds for every sequence of events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.flow import (
    Action,
    Ask,
    Clip,
    Event,
    Failed,
    Finish,
    FlowState,
    HungUp,
    Listen,
    Note,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Started,
    number_prompts,
    step,
)
from ivr.menu import Choose, Go, Limits, Outcome, Say, build_menu, mistakes

NUMBER = "12345671"


def spoke(kind: str, take: int = 1, speech: float = 3.0, ended_by: str = "silence") -> Recorded:
    return Recorded(Clip(kind, take), speech + 1, speech, ended_by)


def quiet(kind: str, take: int = 1) -> Recorded:
    return spoke(kind, take, speech=0.0)


def line_of(action: Action) -> str:  # noqa: PLR0911 - one line per kind of action
    match action:
        case Play(prompts, interruptible):
            return f"play {'+'.join(prompts)}{'' if interruptible else ' !'}"
        case Ask(prompts, keys, timeout_s):
            return f"ask {'+'.join(prompts)} [{keys}] {timeout_s:g}s"
        case Record(clip, max_s, silence_s):
            return f"record {clip} {max_s}s/{silence_s}s"
        case Listen(clip):
            return f"listen {clip}"
        case ReadNumber(number, _, interruptible):
            return f"read {number}{'' if interruptible else ' !'}"
        case Note(key, value):
            return f"note {key}={value}"
        case Finish(outcome, complaint):
            return f"finish {outcome} {complaint}"


def transcript(events: Iterable[Event], state: FlowState | None = None) -> list[str]:
    """A call as text: `< event` lines and what the flow did about each. The golden form."""
    state = state or FlowState()
    lines = []
    for event in events:
        state, actions = step(state, event)
        lines.append(f"< {type(event).__name__}")
        lines += [line_of(action) for action in actions]
    return lines


def without_events(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("<")]


TO_REVIEW: list[Event] = [Started(NUMBER), Played(), Played(), spoke("complaint")]
TO_END: list[Event] = [
    Played(),
    spoke("name"),
    Played(),
    spoke("village"),
    Played(),
    Played(),
    Played(),
]


def test_a_caller_who_only_speaks_files_a_complaint() -> None:
    assert transcript([*TO_REVIEW, Silence(), *TO_END]) == [
        "< Started",
        "play welcome_consent !",
        "< Played",
        "note consent=",
        "play ask_complaint",
        "< Played",
        "play beep !",
        "record complaint-1 180s/4s",
        "< Recorded",
        "note kept=complaint-1",
        "ask review [123] 4s",
        "< Silence",
        "note review=silence",
        "play ask_name",
        "< Played",
        "play beep !",
        "record name-1 10s/2s",
        "< Recorded",
        "play ask_village",
        "< Played",
        "play beep !",
        "record village-1 10s/2s",
        "< Recorded",
        f"read {NUMBER} !",
        "< Played",
        f"note number_heard={NUMBER}",
        f"read {NUMBER}",
        "< Played",
        "play thanks",
        "< Played",
        "finish filed complaint-1",
    ]


def test_silence_is_asked_again_twice_and_then_the_call_ends_politely() -> None:
    events: list[Event] = [Started(NUMBER), Played(), Played()]
    for take in (1, 2):
        events += [quiet("complaint", take), Played()]
    events += [quiet("complaint", 3), Played()]
    assert without_events(transcript(events))[4:] == [
        "record complaint-1 180s/4s",
        "play heard_nothing",
        "play beep !",
        "record complaint-2 180s/4s",
        "play heard_nothing",
        "play beep !",
        "record complaint-3 180s/4s",
        "play goodbye_silent",
        "finish silent None",
    ]


def test_a_retake_replaces_the_complaint_and_listening_plays_the_latest() -> None:
    again: list[Event] = [Pressed("3"), Played(), spoke("complaint", 2), Pressed("2")]
    assert without_events(transcript([*TO_REVIEW, *again]))[-7:] == [
        "note review=again",
        "play ask_complaint",
        "play beep !",
        "record complaint-2 180s/4s",
        "note kept=complaint-2",
        "ask review [123] 4s",
        "listen complaint-2",
    ]


def test_a_silent_retake_keeps_what_was_said_before() -> None:
    events: list[Event] = [*TO_REVIEW, Pressed("3"), Played()]
    for take in (2, 3):
        events += [quiet("complaint", take), Played()]
    assert without_events(transcript([*events, quiet("complaint", 4)]))[-1] == "play ask_name"


def test_three_retakes_and_the_fourth_wish_accepts() -> None:
    events: list[Event] = list(TO_REVIEW)
    for take in (2, 3, 4):
        events += [Pressed("3"), Played(), spoke("complaint", take)]
    assert without_events(transcript([*events, Pressed("3")]))[-1] == "play ask_name"


def test_a_recording_that_fails_after_a_good_one_does_not_cost_the_good_one() -> None:
    events: list[Event] = [*TO_REVIEW, Pressed("3"), Played(), Failed("disk full"), Silence()]
    assert without_events(transcript(events))[-1] == "play ask_name"


def test_a_consent_that_could_not_be_played_hands_over_to_the_fallback() -> None:
    assert transcript([Started(NUMBER), Failed("no file")])[-1] == "finish failed None"


def test_another_prompt_that_cannot_be_played_does_not_stop_the_call() -> None:
    lines = transcript([Started(NUMBER), Played(), Failed("no file")])
    assert lines[-1] == "record complaint-1 180s/4s"


def test_without_a_number_the_caller_is_told_so() -> None:
    events: list[Event] = [
        Started(None),
        *TO_REVIEW[1:],
        Silence(),
        *TO_END[:4],
        Played(),
        Played(),
    ]
    assert without_events(transcript(events))[-3:] == [
        "play no_number",
        "play thanks",
        "finish filed complaint-1",
    ]


@pytest.mark.parametrize("after", range(len(TO_REVIEW) + 1 + len(TO_END)))
def test_a_hang_up_in_any_state_ends_the_call_and_keeps_the_complaint(after: int) -> None:
    events = [*TO_REVIEW, Silence(), *TO_END][:after]
    kept = "complaint-1" if after >= len(TO_REVIEW) else None
    assert transcript([*events, HungUp()])[-1] == f"finish hung_up {kept}"


def test_a_hang_up_while_recording_keeps_the_take() -> None:
    cut = spoke("complaint", ended_by="hangup")
    assert transcript([*TO_REVIEW[:3], cut])[-2:] == [
        "note kept=complaint-1",
        "finish hung_up complaint-1",
    ]


@pytest.mark.parametrize(("speech", "heard"), [(0.49, False), (0.5, True), (0.51, True)])
def test_the_edge_of_speech(speech: float, heard: bool) -> None:
    lines = transcript([*TO_REVIEW[:3], spoke("complaint", speech=speech)])
    assert ("ask review [123] 4s" in lines) is heard


def test_the_number_is_read_in_pairs() -> None:
    spoken = "number_intro pause digit_1 digit_2 pause digit_3 digit_4 pause digit_5 digit_6"
    assert number_prompts("number_intro", "12345671") == (
        *spoken.split(),
        "pause",
        "digit_7",
        "digit_1",
    )


# ---------------------------------------------------------------- the table itself


def test_the_menu_has_no_mistakes() -> None:
    assert mistakes(build_menu()) == []


def test_a_target_that_does_not_exist_is_named() -> None:
    menu = {**build_menu(), "thanks": Say(("thanks",), Go("nowhere"))}
    assert mistakes(menu) == ["thanks: leads to 'nowhere', which does not exist"]


def test_a_circle_without_a_bound_is_named() -> None:
    menu = {**build_menu(), "thanks": Say(("thanks",), Go("ask_name"))}
    assert any(line.startswith("thanks: part of a circle") for line in mistakes(menu))


def test_a_bound_without_a_way_out_is_named() -> None:
    menu = dict(build_menu())
    review = menu["review"]
    assert isinstance(review, Choose)
    menu["review"] = replace(review, keys={"1": Go("ask_name", at_most=1)})
    assert mistakes(menu) == ["review: at most 1 times, but no `otherwise`"]


# ---------------------------------------------------------------- for every sequence of events

clips = st.builds(Clip, st.sampled_from(["complaint", "name", "village"]), st.integers(1, 9))
events = st.one_of(
    st.builds(Started, st.sampled_from([None, NUMBER]), st.booleans()),
    st.builds(Played, st.sampled_from([None, "1", "#"])),
    st.builds(Pressed, st.sampled_from("0123456789*#ABCD")),
    st.just(Silence()),
    st.builds(
        Recorded,
        clips,
        st.floats(0, 200),
        st.floats(0, 200),
        st.sampled_from(["key", "silence", "timeout", "hangup"]),
    ),
    st.just(Failed("x")),
)
LONGEST_CALL = 60


def answers(actions: tuple[Action, ...], draw: st.DrawFn) -> Event:
    """An event that a driver could really answer with."""
    last = actions[-1]
    if isinstance(last, Record):
        speech = draw(st.sampled_from([0.0, 0.4, 0.5, 30.0]))
        return Recorded(last.clip, speech, speech, draw(st.sampled_from(["key", "hangup"])))
    if isinstance(last, Ask):
        return draw(st.one_of(st.just(Silence()), st.sampled_from("123459*#").map(Pressed)))
    return Played(draw(st.sampled_from([None, "1"])))


def trouble_of(dice: int) -> Event | None:
    return HungUp() if dice == 0 else Failed("x") if dice == 1 else None


Walk = list[tuple[Event, FlowState, tuple[Action, ...]]]


@st.composite
def calls(draw: st.DrawFn) -> Walk:
    """A whole call as a driver could live it, with failures and a hang-up anywhere."""
    event: Event = Started(draw(st.sampled_from([None, NUMBER])))
    state = FlowState()
    walk: Walk = []
    while state.outcome is None and len(walk) <= LONGEST_CALL:
        state, actions = step(state, event)
        walk.append((event, state, actions))
        trouble = draw(st.integers(0, 30))
        event = trouble_of(trouble) or answers(actions, draw)
    return walk


@given(st.lists(events, max_size=300))
def test_no_sequence_of_events_raises_or_gets_stuck(sequence: list[Event]) -> None:
    state = FlowState()
    for event in sequence:
        state, actions = step(state, event)
        assert state.outcome is None or isinstance(actions, tuple)
    ended, actions = step(state, HungUp())
    assert ended.outcome is not None
    assert step(ended, Played()) == (ended, ())


@given(st.lists(events, min_size=LONGEST_CALL * 3, max_size=LONGEST_CALL * 3))
@settings(max_examples=50)
def test_every_walk_ends(sequence: list[Event]) -> None:
    state = FlowState()
    for event in sequence:
        state, _ = step(state, event)
    assert state.outcome is not None


@given(calls())
def test_a_real_call_ends_once_within_bounds(walk: Walk) -> None:
    finishes = [a for _, _, actions in walk for a in actions if isinstance(a, Finish)]
    assert len(finishes) == 1
    assert len(walk) <= LONGEST_CALL


@given(calls())
def test_a_complaint_with_speech_is_never_lost(walk: Walk) -> None:
    speech_s = Limits().speech_s
    spoken = [
        event.clip
        for event, _, _ in walk
        if isinstance(event, Recorded)
        and event.clip.kind == "complaint"
        and event.speech_seconds >= speech_s
    ]
    finish = walk[-1][2][-1]
    assert isinstance(finish, Finish)
    assert finish.complaint == (spoken[-1] if spoken else None)
    if finish.outcome is Outcome.SILENT:
        assert not spoken


@given(st.lists(events, max_size=100))
def test_consent_comes_first_and_nothing_is_recorded_without_it(sequence: list[Event]) -> None:
    state, heard = FlowState(), False
    for event in sequence:
        state, actions = step(state, event)
        for action in actions:
            heard = heard or (isinstance(action, Note) and action.key == "consent")
            if not heard and isinstance(action, Play | Ask | ReadNumber | Listen):
                assert action == Play(("welcome_consent",), interruptible=False)
            assert heard or not isinstance(action, Record)


@given(calls())
def test_no_clip_is_recorded_twice(walk: Walk) -> None:
    taken = [a.clip for _, _, actions in walk for a in actions if isinstance(a, Record)]
    assert len(taken) == len(set(taken))
