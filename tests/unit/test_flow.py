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
    Bridge,
    Clip,
    Connected,
    Event,
    Failed,
    Finish,
    FlowState,
    Found,
    Gather,
    HungUp,
    Join,
    Language,
    Listen,
    Lookup,
    NoRoom,
    Note,
    NotFound,
    Placed,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Spelled,
    Started,
    number_prompts,
    step,
)
from ivr.menu import ENTRIES, LANGUAGES, Limits, build_menu
from ivr.menu_out import build_closing_menu, build_officer_menu
from ivr.nodes import (
    ANY_KEY,
    EMERGENCY_KEY,
    AnyNode,
    Choose,
    Connect,
    End,
    Fork,
    Go,
    Menu,
    Outcome,
    Say,
    Seek,
    Speak,
    Spell,
    Take,
    mistakes,
)

NUMBER, PIN = "12345671", "0427"
LIMITS = Limits(operators=True, emergency=True)
FULL = build_menu(LIMITS)
BARE = build_menu()
OFFICER, CLOSING = build_officer_menu(), build_closing_menu()
TABLES = {"full": FULL, "bare": BARE, "officer": OFFICER, "closing": CLOSING}


def spoke(
    kind: str, take: int = 1, speech: float = 3.0, ended_by: str = "silence", key: str | None = None
) -> Recorded:
    return Recorded(Clip(kind, take), speech + 1, speech, ended_by, key)


def quiet(kind: str, take: int = 1) -> Recorded:
    return spoke(kind, take, speech=0.0)


def line_of(action: Action) -> str:
    """One action as one line. Keys: nothing for any, ! for none, !* for the emergency key alone."""
    match action:
        case Play(prompts, keys):
            return f"play {'+'.join(prompts)}{_cut_by(keys)}"
        case ReadNumber(number, prompts, keys):
            pin = f" and {'pin_intro' in prompts}" if "pin_intro" in prompts else ""
            return f"read {prompts[0]} {number}{pin and ' with its PIN'}{_cut_by(keys)}"
        case Ask(prompts, keys, timeout_s):
            return f"ask {'+'.join(prompts)} [{keys}] {timeout_s:g}s"
        case Gather(prompts, most, timeout_s):
            return f"gather {'+'.join(prompts)} {most} {timeout_s:g}s"
        case Record(clip, max_s, silence_s):
            return f"record {clip} {max_s}s/{silence_s}s"
    return _other_line_of(action)


def _other_line_of(action: Action) -> str:
    match action:
        case Listen(clip):
            return f"listen {clip}"
        case Lookup(number, pin):
            return f"lookup {number or '-'} {pin or '-'}"
        case Join(to):
            return f"join {to}"
        case Bridge():
            return f"bridge {action.to} {action.wait_s:g}s #{action.round}"
    return _line_without_answer(action)


def _line_without_answer(action: Action) -> str:
    match action:
        case Language(code):
            return f"language {code}"
        case Note(key, value):
            return f"note {key}={value}"
        case Finish(outcome, complaint):
            return f"finish {outcome} {complaint}"
    raise AssertionError(f"no line for {action}")


def _cut_by(keys: str) -> str:
    return {ANY_KEY: "", "": " !", EMERGENCY_KEY: " !*"}[keys]


def transcript(
    events: Iterable[Event], menu: Menu = FULL, state: FlowState | None = None
) -> list[str]:
    """A call as text: `< event` lines and what the flow did about each. The golden form."""
    state = state or FlowState(menu=menu)
    lines = []
    for event in events:
        state, actions = step(state, event)
        lines.append(f"< {type(event).__name__}")
        lines += [line_of(action) for action in actions]
    return lines


def performed(
    events: Iterable[Event], menu: Menu = FULL, state: FlowState | None = None
) -> list[str]:
    """A call as what was done in it, in order."""
    return [line for line in transcript(events, menu, state) if not line.startswith("<")]


def text(golden: str) -> list[str]:
    return [line.strip() for line in golden.strip().splitlines()]


START = Started(NUMBER, caller_known=True, pin=PIN)
TO_MENU: list[Event] = [START, Silence(), Played()]
TO_RECORDING: list[Event] = [*TO_MENU, Pressed("1"), Played()]
TO_REVIEW: list[Event] = [*TO_RECORDING, spoke("complaint")]
TO_NUMBER: list[Event] = [
    *TO_REVIEW,
    Silence(),
    Played(),
    spoke("name"),
    Played(),
    spoke("village"),
]
TO_END: list[Event] = [*TO_NUMBER, Played(), Played(), Silence(), Played()]
TO_STATUS: list[Event] = [*TO_MENU, Pressed("2"), Spelled(NUMBER), Spelled(PIN)]
TO_QUEUE: list[Event] = [*TO_MENU, Pressed("0"), Placed(), Played()]

