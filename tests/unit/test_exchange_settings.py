"""What is rendered for the exchange: nothing hostile, nothing that was not asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callcenter.gateways.asterisk import (
    AsteriskSettings,
    CallsOut,
    Operator,
    SettingsError,
    Tls,
    Trunk,
    render,
)
from callcenter.gateways.parts import Parts

PARTS = Parts((), "/usr/lib/asterisk/modules", "/usr/share/asterisk", (), "")
TRUNK = Trunk("sip.example.org", "03665501000", "trunk-secret")
DESK = "sip:desk@10.0.0.5"
OPERATORS = (Operator("op1", "a-secret-of-op1"), Operator("op2", "a-secret-of-op2"))


@pytest.fixture
def bare(tmp_path: Path) -> AsteriskSettings:
    """A line without an emergency desk and without operators."""
    return AsteriskSettings(
        *("pbx1", tmp_path / "state", tmp_path / "spool", tmp_path / "prompts"),
        *(tmp_path / "numbers", "ami-secret"),
        dialler_secret="dialler-secret",
    )


#: Where the ends of our own calls are noted: `aduan-ended` leads there.
OVER = {"aduan-out-over", "aduan-out-ended", "aduan-unanswered"}


def rendered(settings: AsteriskSettings) -> dict[str, str]:
    render(settings, PARTS)
    return {path.name: path.read_text() for path in settings.etc.glob("*.conf")}


def contexts(extensions: str) -> dict[str, str]:
    """The text of each context, without its comments."""
    kept = "\n".join(line for line in extensions.splitlines() if not line.startswith(";"))
    parts = re.split(r"^\[([a-z-]+)\]$", kept, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def reachable(found: dict[str, str], first: str) -> set[str]:
    """Every context that a call in `first` can come to by itself."""
    seen, todo = set(), [first]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [other for other in found if re.search(rf"\b{other}\b(?!-)", found[name])]
    return seen


def test_the_way_in_never_leads_out(bare: AsteriskSettings) -> None:
    full = replace(bare, emergency=DESK, operators=OPERATORS)
    found = contexts(rendered(full)["extensions.conf"])
    within = reachable(found, "aduan-inbound")
    assert {"aduan-call", "aduan-fallback", "aduan-busy"} <= within
    outward = {name for name, text in found.items() if re.search(r"\b(Dial|Queue)\(", text)}
    assert outward == {"aduan-emergency", "aduan-operators"}
    assert not within & outward


def test_a_caller_may_hang_up_anywhere_and_the_call_ends_in_its_sidecar(
    bare: AsteriskSettings,
) -> None:
    """Between two priorities Asterisk looks for h in the context it is in, and nowhere else."""
    full = replace(bare, emergency=DESK, operators=OPERATORS)
    for settings in (bare, full, replace(full, trunk=TRUNK, calls_out=CallsOut())):
        found = contexts(rendered(settings)["extensions.conf"])
        callers = set(found) - {"general", "globals", "aduan-nowhere", "aduan-ended"} - OVER
        ends = {name for name in callers if "include => aduan-ended\n" in found[name]} | {
            "aduan-inbound"
        }
        assert ends == callers
        # here an include would come too late: the pattern of letters takes h first
        assert found["aduan-inbound"].startswith("\nexten => h,1,Goto(aduan-ended,h,1)\n")


def test_without_desk_and_operators_nothing_more_is_loaded(bare: AsteriskSettings) -> None:
    texts = rendered(bare)
    modules = texts["modules.conf"]
    for module in ("app_dial", "app_queue", "app_mixmonitor", "musiconhold", "registrar"):
        assert f"load = {module}" not in modules and f"load = res_{module}" not in modules
    assert not re.search(r"\b(Dial|Queue|MixMonitor)\(", texts["extensions.conf"])
    assert "endpoint_identifier_order = ip\n" in texts["pjsip.conf"]
    assert not (bare.state / "music" / "waiting.wav").exists()


def test_a_desk_alone_loads_no_queue_and_an_operator_no_dialler(bare: AsteriskSettings) -> None:
    assert "app_queue" not in _loaded(replace(bare, emergency=DESK))
    assert "app_dial" not in _loaded(replace(bare, operators=OPERATORS))


def _loaded(settings: AsteriskSettings) -> set[str]:
    return set(re.findall(r"^load = (\w+)\.so$", rendered(settings)["modules.conf"], re.MULTILINE))


def test_the_manager_may_do_no_more_than_before(bare: AsteriskSettings) -> None:
    plain = rendered(bare)["manager.conf"]
    assert rendered(replace(bare, emergency=DESK))["manager.conf"] == plain
    assert "write = reporting\n" in plain
    assert "agent" not in plain


def test_operators_are_looked_after_by_an_account_of_its_own(bare: AsteriskSettings) -> None:
    plain = rendered(bare)["manager.conf"]
    more = rendered(replace(bare, operators=OPERATORS))["manager.conf"].removeprefix(plain)
    assert more.count("[") == 1 and "[aduan24-operators]" in more
    assert "read = agent\n" in more and "write = agent,reporting\n" in more
    assert "permit = 127.0.0.1/255.255.255.255" in more


def test_only_who_signs_in_is_in_the_queue(bare: AsteriskSettings) -> None:
    queue = rendered(replace(bare, operators=OPERATORS))["queues.conf"]
    assert "[aduan-operators]" in queue
    assert "member =>" not in queue and "persistentmembers = no" in queue


def test_a_telephone_with_an_address_needs_no_account(bare: AsteriskSettings) -> None:
    placed = (*OPERATORS, Operator("desk2", address="sip:202@10.0.0.5:5062"))
    sip = rendered(replace(bare, operators=placed))["pjsip.conf"]
    own = sip[sip.index("[desk2]") :]
    assert "contact = sip:202@10.0.0.5:5062\n" in own
    assert "password" not in own and "identify_by" not in own


def test_a_recording_of_a_conversation_is_named_by_our_own_id(bare: AsteriskSettings) -> None:
    texts = rendered(replace(bare, emergency=DESK, operators=OPERATORS))
    commands = re.findall(r",MixMonitor\(.*\)", texts["extensions.conf"])
    assert commands == [",MixMonitor(${SPOOL}/${ADUAN_TALK},b)"]
    assert "Set(ADUAN_TALK=${UNIQUEID}_talk-${ARG1}.wav)" in texts["extensions.conf"]


def test_a_number_is_dialled_through_the_trunk(bare: AsteriskSettings) -> None:
    texts = rendered(replace(bare, emergency="112", trunk=TRUNK))
    assert "Dial(PJSIP/112@trunk,${ARG2},dgm(aduan))" in texts["extensions.conf"]


def test_no_call_that_comes_in_reaches_what_dials_a_number(bare: AsteriskSettings) -> None:
    full = replace(bare, emergency=DESK, operators=OPERATORS, trunk=TRUNK, calls_out=CallsOut())
    texts = rendered(full)
    found = contexts(texts["extensions.conf"])
    outward = {name for name, text in found.items() if re.search(r"\b(Dial|Queue)\(", text)}
    assert outward - {"aduan-emergency", "aduan-operators"} == {
        *("aduan-dial", "aduan-ring", "aduan-call-back")
    }
    ways_in = set(re.findall(r"^context = (\S+)$", texts["pjsip.conf"], re.MULTILINE))
    assert ways_in == {"aduan-inbound", "aduan-nowhere"}
    for way_in in ways_in:
        assert not reachable(found, way_in) & outward


@pytest.mark.parametrize(("plus", "digits"), [(False, "0Z"), (True, "62Z")])
def test_what_dials_takes_the_digits_of_indonesian_numbers_alone(
    bare: AsteriskSettings, plus: bool, digits: str
) -> None:
    out = CallsOut(plus=plus, never=("0809", "08X9"))
    settings = replace(bare, operators=OPERATORS, trunk=TRUNK, calls_out=out)
    found = contexts(rendered(settings)["extensions.conf"])
    for name in ("aduan-dial", "aduan-call-back"):
        patterns = set(re.findall(r"^exten => _(\S+?),", found[name], re.MULTILINE))
        refused = {"62809!", "628X9!"} if plus else {"0809!", "08X9!"}
        assert patterns == {digits + "X" * tail for tail in range(6, 13)} | refused
        for start in refused:
            assert f"exten => _{start},1,Hangup(21)\n" in found[name]
        dialled = set(re.findall(r"Dial\((.*?),", found[name]))
        assert dialled == {f"PJSIP/{'+' if plus else ''}${{EXTEN}}@trunk"}
        others = set(re.findall(r"^exten => ([^_,]+),", found[name], re.MULTILINE))
        assert others <= {"s", "T"}  # a step of its own would dial what an order says


def test_the_right_to_place_calls_is_an_account_of_its_own(bare: AsteriskSettings) -> None:
    plain = rendered(bare)["manager.conf"]
    assert "originate," not in plain
    more = rendered(replace(bare, trunk=TRUNK, calls_out=CallsOut()))["manager.conf"]
    users = dict(re.findall(r"^\[(\S+)\]\n.*?^write = (\S+)$", more, re.MULTILINE | re.DOTALL))
    assert users == {"general": "reporting"} | {"aduan24-dialler": "originate,reporting"}
    secrets = dict(re.findall(r"^\[(\S+)\]\nsecret = (\S+)$", more, re.MULTILINE))
    assert secrets == {"aduan24": "ami-secret", "aduan24-dialler": "dialler-secret"}
    loaded = _loaded(replace(bare, trunk=TRUNK, calls_out=CallsOut()))
    assert not loaded & {
        "app_system",
        "app_originate",
        "app_externalivr",
        "func_shell",
        "app_mysql",
    }


TLS = Tls(Path("/etc/aduan24/line.crt"), Path("/etc/aduan24/line.key"))


def test_behind_nat_the_carrier_is_told_our_address_and_the_office_is_not(
    bare: AsteriskSettings,
) -> None:
    settings = replace(bare, public_address="203.0.113.5", sip_allow=("10.0.0.0/8",), tls=TLS)
    written = rendered(settings)["pjsip.conf"]
    assert written.count("external_media_address = 203.0.113.5\nlocal_net = 10.0.0.0/8\n") == 2
    assert "external" not in rendered(bare)["pjsip.conf"]


def test_without_tls_nothing_of_it_is_there(bare: AsteriskSettings) -> None:
    texts = rendered(replace(bare, trunk=TRUNK))
    assert "tls" not in texts["pjsip.conf"] and "media_encryption" not in texts["pjsip.conf"]
    assert "res_srtp" not in _loaded(bare)
    assert "contact = sip:sip.example.org:5060\n" in texts["pjsip.conf"]


@pytest.mark.parametrize(
    ("srtp", "optimistic"), [("none", None), ("optional", "yes"), ("required", "no")]
)
def test_sound_is_encrypted_as_configured(
    bare: AsteriskSettings, srtp: str, optimistic: str | None
) -> None:
    trunk = replace(TRUNK, transport="tls", port=5061)
    settings = replace(bare, tls=replace(TLS, srtp=srtp), trunk=trunk, operators=OPERATORS)
    written = rendered(settings)["pjsip.conf"]
    found = re.findall(r"^media_encryption_optimistic = (\w+)$", written, re.MULTILINE)
    assert found == ([] if optimistic is None else [optimistic] * 4)  # line, trunk, two operators
    assert ("res_srtp" in _loaded(settings)) is (optimistic is not None)
    assert "contact = sip:sip.example.org:5061\\;transport=tls\n" in written
    assert "method = tlsv1_2\n" in written and "verify_server = yes\n" in written


def test_the_logs_hold_no_notices_and_strangers_stand_in_one_of_their_own(
    bare: AsteriskSettings,
) -> None:
    logger = rendered(bare)["logger.conf"]
    assert "messages.log = warning,error\n" in logger and "security.log = security\n" in logger


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("public_address", {"public_address": "1.2.3.4\nbind = 0.0.0.0"}),
    ("tls.certificate", {"tls": replace(TLS, certificate=Path("/x\ny"))}),
    ("tls.key", {"tls": replace(TLS, key=Path("relative.key"))}),
    ("tls.authorities", {"tls": replace(TLS, authorities=Path("/x;y"))}),
    ("tls.port", {"tls": replace(TLS, port=0)}),
    ("tls.srtp", {"tls": replace(TLS, srtp="yes\nallow_transfer = yes")}),
    ("trunk.transport", {"trunk": replace(TRUNK, transport="tls")}),
    ("trunk.transport", {"trunk": replace(TRUNK, transport="tcp\nx = y"), "tls": TLS}),
    ("emergency", {"emergency": "112"}),
    ("emergency", {"emergency": "sip:desk@host\ncontext = aduan-inbound", "trunk": TRUNK}),
    ("emergency", {"emergency": "sip:desk@host;x=y"}),
    ("emergency", {"emergency": "sip:desk@host:99999"}),
    ("emergency", {"emergency": "sip:desk@-host"}),
    ("emergency", {"emergency": "112&PJSIP/0900@trunk", "trunk": TRUNK}),
    ("emergency", {"emergency": "112,60,U(x)", "trunk": TRUNK}),
    ("operators", {"operators": (Operator("op1]\n[x", "a-secret-of-op1"),)}),
    ("operators", {"operators": (Operator("trunk", "a-secret-of-op1"),)}),
    ("operators", {"operators": (OPERATORS[0], OPERATORS[0])}),
    ("the secret", {"operators": (Operator("op1", "short"),)}),
    ("the address", {"operators": (Operator("op1", address="sip:a@b\n[x]"),)}),
    ("the address", {"operators": (Operator("op1", address="tel:110"),)}),
    ("ring_seconds", {"ring_seconds": 0}),
    ("wrap_up_seconds", {"wrap_up_seconds": -1}),
    ("the secret", {"operators": (Operator("op1", "a-secret;\nof-op1"),)}),
    ("operator_strategy", {"operator_strategy": "ringall\nmember = x"}),
    ("max_calls_per_caller", {"max_calls_per_caller": 0}),
    ("talk_seconds", {"talk_seconds": 10}),
    ("calls_out", {"calls_out": CallsOut()}),
    ("calls_out.ring_seconds", {"trunk": TRUNK, "calls_out": CallsOut(ring_seconds=0)}),
]


@pytest.mark.parametrize(("named", "changes"), MISTAKES)
def test_a_hostile_value_is_refused_before_anything_is_written(
    bare: AsteriskSettings, named: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match=named):
        render(replace(bare, **changes), PARTS)
    assert not bare.etc.exists()


def test_music_of_somebodys_own_stays(bare: AsteriskSettings) -> None:
    own = bare.state / "music" / "waiting.wav"
    render(replace(bare, emergency=DESK), PARTS)
    own.write_bytes(b"their own")
    render(replace(bare, emergency=DESK), PARTS)
    assert own.read_bytes() == b"their own"
