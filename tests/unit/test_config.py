"""Every kind of mistake in config.yaml: one line that names the key and the remedy, exit code 2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from callcenter.cli import main
from callcenter.config import Config, ConfigError, load, read_secrets
from callcenter.config.schema import parse_duration
from callcenter.config.template import rendered
from callcenter.domain.complaint import Urgency

ROOT = Path(__file__).resolve().parents[2]
Edit = Callable[[dict[str, Any]], object]


def written(folder: Path, edit: Edit) -> Path:
    """The shipped configuration with one thing changed."""
    raw = yaml.safe_load(rendered())
    edit(raw)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return path


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.mistakes


def put(dotted: str, value: Any) -> Edit:
    """An edit that sets one key; list places are numbers."""

    def edit(raw: dict[str, Any]) -> None:
        *way, last = dotted.split(".")
        place: Any = raw
        for name in way:
            place = place[int(name)] if name.isdigit() else place[name]
        place[int(last) if last.isdigit() else last] = value

    return edit


def drop(dotted: str) -> Edit:
    def edit(raw: dict[str, Any]) -> None:
        *way, last = dotted.split(".")
        place: Any = raw
        for name in way:
            place = place[int(name)] if name.isdigit() else place[name]
        del place[last]

    return edit


MISTAKES: list[tuple[str, Edit, str, str]] = [
    # what is wrong, the edit, how the line begins, a word of the remedy
    ("unknown section", put("telephone", {}), "telephone: unknown key", "spelling"),
    ("unknown key", put("line.sip_prot", 5061), "line.sip_prot: unknown key", "remove it"),
    ("unknown key in a list", put("agencies.0.haed", 1), "agencies.0.haed: unknown key", "remove"),
    ("missing section", drop("ladder"), "ladder: is missing", "add it"),
    ("missing key", drop("agencies.0.head"), "agencies.0.head: is missing", "add it"),
    ("no call-back hours", put("line.call_back_to", "08:00"), "line.call_back_to: ", "later"),
    ("a map turned round", put("desk.map", {"bounds": [-8, 116, -9, 115]}), "desk.map.b", "south"),
    ("tiles without rows", put("desk.map", {"tiles": "https://x.id/{z}"}), "desk.map.tiles", "{x}"),
    ("tiles unencrypted", put("desk.map", {"tiles": "http://x.id/"}), "desk.map.tiles", "pattern"),
    (
        "a hole nobody fills",
        put("desk.replies", [{"name": "a", "text": "{nama}"}]),
        "desk.replies.0.text",
        "braces",
    ),
    ("no guesses at all", put("line.status.wrong_a_day", 0), "line.status.wrong_a_day: ", "1"),
    ("number as text", put("line.sip_port", "many"), "line.sip_port: ", "integer"),
    ("section as text", put("web", "yes"), "web: ", "Web"),
    ("list as text", put("agencies", "pupr"), "agencies: ", "tuple"),
    ("port too large", put("web.port", 70000), "web.port: ", "65535"),
    ("no agencies", put("agencies", []), "agencies: ", "at least 1"),
    ("team empty", put("agencies.0.team", []), "agencies.0.team: ", "at least 1"),
    ("duration without unit", put("window.length", 24), "window.length: ", '"24h"'),
    ("duration of words", put("window.closing_after", "soon"), "window.closing_after: ", '"3d"'),
    ("time of day", put("window.night_from", "late"), "window.night_from: ", '"22:00"'),
    ("key with capitals", put("agencies.0.key", "PUPR"), "agencies.0.key: ", "small letters"),
    (
        "phone without country",
        put("agencies.0.head.whatsapp", "0812000"),
        "agencies.0.head.whatsapp: ",
        "+62",
    ),
    ("e-mail", put("agencies.0.head.email", "nobody"), "agencies.0.head.email: ", "pattern"),
    ("node name", put("line.node", "pbx 1"), "line.node: ", "pattern"),
    ("unknown post", put("ladder.report.0.to", ["boss"]), "ladder.report.0.to.0: ", "duty"),
    ("unknown channel", put("notices.channels", ["fax"]), "notices.channels.0: ", "whatsapp"),
    ("unknown language", put("programme.languages", ["nl"]), "programme.languages.0: ", "id"),
    (
        "trunk by TLS",
        put("line.trunk", {"host": "x", "user": "y", "transport": "tls"}),
        "line.trunk.transport: ",
        "line.tls",
    ),
    (
        "encrypted how",
        put("line.tls", {"certificate": "a", "key": "b", "srtp": "yes"}),
        "line.tls.srtp: ",
        "required",
    ),
    (
        "no certificate",
        put("line.tls", {"certificate": "line.crt", "key": "config.yaml"}),
        "line.tls.certificate: ",
        "put the PEM file there",
    ),
    (
        "no key",
        put("line.tls", {"certificate": "config.yaml", "key": "line.key"}),
        "line.tls.key: ",
        "put the PEM file there",
    ),
    (
        "no PEM",
        put("line.tls", {"certificate": "config.yaml", "key": "config.yaml"}),
        "line.tls.certificate: ",
        "that belong together",
    ),
    (
        "a beginning of no number",
        put("line.calls_out", {"never": ["+62809"]}),
        "line.calls_out.never.0: ",
        "for example 0809",
    ),
    ("no Indonesian", put("programme.languages", ["en"]), "programme.languages: ", "hold id"),
    ("twice", put("programme.languages", ["id", "id"]), "programme.languages: ", "unique"),
    ("stop above low", put("storage.stop_below_mb", 3000), "storage.low_below_mb: ", "raise"),
    ("unknown zone", put("programme.timezone", "Mars/A"), "programme.timezone: ", "Asia/Makassar"),
    (
        "unknown agency of a category",
        put("categories.0.agency", "nasa"),
        "categories.road_damage.agency: unknown agency 'nasa'",
        "use one of",
    ),
    (
        "agency twice",
        lambda raw: raw["agencies"].append(raw["agencies"][0]),
        "agencies: the key 'pupr' stands 2 times",
        "unique",
    ),
    (
        "category twice",
        put("categories.1.key", "road_damage"),
        "categories: the key 'road_damage' stands 2 times",
        "unique",
    ),
    (
        "person twice",
        put("agencies.0.team.0.key", "pupr_head"),
        "agencies: people: the key 'pupr_head' stands 2 times",
        "unique",
    ),
    (
        "step twice",
        put("ladder.report.1.key", "dispatch"),
        "ladder.report: the key 'dispatch' stands 2 times",
        "unique",
    ),
    (
        "post that nobody holds",
        lambda raw: raw.update(offices=[]),
        "ladder.report.remind_team.to: nobody holds the post 'supervisor'",
        "add it under offices",
    ),
    (
        "ladder without a beginning",
        put("ladder.emergency.0.after", "1m"),
        "ladder.emergency: no step at 0",
        "nobody hears",
    ),
    (
        "emergency nowhere",
        put("line.emergency", {"destination": "sip:a b"}),
        "line.emergency.",
        "p",
    ),
    (
        "emergency number without a trunk",
        put("line.emergency", {"destination": "112"}),
        "line.emergency.destination: a number needs line.trunk",
        "sip:user@host",
    ),
    ("operator's user", put("line.operators", [{"user": "Op 1"}]), "line.operators.0.user", "p"),
    (
        "operator twice",
        put("line.operators", [{"user": "op1"}, {"user": "op1"}]),
        "line.operators: the key 'op1' stands 2 times",
        "unique",
    ),
    (
        "operator named as the line's own",
        put("line.operators", [{"user": "trunk"}]),
        "line.operators: 'trunk' is a name of the line's own",
        "another",
    ),
    ("ports for the calls", put("line.max_calls", 600), "line.max_calls: 600 calls", "widen"),
    ("same port", put("web.port", 5060), "line.sip_port: port 5060 is also web.port", "another"),
    (
        "port inside the RTP range",
        put("line.agi_port", 10500),
        "line.agi_port: port 10500 lies inside",
        "choose one outside",
    ),
    ("RTP range too small", put("line.rtp_last", 10005), "line.rtp_last: must be", "two ports"),
    (
        "channel without its sender",
        put("notices.channels", ["sms"]),
        "notices.channels: 'sms' needs notices.twilio.sms_from",
        "take the channel out",
    ),
    (
        "e-mail without a server",
        put("notices.channels", ["email"]),
        "notices.channels: 'email' needs notices.smtp",
        "take the channel out",
    ),
    (
        "no Twilio account",
        put("notices.twilio", {"account_sid": "me"}),
        "notices.twilio.account_sid: ",
        "pattern",
    ),
    (
        "speech to text without a model",
        put("speech", {"model": "models/none"}),
        "speech.model: there is no folder",
        "take the section out",
    ),
    (
        "a model that is none",
        put("speech", {"model": "."}),
        "speech.model: ",
        "put there the whole",
    ),
    ("no language", put("speech", {"model": ".", "language": "Indonesia"}), "speech.lang", "match"),
]


@pytest.mark.parametrize(
    ("edit", "begins", "remedy"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_a_mistake_is_a_line_with_key_and_remedy(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    edit: Edit,
    begins: str,
    remedy: str,
) -> None:
    path = written(tmp_path, edit)
    lines = mistakes(path)
    assert any(line.startswith(begins) and remedy in line for line in lines), lines
    assert all("\n" not in line for line in lines)
    with pytest.raises(SystemExit) as left:
        main(["--config", str(path), "migrate"])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.out == ""
    assert said.err.splitlines() == [f"aduan24: {line}" for line in lines]


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["web"]["port"] = 0
        raw["line"]["node"] = "?"
        raw["extra"] = 1

    keys = {line.split(":")[0] for line in mistakes(written(tmp_path, edit))}
    assert keys == {"web.port", "line.node", "extra"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: [1\nb: 2", "not valid YAML"),
        (b"- 1\n- 2", "must hold keys and values"),
        (b"", "must hold keys and values"),
        (b"\xff\xfe", "save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    (line,) = mistakes(path)
    assert line.startswith(str(path)) and says in line


def test_a_file_that_is_not_there_names_init(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path / "none.yaml")
    assert "aduan24 init" in line


def test_the_shipped_configuration_is_right_and_is_what_init_writes() -> None:
    assert (ROOT / "config.yaml").read_text(encoding="utf-8") == rendered()
    assert load(ROOT / "config.yaml").sample


def test_relative_paths_begin_at_the_file(tmp_path: Path) -> None:
    config = load(written(tmp_path, lambda _: None))
    assert config.storage.state == tmp_path / "var"
    assert config.storage.recordings == tmp_path / "recordings"
    assert config.storage.database == f"sqlite:///{tmp_path}/var/aduan24.db"


def test_a_block_of_ports_makes_a_second_deployment(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(rendered(21000), encoding="utf-8")
    config = load(path)
    line = config.line
    assert (line.sip_port, line.ami_port, line.agi_port) == (21000, 21001, 21002)
    assert (config.web.port, config.queue.port) == (21003, 21004)
    assert (line.rtp_first, line.rtp_last) == (21010, 21209)
    assert config.web.public_url == "http://127.0.0.1:21003"


def test_time_scale_shortens_window_and_ladder(tmp_path: Path) -> None:
    config = load(written(tmp_path, put("window.time_scale", 1440)))
    assert config.window_length == timedelta(minutes=1)
    steps = {step.key: step.after for step in config.steps(Urgency.REPORT)}
    assert steps["missed"] == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1.5h", 5400), ("3d", 259200), ("250ms", 0.25)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", ["", "15", "-1h", "1 week", "1e3s", 5, None, True])
def test_no_durations(value: object) -> None:
    with pytest.raises(ValueError, match="with its unit"):
        parse_duration(value)


# ---------------------------------------------------------------- secrets

SMTP = {"host": "mail.example.org", "user": "a", "sender": "a@example.org"}


def with_smtp(folder: Path, **more: Any) -> Config:
    return load(written(folder, put("notices.smtp", {**SMTP, **more})))


def test_a_missing_secret_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADUAN24_SMTP_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="ADUAN24_SMTP_PASSWORD: is not set"):
        read_secrets(with_smtp(tmp_path))


def test_the_environment_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smtp.secret").write_text("from the file\n")
    config = with_smtp(tmp_path, password_file="smtp.secret")
    monkeypatch.delenv("ADUAN24_SMTP_PASSWORD", raising=False)
    assert read_secrets(config).smtp_password == "from the file"
    monkeypatch.setenv("ADUAN24_SMTP_PASSWORD", "from the environment")
    assert read_secrets(config).smtp_password == "from the environment"


def test_a_secret_that_cannot_be_read_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADUAN24_SMTP_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match=r"nowhere\.secret: the secret cannot be read"):
        read_secrets(with_smtp(tmp_path, password_file="nowhere.secret"))


def test_an_operators_secret_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "op1.secret").write_text("a secret of op1\n")
    accounts = [{"user": "op1", "secret_file": "op1.secret"}, {"user": "op2"}]
    config = load(written(tmp_path, put("line.operators", accounts)))
    with pytest.raises(ConfigError, match="ADUAN24_OPERATOR_OP2_SECRET: is not set"):
        read_secrets(config)
    monkeypatch.setenv("ADUAN24_OPERATOR_OP2_SECRET", "a secret of op2")
    secrets = read_secrets(config).operator_secrets
    assert secrets == {"op1": "a secret of op1", "op2": "a secret of op2"}


def calling_out(folder: Path, **more: object) -> Config:
    def edit(raw: dict[str, Any]) -> None:
        raw["line"]["trunk"] = {"host": "sip.example.org", "user": "03665501000"}
        raw["line"]["calls_out"] = more

    return load(written(folder, edit))


def test_the_diallers_secret_is_its_own_and_hard_to_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADUAN24_TRUNK_SECRET", "the carrier's")
    assert read_secrets(calling_out(tmp_path)).dialler_secret is None  # made by the program
    config = calling_out(tmp_path, secret_file="dialler.secret")
    with pytest.raises(ConfigError, match=r"dialler\.secret: the secret cannot be read"):
        read_secrets(config)
    for wrong in ("", "fifteen-letters", "sixteen letters!!", "a-secret;of-sixteen"):
        (tmp_path / "dialler.secret").write_text(wrong)
        with pytest.raises(ConfigError, match=r"line\.calls_out\.secret_file .*16 to 128"):
            read_secrets(config)
    (tmp_path / "dialler.secret").write_text("sixteen-letters!\n")
    assert read_secrets(config).dialler_secret == "sixteen-letters!"
    monkeypatch.setenv("ADUAN24_DIALLER_SECRET", "from-the-environment")
    assert read_secrets(config).dialler_secret == "from-the-environment"


def test_what_is_not_configured_needs_no_secret(tmp_path: Path) -> None:
    secrets = read_secrets(load(written(tmp_path, lambda _: None)))
    assert secrets.twilio_auth_token is None
    assert secrets.trunk_secret is None


def test_the_command_line_shows_no_traceback(tmp_path: Path) -> None:
    path = written(tmp_path, put("web.port", "?"))
    done = subprocess.run(
        [sys.executable, "-m", "callcenter.cli", "up", "--config", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("aduan24: web.port: ")
    assert len(done.stderr.splitlines()) == 1