# ---------------------------------------------------------------- golden: each way through


def test_a_caller_who_only_speaks_files_a_complaint() -> None:
    speaking: list[Event] = [*TO_MENU, Silence(), *TO_END[4:]]
    assert performed(speaking) == text(
        f"""
        ask welcome+language_id+language_ban+language_en [123] 2s
        language id
        play welcome_consent !*
        note consent=welcome_consent
        ask menu+menu_operator+menu_emergency [120] 3s
        play ask_complaint
        play beep !*
        record complaint-1 180s/4s
        note kept=complaint-1
        ask review [123] 4s
        note review=silence
        play ask_name
        play beep !*
        record name-1 10s/2s
        play ask_village
        play beep !*
        record village-1 10s/2s
        read number_intro {NUMBER} !*
        note number_heard={NUMBER}
        read number_again {NUMBER} with its PIN
        ask repeat [1] 2s
        play thanks
        finish filed complaint-1
        """
    )


def test_one_key_leads_to_the_recording() -> None:
    assert performed(TO_RECORDING)[4:] == text(
        """
        ask menu+menu_operator+menu_emergency [120] 3s
        play ask_complaint
        play beep !*
        record complaint-1 180s/4s
        """
    )


@pytest.mark.parametrize("wrong", [Pressed("7"), Pressed("#")])
def test_wrong_keys_are_forgiven_twice_and_then_the_call_records(wrong: Event) -> None:
    assert performed([*TO_MENU, wrong, Pressed("9"), wrong])[4:] == text(
        """
        ask menu+menu_operator+menu_emergency [120] 3s
        ask menu_again+menu_operator [120] 2s
        ask menu_again+menu_operator [120] 2s
        play ask_complaint
        """
    )


@pytest.mark.parametrize("before", [[], [Pressed("7")]])
def test_whoever_waits_at_the_menu_speaks_at_once(before: list[Event]) -> None:
    assert performed([*TO_MENU, *before, Silence()])[-1] == "play ask_complaint"


def test_a_key_is_taken_after_the_first_forgiveness_too() -> None:
    assert performed([*TO_MENU, Pressed("7"), Pressed("2")])[-1] == "gather ask_number 8 5s"


@pytest.mark.parametrize(("key", "language"), [*LANGUAGES.items(), ("7", "id"), (None, "id")])
def test_the_language_is_chosen_by_key_or_by_silence(key: str | None, language: str) -> None:
    chosen = Pressed(key) if key else Silence()
    assert performed([START, chosen])[1:] == [f"language {language}", "play welcome_consent !*"]


def test_only_the_configured_languages_are_offered() -> None:
    menu = build_menu(Limits(languages=("id", "en")))
    assert performed([START], menu) == ["ask welcome+language_id+language_en [13] 2s"]
    assert performed([START, Pressed("2")], menu)[1] == "language id"
    assert performed([START, Pressed("3")], menu)[1] == "language en"


def test_with_one_language_nobody_is_asked() -> None:
    menu = build_menu(Limits(languages=("id",)))
    assert performed([START, Played()], menu) == [
        *("play welcome", "language id", "play welcome_consent !*")
    ]


def test_a_key_for_operators_is_named_only_where_there_are_some() -> None:
    assert performed(TO_MENU, BARE)[-1] == "ask menu+menu_emergency [120] 3s"
    forgiven = performed([*TO_MENU, Pressed("8")], BARE)
    assert forgiven[-1] == "ask menu_again [120] 2s"


def test_status_says_what_became_of_it_and_can_be_heard_again() -> None:
    said = Found(("state_waiting", "agency_pupr"))
    events: list[Event] = [*TO_STATUS, said, Played(), Pressed("2"), Played(), Silence(), Played()]
    assert performed(events)[4:] == text(
        f"""
        ask menu+menu_operator+menu_emergency [120] 3s
        gather ask_number 8 5s
        gather ask_pin 4 5s
        lookup {NUMBER} {PIN}
        play state_waiting+agency_pupr
        ask status_end+menu_operator [120] 3s
        play state_waiting+agency_pupr
        ask status_end+menu_operator [120] 3s
        play goodbye
        finish served None
        """
    )


