"""The command line over a real database file."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from callcenter.cli import main
from callcenter.cli.users import passphrase
from callcenter.config import load
from callcenter.config.template import rendered
from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.ticket import TicketState
from callcenter.services import accounts, directory
from callcenter.store.models import (
    Audit,
    Base,
    Call,
    Complaint,
    Escalation,
    History,
    Notice,
    Recording,
    Ticket,
    User,
)
from callcenter.store.session import Store, make_engine

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def invoke(*arguments: str | Path) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return invoke


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(rendered(), encoding="utf-8")
    return path


@pytest.fixture
def store(config: Path) -> Store:
    """Tables, agencies and people; nothing else."""
    loaded = load(config)
    engine = make_engine(loaded.storage.database)
    Base.metadata.create_all(engine)
    store = Store(engine)
    with store.write() as session:
        directory.sync(session, loaded, NOW)
    return store


@pytest.fixture
def full(store: Store) -> Store:
    """One call that became a complaint with a ticket and a notice."""
    with store.write() as session:
        call = Call(
            call_uid="pbx1-1764000000.12",
            line="pbx1",
            caller="+6281234567890",
            started_at=NOW,
            ended_at=NOW + timedelta(seconds=31),
            public_number="10000009",
            speech_seconds=7.5,
            path=[[1764000000.0, "caller", "081234567890"], [1764000001.0, "consent", "v1"]],
            filed_at=NOW,
        )
        call.recordings = [
            Recording(
                kind="complaint",
                take=1,
                path="calls/a.wav",
                sha256="0" * 64,
                bytes=16,
                seconds=8.0,
                speech_seconds=7.5,
            )
        ]
        complaint = Complaint(
            public_number="10000009",
            state=ComplaintState.DISPATCHED,
            channel="phone",
            call=call,
            received_at=NOW,
            reporter_name="Wayan",
            reporter_phone="+6281234567890",
            transcript="Lampu mati\x1b[2J",
        )
        session.add(complaint)
        session.flush()
        ticket = Ticket(
            complaint_id=complaint.id,
            agency_key="dishub",
            urgency=Urgency.REPORT,
            state=TicketState.DISPATCHED,
            dispatched_at=NOW,
            due_at=NOW + timedelta(hours=24),
        )
        session.add(ticket)
        session.flush()
        session.add(History(complaint_id=complaint.id, at=NOW, actor="line:pbx1", verb="receive"))
        session.add(
            Notice(
                key="ticket:1:dispatch",
                kind="dispatch",
                ticket_id=ticket.id,
                person_key="dishub_1",
                subject="s",
                body="b",
                state="queued",
                not_before=NOW,
                created_at=NOW,
            )
        )
    return store


# ---------------------------------------------------------------- the frame


def test_help_is_quick() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "callcenter.cli", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: other tests run beside this one.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    for command in ("up", "call", "phone", "doctor", "init", "migrate", "user", "line", "web"):
        assert re.search(rf"^  {command}\b", done.stdout, re.MULTILINE)


def test_without_a_command_there_is_help(run: Run) -> None:
    said = run()
    assert said.code == 0
    assert "Usage: aduan24" in said.out


def test_version(run: Run) -> None:
    assert re.fullmatch(r"aduan24 \d+\.\d+\.\d+\n", run("--version").out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "No such command 'nonsense'; see: aduan24 --help"),
        (("calls",), "Missing command; see: aduan24 calls --help"),
        (("calls", "list", "--nonsense"), "No such option"),
        (("calls", "list", "--limit", "many"), "--limit"),
        (("complaints", "list", "--state", "lost"), "use one of received, transcribed"),
        (("user", "add", "x", "--role", "king"), "'king' is not one of 'operator'"),
        (("call",), "--say TEXT or --audio FILE"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    run: Run, store: Store, config: Path, arguments: tuple[str, ...], says: str
) -> None:
    said = run("--config", config, *arguments)
    assert said.code == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("aduan24: ") and says in said.err


def test_config_is_taken_before_and_after_the_command(run: Run, full: Store, config: Path) -> None:
    before = run("--config", config, "calls", "list", "--json")
    between = run("calls", "--config", config, "list", "--json")
    after = run("calls", "list", "--json", "--config", config)
    assert before.json == between.json == after.json != []


def test_the_later_config_counts(run: Run, full: Store, config: Path, tmp_path: Path) -> None:
    said = run("--config", tmp_path / "none.yaml", "calls", "list", "--json", "--config", config)
    assert said.code == 0


def test_a_database_without_tables_names_migrate(run: Run, config: Path) -> None:
    said = run("calls", "list", "--config", config)
    assert said.code == 1
    assert said.err == (
        "aduan24: storage.database: the tables are missing or old; run: aduan24 migrate\n"
    )


def test_an_address_that_is_no_database(run: Run, config: Path) -> None:
    text = config.read_text().replace("sqlite:///var/aduan24.db", "postgre//nowhere")
    config.write_text(text)
    said = run("calls", "list", "--config", config)
    assert said.code == 2
    assert said.err.startswith("aduan24: storage.database: not an address")


# ---------------------------------------------------------------- init


def test_init_writes_a_configuration_that_loads_and_never_overwrites(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "config.yaml"
    assert run("init", "--config", path, "--first-port", "22000").code == 0
    assert load(path).web.port == 22003
    path.write_text("mine")
    said = run("init", "--config", path)
    assert said.code == 2
    assert "exists already" in said.err
    assert path.read_text() == "mine"


# ---------------------------------------------------------------- users


def test_a_user_with_a_made_password_can_sign_in(run: Run, store: Store, config: Path) -> None:
    said = run("user", "add", "made", "--role", "operator", "--generate", "--config", config)
    assert said.code == 0
    with store.write() as session:
        user = accounts.check_sign_in(
            session, username="made", password=said.out.strip(), address="127.0.0.1", now=NOW
        )
        assert isinstance(user, User)


def test_another_password_ends_the_sessions(run: Run, store: Store, config: Path) -> None:
    run("user", "add", "made", "--role", "operator", "--generate", "--config", config)
    assert run("user", "password", "made", "--generate", "--config", config).code == 0
    with store.read() as session:
        user = session.scalar(select(User))
        assert user is not None and user.session_version == 2


def test_a_disabled_user_is_listed_as_such(run: Run, store: Store, config: Path) -> None:
    run("user", "add", "made", "--role", "supervisor", "--generate", "--config", config)
    assert run("user", "disable", "made", "--config", config).code == 0
    (row,) = run("user", "list", "--json", "--config", config).json
    assert (row["username"], row["role"], row["active"]) == ("made", "supervisor", False)
    assert "password" not in json.dumps(row)


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (("add", "BAD NAME", "--role", "operator"), "username: "),
        (("add", "officer", "--role", "officer"), "agency: "),
        (("add", "officer", "--role", "officer", "--agency", "nasa"), "agency: "),
    ],
)
def test_a_user_that_cannot_be(
    run: Run, store: Store, config: Path, arguments: tuple[str, ...], begins: str
) -> None:
    said = run("user", *arguments, "--generate", "--config", config)
    assert said.code == 2
    assert said.err.startswith(f"aduan24: {begins}")
    assert said.out == ""


def test_a_user_that_is_not_there(run: Run, store: Store, config: Path) -> None:
    said = run("user", "disable", "nobody", "--config", config)
    assert said.code == 1
    assert "nobody" in said.err


def test_no_command_takes_a_password_as_an_argument() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "callcenter.cli", "user", "add", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--password" not in done.stdout


def test_passphrases_are_long_and_differ() -> None:
    made = {passphrase() for _ in range(100)}
    assert len(made) == 100
    assert all(len(p) >= 20 for p in made)


# ---------------------------------------------------------------- facts


def documented(kind: str) -> tuple[set[str], set[str]]:
    """The names in docs/cli.md: of `list`, and those that `show` adds."""
    section = (ROOT / "docs/cli.md").read_text().split(f"\n### {kind}\n")[1].split("\n### ")[0]
    brief: set[str] = set()
    more: set[str] = set()
    for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE):
        names = set(re.findall(r"`(\w+)`", row))
        if row.startswith("`show`"):
            more |= names - {"show"}
        else:
            brief |= names
    return brief, more


@pytest.mark.parametrize("kind", ["calls", "complaints", "tickets", "notices"])
def test_the_names_are_the_documented_ones(run: Run, full: Store, config: Path, kind: str) -> None:
    brief, more = documented(kind)
    (row,) = run(kind, "list", "--json", "--config", config).json
    shown = run(kind, "show", str(row["id"]), "--json", "--config", config).json
    assert set(row) == brief
    assert set(shown) == brief | more


@pytest.mark.parametrize("kind", ["calls", "complaints", "tickets", "notices"])
def test_tables_for_people(run: Run, full: Store, config: Path, kind: str) -> None:
    listed = run(kind, "list", "--config", config)
    assert len(listed.out.splitlines()) == 2
    shown = run(kind, "show", "1", "--config", config)
    assert shown.code == 0
    assert "\x1b" not in listed.out + shown.out


def test_times_are_utc_in_json_and_wita_in_tables(run: Run, full: Store, config: Path) -> None:
    (row,) = run("calls", "list", "--json", "--config", config).json
    assert row["started_at"] == "2026-03-01T02:03:04Z"
    assert row["seconds"] == 31.0
    assert "2026-03-01 10:03:04" in run("calls", "list", "--config", config).out


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("calls", "pbx1-1764000000.12"),
        ("complaints", "10000009"),
        ("complaints", "10 00 00 09"),
        ("tickets", "1"),
        ("notices", "ticket:1:dispatch"),
    ],
)
def test_a_thing_is_found_by_the_name_people_use(
    run: Run, full: Store, config: Path, kind: str, name: str
) -> None:
    assert run(kind, "show", name, "--json", "--config", config).json["id"] == 1


def test_what_is_not_there_says_so(run: Run, full: Store, config: Path) -> None:
    said = run("complaints", "show", "99999999", "--config", config)
    assert said.code == 1
    assert said.err == ("aduan24: there is no complaint '99999999'; see: aduan24 complaints list\n")


def test_numbers_are_masked_unless_revealed_and_that_is_written_down(
    run: Run, full: Store, config: Path
) -> None:
    for arguments in (("calls", "list"), ("calls", "show", "1"), ("complaints", "show", "1")):
        said = run(*arguments, "--json", "--config", config)
        assert "234567890" not in said.out
        assert "•••890" in said.out
    with full.read() as session:
        assert session.scalar(select(Audit)) is None
    said = run("calls", "show", "1", "--json", "--reveal", "--config", config)
    assert said.json["caller"] == "+6281234567890"
    with full.read() as session:
        (row,) = session.scalars(select(Audit)).all()
    assert (row.action, row.thing) == ("number_revealed", "call:1")
    assert row.actor.startswith("cli:")
    assert "890" not in json.dumps([row.thing, row.detail])


def test_a_state_narrows_the_list(run: Run, full: Store, config: Path) -> None:
    assert len(
        run("complaints", "list", "--state", "dispatched", "--json", "--config", config).json
    )
    assert run("complaints", "list", "--state", "closed", "--json", "--config", config).json == []
    assert run("notices", "list", "--state", "dead", "--json", "--config", config).json == []


def test_pages(run: Run, full: Store, config: Path) -> None:
    with full.write() as session:
        for n in range(5):
            session.add(
                Call(call_uid=f"pbx1-17.{n}", line="pbx1", started_at=NOW, path=[], filed_at=NOW)
            )
    first = run("calls", "list", "--limit", "3", "--json", "--config", config).json
    last = str(first[-1]["id"])
    rest = run("calls", "list", "--before", last, "--json", "--config", config).json
    assert [row["id"] for row in first + rest] == [6, 5, 4, 3, 2, 1]


# ---------------------------------------------------------------- call


def test_a_line_that_does_not_answer_is_a_failure_not_a_fault(
    run: Run, store: Store, config: Path, tmp_path: Path
) -> None:
    import soundfile

    audio = tmp_path / "speech.wav"
    soundfile.write(audio, [0.1] * 800, 8000, subtype="PCM_16")
    said = run(
        "call", "--audio", audio, "--to", "sip:line@127.0.0.1:9", "--json", "--config", config
    )
    assert said.code == 1
    assert said.json["outcome"] == "unreachable"
    assert said.json["number"] is None


def test_audio_that_is_none_names_the_file(
    run: Run, store: Store, config: Path, tmp_path: Path
) -> None:
    said = run("call", "--audio", tmp_path / "none.wav", "--config", config)
    assert said.code == 2
    assert "none.wav" in said.err


# ---------------------------------------------------------------- the ladder


def test_a_changed_ladder_is_shown_first_and_adopted_only_when_asked(
    run: Run, config: Path, full: Store
) -> None:
    def ladder(*words: str) -> Any:
        said = run("--config", config, "ladder", "--json", *words)
        assert said.code == 0, said.err
        return said.json

    assert ladder("--apply") == {"differs": True, "applied": True, "tickets": []}
    assert ladder() == {"differs": False, "applied": False, "tickets": []}
    with full.write() as session:
        ticket, moment = session.get_one(Ticket, 1), datetime.now(UTC)
        ticket.dispatched_at, ticket.due_at = moment, moment + timedelta(hours=24)
        ticket.escalations = [Escalation(step_key="dispatch", due_at=moment, taken_at=moment)]
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("next_officer, after: 15m", "next_officer, after: 20m"))
    shown = ladder()
    assert (shown["differs"], shown["applied"]) == (True, False)
    (row,) = shown["tickets"]
    assert (row["ticket"], row["before"], row["after"]) == (1, "next_officer", "next_officer")
    later = datetime.fromisoformat(row["after_at"]) - datetime.fromisoformat(row["before_at"])
    assert later == timedelta(minutes=5)
    assert ladder() == shown  # nothing was done
    assert "Nothing was done" in run("--config", config, "ladder").err
    assert ladder("--apply")["applied"]
    assert not ladder()["differs"]