def test_after_three_vain_inquiries_the_call_goes_on_to_recording() -> None:
    """The second without a number is about the caller's own, not about the number before."""
    vain: list[Event] = [Played(), Spelled("123"), Spelled("1111"), NotFound(), Played()]
    events: list[Event] = [*TO_STATUS, NotFound(), *vain, Spelled(""), Spelled("12"), Played()]
    assert performed(events)[7:] == text(
        f"""
        lookup {NUMBER} {PIN}
        play not_found
        gather ask_number 8 5s
        gather ask_pin 4 5s
        lookup - 1111
        play not_found
        gather ask_number 8 5s
        gather ask_pin 4 5s
        play not_found
        play ask_complaint
        """
    )


@pytest.mark.parametrize("trouble", [Failed("no database"), Found(())])
def test_status_that_is_not_to_be_had_is_said_and_the_call_records(trouble: Event) -> None:
    assert performed([*TO_STATUS, trouble, Played()])[-2:] == [
        "play status_unavailable",
        "play ask_complaint",
    ]


def test_an_operator_answers_and_the_number_is_read_afterwards() -> None:
    assert performed([*TO_QUEUE, Connected(True), Played()])[4:] == text(
        f"""
        ask menu+menu_operator+menu_emergency [120] 3s
        join operators
        play operators
        bridge operators 30s #1
        read number_intro {NUMBER} !*
        note number_heard={NUMBER}
        read number_again {NUMBER} with its PIN
        """
    )


def test_the_place_in_the_queue_is_told_at_once_and_with_every_offer() -> None:
    place, later = ("queue_position", "digit_2"), ("queue_position", "digit_1")
    waiting: list[Event] = [*TO_MENU, Pressed("0"), Placed(place), Played(), Played()]
    offered: list[Event] = [Connected(False, said=later), Silence(), Connected(False)]
    assert performed([*waiting, *offered, Pressed("1"), Played()])[5:] == text(
        """
        join operators
        play operators
        play queue_position+digit_2
        bridge operators 30s #1
        ask queue_position+digit_1+queue_offer [12] 2s
        bridge operators 30s #2
        ask queue_offer [12] 2s
        play ask_complaint
        play beep !*
        record complaint-1 180s/4s
        """
    )


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("1", ["play ask_complaint"]),
        ("2", ["note call_back=asked", "play call_back"]),
        ("5", ["ask queue_offer [12] 2s"]),
        ("*", ["note urgent=1", "play emergency !"]),
    ],
)
def test_the_keys_of_the_offer_work_during_the_music(key: str, lines: list[str]) -> None:
    before = performed(TO_QUEUE)
    assert performed([*TO_QUEUE, Connected(False, key=key)]) == [*before, *lines]


def test_a_key_at_the_offer_asks_to_be_called_back() -> None:
    assert performed([*TO_QUEUE, Connected(False), Pressed("2"), Played()])[7:] == text(
        """
        bridge operators 30s #1
        ask queue_offer [12] 2s
        note call_back=asked
        play call_back
        finish served None
        """
    )


def test_the_queue_ends_in_a_recording_and_no_operator_at_all_begins_with_it() -> None:
    waiting: list[Event] = [*TO_QUEUE]
    for _ in range(LIMITS.queue_rounds):
        waiting += [Connected(False), Silence()]
    assert performed([*waiting, Connected(False)])[-2:] == [
        f"bridge operators 30s #{LIMITS.queue_rounds + 1}",
        "play no_operator",
    ]
    nobody: list[Event] = [*TO_MENU, Pressed("0"), Failed("nobody")]
    everybody_left: list[Event] = [*TO_QUEUE, Failed("nobody")]
    for menu, events in ((FULL, nobody), (FULL, everybody_left), (BARE, nobody[:-1])):
        assert performed([*events, Played()], menu)[-2:] == [
            "play no_operator",
            "play ask_complaint",
        ]


def test_a_hidden_caller_types_a_number_and_hears_theirs_again_on_a_key() -> None:
    hidden: list[Event] = [
        Started(NUMBER),
        *TO_NUMBER[1:],
        Spelled("081234567"),
        Played(),
        Played(),
    ]
    assert performed([*hidden, Pressed("1"), Played(), Silence(), Played()])[-10:] == text(
        f"""
        gather ask_phone 14 5s
        note phone=081234567
        read number_intro {NUMBER} !*
        note number_heard={NUMBER}
        read number_again {NUMBER}
        ask repeat [1] 2s
        read number_again {NUMBER}
        ask repeat [1] 2s
        play thanks
        finish filed complaint-1
        """
    )


@pytest.mark.parametrize(
    ("mode", "first"),
    [
        ("normal", "ask welcome+language_id+language_ban+language_en [123] 2s"),
        ("announcement", "play announcement"),
        ("emergency_only", "play emergency_only"),
        ("limited", "play welcome"),
        ("no such mode", "ask welcome+language_id+language_ban+language_en [123] 2s"),
    ],
)
def test_the_mode_of_the_line_decides_how_it_begins(mode: str, first: str) -> None:
    assert performed([Started(NUMBER, mode=mode)]) == [first]


@pytest.mark.parametrize("mode", ["emergency_only", "limited"])
def test_a_line_in_a_hurry_takes_recordings_only(mode: str) -> None:
    events: list[Event] = [Started(NUMBER, mode=mode), Played(), Played(), Played()]
    assert performed(events)[1:] == text(
        """
        play welcome_consent !*
        note consent=welcome_consent
        play ask_complaint
        play beep !*
        record complaint-1 180s/4s
        """
    )


# ---------------------------------------------------------------- golden: emergency


def test_emergency_from_the_first_word_is_connected_after_one_sentence() -> None:
    assert performed([START, Pressed("*"), Played(), Connected(True), Played()]) == text(
        f"""
        ask welcome+language_id+language_ban+language_en [123] 2s
        note urgent=1
        play emergency !
        note consent=emergency
        bridge emergency 40s #1
        read number_intro {NUMBER} !
        note number_heard={NUMBER}
        read number_again {NUMBER} with its PIN
        """
    )


def test_an_emergency_that_nobody_answers_is_recorded() -> None:
    events: list[Event] = [
        START,
        Pressed("*"),
        Played(),
        Connected(False),
        Played(),
        spoke("complaint"),
    ]
    assert performed(events)[4:] == text(
        """
        bridge emergency 40s #1
        play emergency_record !
        note consent=emergency_record
        play beep !
        record complaint-1 180s/4s
        note kept=complaint-1
        ask review [123] 4s
        """
    )


def test_an_emergency_from_the_recording_keeps_what_was_said() -> None:
    cut = spoke("complaint", ended_by="key", key="*")
    events: list[Event] = [*TO_RECORDING, cut, Played(), Connected(False), Played()]
    for take in (2, 3):
        events += [quiet("complaint", take), Played()]
    lines = performed([*events, quiet("complaint", 4)])
    assert "note kept=complaint-1" in lines
    assert lines[-2:] == ["record complaint-4 180s/4s", "play ask_name"]


def test_a_consent_cut_by_the_emergency_key_was_not_heard() -> None:
    lines = performed([START, Silence(), Played("*"), Played()])
    assert lines[2:] == text(
        """
        play welcome_consent !*
        note urgent=1
        play emergency !
        note consent=emergency
        bridge emergency 40s #1
        """
    )


def test_an_emergency_whose_texts_cannot_be_played_goes_to_the_fallback_unrecorded() -> None:
    lines = performed([START, Pressed("*"), Failed("no file"), Failed("no file")])
    assert lines[-1] == "finish failed None"
    assert not [line for line in lines if line.startswith(("record", "bridge"))]


def test_without_an_emergency_desk_the_key_records_at_once() -> None:
    assert performed([START, Pressed("*"), Played()], BARE)[1:] == text(
        """
        note urgent=1
        play emergency_record !
        note consent=emergency_record
        play beep !
        record complaint-1 180s/4s
        """
    )


def star(node: AnyNode) -> Event:
    """The emergency key, as a line reports it from this place."""
    match node:
        case Choose():
            return Pressed("*")
        case Spell():
            return Spelled("12", "*")
        case Take():
            return spoke(node.kind, ended_by="key", key="*")
        case Connect():
            return Connected(False, key="*")
    return Played("*")


WAITING = [name for name, node in FULL.items() if not isinstance(node, Speak | Fork | End | Seek)]


@pytest.mark.parametrize("name", WAITING)
def test_the_emergency_key_works_everywhere_and_once(name: str) -> None:
    standing = FlowState(FULL, name, number=NUMBER, consent=True, said=("x",))
    alarmed, actions = step(standing, star(FULL[name]))
    assert alarmed.urgent
    assert actions[-1] == Play(("emergency",), keys="")
    assert Note("urgent", "1") in actions
    again, actions = step(replace(standing, urgent=True), star(FULL[name]))
    assert Note("urgent", "1") not in actions
    assert again.node != name or "again" in name


@pytest.mark.parametrize("name", WAITING)
def test_whatever_is_played_or_asked_can_be_cut_by_the_emergency_key(name: str) -> None:
    """Asking and recording take any key; a text must name the key that cuts it."""
    before = FlowState(FULL, "goodbye", number=NUMBER, consent=True, said=("x",))
    menu = {**FULL, "goodbye": Say(("x",), Go(name))}
    _, actions = step(replace(before, menu=menu), Played())
    for action in actions:
        if isinstance(action, Play | ReadNumber):
            assert EMERGENCY_KEY in action.keys


# ---------------------------------------------------------------- golden: a full disk


def test_a_complaint_that_the_disk_did_not_take_gets_no_number_but_the_reason() -> None:
    lines = performed([*TO_RECORDING, NoRoom("full"), Played()], BARE)
    assert lines[-2:] == ["play no_room !*", "finish served None"]
    assert not [line for line in lines if line.startswith("read")]


def test_with_operators_a_person_answers_instead() -> None:
    lines = performed([*TO_RECORDING, NoRoom("full"), Played(), Played()])
    assert lines[-1] == "bridge operators 30s #1"


def test_what_is_kept_already_gets_its_number_though_the_name_is_lost() -> None:
    events = [*TO_RECORDING, spoke("complaint"), Silence(), Played()]
    lines = performed([*events, NoRoom("full"), Played(), NoRoom("full")])
    assert f"read number_intro {NUMBER} !*" in lines
    assert "play no_room !*" not in lines


def test_a_conversation_that_is_not_on_disk_gets_no_number() -> None:
    events = [*TO_QUEUE, Connected(True, recorded=False), Played()]
    lines = performed(events)
    assert lines[-2:] == ["play goodbye", "finish served None"]


# ---------------------------------------------------------------- golden: review, silence, trouble


def test_silence_is_asked_again_twice_and_then_the_call_ends_politely() -> None:
    events: list[Event] = list(TO_RECORDING)
    for take in (1, 2):
        events += [quiet("complaint", take), Played()]
    events += [quiet("complaint", 3), Played()]
    assert performed(events)[7:] == text(
        """
        record complaint-1 180s/4s
        play heard_nothing
        play beep !*
        record complaint-2 180s/4s
        play heard_nothing
        play beep !*
        record complaint-3 180s/4s
        play goodbye_silent
        finish silent None
        """
    )


def test_a_retake_replaces_the_complaint_and_listening_plays_the_latest() -> None:
    again: list[Event] = [Pressed("3"), Played(), spoke("complaint", 2), Pressed("2")]
    assert performed([*TO_REVIEW, *again])[-7:] == text(
        """
        note review=again
        play ask_complaint
        play beep !*
        record complaint-2 180s/4s
        note kept=complaint-2
        ask review [123] 4s
        listen complaint-2
        """
    )


def test_a_silent_retake_keeps_what_was_said_before() -> None:
    events: list[Event] = [*TO_REVIEW, Pressed("3"), Played()]
    for take in (2, 3):
        events += [quiet("complaint", take), Played()]
    assert performed([*events, quiet("complaint", 4)])[-1] == "play ask_name"


def test_three_retakes_and_the_fourth_wish_accepts() -> None:
    events: list[Event] = list(TO_REVIEW)
    for take in (2, 3, 4):
        events += [Pressed("3"), Played(), spoke("complaint", take)]
    assert performed([*events, Pressed("3")])[-1] == "play ask_name"


def test_a_recording_that_fails_after_a_good_one_does_not_cost_the_good_one() -> None:
    events: list[Event] = [*TO_REVIEW, Pressed("3"), Played(), Failed("disk full"), Silence()]
    assert performed(events)[-1] == "play ask_name"


def test_a_consent_that_could_not_be_played_hands_over_to_the_fallback() -> None:
    assert performed([START, Silence(), Failed("no file")])[-1] == "finish failed None"


@pytest.mark.parametrize("before", [TO_MENU, TO_MENU[:1]])
def test_another_prompt_that_cannot_be_played_does_not_stop_the_call(before: list[Event]) -> None:
    assert performed([*before, Failed("no file")])[-1].startswith("play")


@pytest.mark.parametrize(
    ("key", "ordinal", "said"),
    [
        ("1", 12, ("caller_ordinal", "digit_2", "number_teens", "pause")),
        ("2", 3, ("caller_ordinal", "digit_3", "pause")),
        ("3", 21, ("caller_ordinal", "number_20", "digit_1", "pause")),
        ("1", None, ()),
        ("1", 0, ()),
        ("1", 1_000_000, ()),
    ],
)
def test_before_the_number_stands_which_caller_of_the_day_this_is(
    key: str, ordinal: int | None, said: tuple[str, ...]
) -> None:
    state, begun = FlowState(FULL), Started(NUMBER, caller_known=True, ordinal=ordinal)
    for event in (begun, Pressed(key), *TO_NUMBER[2:]):
        state, actions = step(state, event)
    assert actions == (ReadNumber(NUMBER, said + number_prompts("number_intro", NUMBER), "*"),)


def test_without_a_number_the_caller_is_told_so() -> None:
    events: list[Event] = [Started(None, True), *TO_NUMBER[1:], Played(), Played()]
    assert performed(events)[-3:] == ["play no_number", "play thanks", "finish filed complaint-1"]


@pytest.mark.parametrize("after", range(len(TO_END)))
def test_a_hang_up_in_any_state_ends_the_call_and_keeps_the_complaint(after: int) -> None:
    kept = "complaint-1" if after >= len(TO_REVIEW) else None
    assert performed([*TO_END[:after], HungUp()])[-1] == f"finish hung_up {kept}"


@pytest.mark.parametrize(
    ("table", "name"), [(key, name) for key, menu in TABLES.items() for name in menu]
)
def test_a_hang_up_is_an_ordinary_way_out_of_every_place(table: str, name: str) -> None:
    if isinstance(TABLES[table][name], End):
        return
    kept = Clip("complaint", 1)
    standing = FlowState(TABLES[table], name, consent=True, kept=kept)
    assert step(standing, HungUp())[1] == (Finish(Outcome.HUNG_UP, kept),)


def test_a_hang_up_while_recording_keeps_the_take() -> None:
    cut = spoke("complaint", ended_by="hangup")
    assert performed([*TO_RECORDING, cut])[-2:] == [
        "note kept=complaint-1",
        "finish hung_up complaint-1",
    ]


@pytest.mark.parametrize(("speech", "heard"), [(0.49, False), (0.5, True), (0.51, True)])
def test_the_edge_of_speech(speech: float, heard: bool) -> None:
    lines = performed([*TO_RECORDING, spoke("complaint", speech=speech)])
    assert ("ask review [123] 4s" in lines) is heard


def test_a_number_cut_short_was_not_heard() -> None:
    assert f"note number_heard={NUMBER}" not in performed([*TO_NUMBER, Played("*")])


def test_the_number_is_read_in_pairs() -> None:
    spoken = "number_intro pause digit_1 digit_2 pause digit_3 digit_4 pause digit_5 digit_6"
    assert number_prompts("number_intro", "12345671") == (
        *spoken.split(),
        "pause",
        "digit_7",
        "digit_1",
    )


# ---------------------------------------------------------------- golden: calls out

TO_OFFICER: list[Event] = [Started(), Played(), Spelled("1234"), Found(("ticket",)), Played()]


@pytest.mark.parametrize(
    ("key", "note", "said"),
    [
        ("1", "accept", "officer_accepted"),
        ("2", "return", "officer_returned"),
        ("3", "waiting", "officer_waits"),
    ],
)
def test_an_officer_hears_the_citizen_and_decides_by_one_key(
    key: str, note: str, said: str
) -> None:
    events: list[Event] = [*TO_OFFICER, Played(), Pressed(key), Played(), Played()]
    assert performed(events, OFFICER) == text(
        f"""
        play officer_greeting
        gather officer_pin 4 5s
        lookup - 1234
        play ticket
        listen citizen-1
        ask officer_menu [12345] 5s
        note officer={note}
        play {said}
        play goodbye
        finish served None
        """
    )


def test_an_officer_speaks_the_report() -> None:
    events: list[Event] = [
        *TO_OFFICER,
        Played(),
        Pressed("4"),
        Played(),
        spoke("report"),
        Played(),
        Played(),
    ]
    assert performed(events, OFFICER)[6:] == text(
        """
        play ask_report !
        note consent=ask_report
        play beep !
        record report-1 180s/4s
        note officer=report
        play officer_reported
        play goodbye
        finish served None
        """
    )


def test_who_does_not_know_the_pin_hears_nothing_of_the_citizen() -> None:
    wrong: list[Event] = [Spelled("1234"), NotFound(), Played()]
    events: list[Event] = [Started(), Played(), *wrong, Spelled("12"), Played(), *wrong, Played()]
    lines = performed(events, OFFICER)
    assert lines.count("play wrong_pin") == 3
    assert lines[-2:] == ["play goodbye", "finish served None"]
    assert not [line for line in lines if line.startswith(("listen", "record", "ask"))]


ASKED_WHETHER_SOLVED: list[Event] = [Started(), Played(), Found(("brief",)), Played()]


def test_a_citizen_says_that_it_is_solved() -> None:
    events = [*ASKED_WHETHER_SOLVED, Pressed("1"), Played(), Played()]
    assert performed(events, CLOSING) == text(
        """
        play closing_greeting
        lookup - -
        play brief
        ask closing_menu [12] 5s
        note citizen=solved
        play closing_solved
        play goodbye
        finish served None
        """
    )


def test_a_citizen_says_that_it_is_not_solved_and_why() -> None:
    reason = Recorded(Clip("reason", 1), 5.0, 4.0, "silence")
    events = [*ASKED_WHETHER_SOLVED, Pressed("2"), Played(), Played(), reason, Played()]
    lines = performed(events, CLOSING)
    assert lines[4:8] == [
        "note citizen=not_solved",
        "play closing_not_solved",
        "play ask_reason !",
        "note consent=ask_reason",
    ]
    assert lines[-2:] == ["play goodbye", "finish served None"]


def test_a_citizen_who_says_nothing_leaves_it_unconfirmed() -> None:
    events: list[Event] = [
        Started(),
        Played(),
        NotFound(),
        Silence(),
        Pressed("9"),
        Silence(),
        Played(),
    ]
    lines = performed([*events, Played()], CLOSING)
    assert lines[-3:] == ["play closing_unconfirmed", "play goodbye", "finish served None"]
    assert not [line for line in lines if line.startswith("note")]


# ---------------------------------------------------------------- the tables themselves


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_mistakes(table: str) -> None:
    assert mistakes(TABLES[table]) == []


def test_a_target_that_does_not_exist_is_named() -> None:
    menu = {**BARE, "thanks": Say(("thanks",), Go("nowhere"))}
    assert mistakes(menu) == ["thanks: leads to 'nowhere', which does not exist"]


def test_a_circle_without_a_bound_is_named() -> None:
    menu = {**BARE, "thanks": Say(("thanks",), Go("ask_name"))}
    assert any(line.startswith("thanks: part of a circle") for line in mistakes(menu))


def test_a_bound_without_a_way_out_is_named() -> None:
    menu = dict(BARE)
    review = menu["review"]
    assert isinstance(review, Choose)
    menu["review"] = replace(review, keys={"1": Go("ask_name", at_most=1)})
    assert mistakes(menu) == ["review: at most 1 times, but no `otherwise`"]


def test_a_question_that_nobody_can_answer_is_named() -> None:
    menu = {**BARE, "reachable": Fork("limited", Go("tell_number"), Go("tell_number"))}
    assert mistakes(menu) == ["reachable: asks for 'limited', which nobody knows"]


# ---------------------------------------------------------------- for every sequence of events

keys = st.sampled_from([None, *"12309*#"])
clips = st.builds(Clip, st.sampled_from(["complaint", "name", "village"]), st.integers(1, 9))
events = st.one_of(
    st.builds(Started, st.sampled_from([None, NUMBER]), st.booleans(), mode=st.sampled_from("ab")),
    st.builds(Played, keys),
    st.builds(Pressed, st.sampled_from("0123456789*#ABCD")),
    st.just(Silence()),
    st.builds(Spelled, st.text("0123456789", max_size=16), keys),
    st.builds(
        Recorded,
        clips,
        st.floats(0, 200),
        st.floats(0, 200),
        st.sampled_from(["key", "silence", "timeout", "hangup"]),
        keys,
    ),
    st.builds(Found, st.sampled_from([(), ("state",)])),
    st.just(NotFound()),
    st.builds(Placed, st.sampled_from([(), ("queue_position",)])),
    st.builds(Connected, st.booleans(), keys, st.sampled_from([(), ("queue_position",)])),
    st.just(Failed("x")),
)
tables = st.sampled_from(list(TABLES.values()))
LONGEST_CALL = 120
LONGEST_SILENCE_S = 10.0


def answers(action: Action, draw: st.DrawFn) -> Event:
    """An event that a driver could really answer this action with."""
    match action:
        case Record(clip):
            speech = draw(st.sampled_from([0.0, 0.4, 0.5, 30.0]))
            ended_by = draw(st.sampled_from(["key", "silence", "hangup"]))
            return Recorded(clip, speech, speech, ended_by, draw(keys))
        case Ask():
            return draw(st.one_of(st.just(Silence()), st.sampled_from("1023459*#").map(Pressed)))
        case Gather():
            return Spelled(draw(st.sampled_from(["", "12", PIN, NUMBER])), draw(keys))
        case Play(_, allowed) | ReadNumber(_, _, allowed):
            return Played(draw(st.sampled_from([None, *allowed])))
    return _others_answer(action, draw)


def _others_answer(action: Action, draw: st.DrawFn) -> Event:
    match action:
        case Lookup():
            return draw(st.one_of(st.just(Found(("state",))), st.just(NotFound())))
        case Join():
            return Placed(draw(st.sampled_from([(), ("queue_position", "digit_1")])))
        case Bridge():
            return Connected(draw(st.booleans()), draw(keys))
    return Played(draw(keys))


def trouble_of(dice: int) -> Event | None:
    return HungUp() if dice == 0 else Failed("x") if dice == 1 else None


Walk = list[tuple[Event, FlowState, tuple[Action, ...]]]


@st.composite
def calls(draw: st.DrawFn) -> Walk:
    """A whole call as a driver could live it, with failures and a hang-up anywhere."""
    mode = draw(st.sampled_from(list(ENTRIES)))
    event: Event = Started(draw(st.sampled_from([None, NUMBER])), draw(st.booleans()), PIN, mode)
    state = FlowState(draw(tables))
    walk: Walk = []
    while state.outcome is None and len(walk) <= LONGEST_CALL:
        state, actions = step(state, event)
        walk.append((event, state, actions))
        trouble = draw(st.integers(0, 40))
        event = trouble_of(trouble) or answers(actions[-1], draw)
    return walk


@given(tables, st.lists(events, max_size=300))
def test_no_sequence_of_events_raises_or_gets_stuck(menu: Menu, sequence: list[Event]) -> None:
    state = FlowState(menu)
    for event in sequence:
        state, actions = step(state, event)
        assert actions or state.outcome is not None
    ended, actions = step(state, HungUp())
    assert ended.outcome is not None
    assert step(ended, Played()) == (ended, ())


@given(tables, st.lists(events, min_size=LONGEST_CALL * 2, max_size=LONGEST_CALL * 2))
@settings(max_examples=50)
def test_every_walk_ends(menu: Menu, sequence: list[Event]) -> None:
    state = FlowState(menu)
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
    if spoken:
        assert finish.outcome in (Outcome.FILED, Outcome.HUNG_UP, Outcome.FAILED)


@given(tables, st.lists(events, max_size=100))
def test_nothing_is_recorded_before_consent_was_heard_to_its_end(
    menu: Menu, sequence: list[Event]
) -> None:
    state, heard, saying = FlowState(menu), False, False
    for event in [Started(NUMBER), *sequence]:
        heard = heard or (saying and event == Played())
        state, actions = step(state, event)
        place = menu[state.node]
        saying = isinstance(place, Say) and place.note == "consent"
        assert heard or not [a for a in actions if isinstance(a, Record | Bridge)]


@given(calls())
def test_no_action_leaves_the_caller_in_silence(walk: Walk) -> None:
    """Bridges have music, recordings are the caller's own turn and end by a key."""
    for _, _, actions in walk:
        for action in actions:
            if isinstance(action, Ask | Gather):
                assert 0 < action.timeout_s <= LONGEST_SILENCE_S
                assert action.prompts
            if isinstance(action, Play | ReadNumber):
                assert action.prompts


@given(calls())
def test_no_clip_is_recorded_twice(walk: Walk) -> None:
    taken = [a.clip for _, _, actions in walk for a in actions if isinstance(a, Record)]
    assert len(taken) == len(set(taken))


@given(calls())
def test_an_emergency_is_connected_or_recorded_unless_the_caller_is_gone(walk: Walk) -> None:
    alarmed = [i for i, (_, state, _) in enumerate(walk) if state.urgent]
    failed = any(isinstance(event, Failed) for event, _, _ in walk)
    if not alarmed or failed or walk[-1][1].outcome is Outcome.HUNG_UP:
        return
    after = [action for _, _, actions in walk[alarmed[0] :] for action in actions]
    assert [action for action in after if isinstance(action, Bridge | Record)]
