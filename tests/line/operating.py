"""A whole line with operators: a real exchange, the line process, callers and desk telephones.

    hotline = Hotline(folder, offer_seconds=5)          # keys of line.waiting, line.recording
    hotline.start(); hotline.stop()
    hotline.line.end(signal.SIGKILL); hotline.begin()   # the line process alone
    hotline.signs_in("operator", "op1")                 # as the console does it
    with hotline.calls("0811") as caller:
        caller.asks_for_an_operator()
        caller.at("queue"); caller.press("2"); caller.call.hang_up()
        caller.heard("queue_position", "digit_2")
    hotline.talk("0811")                                # its row in operator_calls, or None

The prompts are noises, so that what was heard is certain and a call takes seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from callcenter.config import load, read_secrets
from callcenter.config.template import rendered
from callcenter.domain.people import Role
from callcenter.domain.presence import Board, Phone
from callcenter.gateways.asterisk import render
from callcenter.gateways.parts import read_parts
from callcenter.gateways.switchboard import Switchboard
from callcenter.services import accounts, directory, numbers, presences
from callcenter.store.line_models import CallBack
from callcenter.store.migrate import upgrade
from callcenter.store.models import Call, Complaint, User
from callcenter.store.operator_models import OperatorCall, Presence
from callcenter.wiring import Wiring
from ivr.caller.g711 import Samples
from ivr.caller.hearing import contains, heard_numbers
from ivr.prompt_manifest import Made, write_manifest
from ivr.prompts import file_hash, languages, text_hash, texts
from ivr.wav import duration
from tests.line.asterisk import RunningAsterisk, Sidecar, until
from tests.line.desk import Desk
from tests.line.noises import RATE, make_noises, noise
from tests.line.softphone import Call as Softphone
from tests.line.test_line_process import LineProcess, tuned
from tests.running import free_block

SECRETS = {"op1": "a-secret-of-op1", "op2": "a-secret-of-op2"}
RING_S = 2  # shorter than a person could be asked to answer
PASSWORD = "bangli-era-baru"
TUNED = {
    "max_seconds": "10",
    "silence_seconds": "2",
    "short_max_seconds": "3",
    "short_silence_seconds": "1",
    "numbers_reserved": "200",
    "max_calls": "20",
    "offer_seconds": "5",
    "longest_seconds": "20",
    "most": "2",
    "wrap_up_seconds": "0",
}
BETWEEN = ("caller_ordinal", "number_intro", "number_again", "pin_intro")


def configured(folder: Path, **changes: str | int) -> Path:
    """A configuration with two operators' telephones and ports of its own."""
    said = {**TUNED, **{key: str(value) for key, value in changes.items()}}
    text = tuned(rendered(free_block()), said)
    names = "".join(f"    - {{user: {user}, secret_file: {user}.secret}}\n" for user in SECRETS)
    text = text.replace("  waiting:  ", f"  operators:\n{names}  waiting:  ", 1)
    for user, secret in SECRETS.items():
        (folder / f"{user}.secret").write_text(secret)
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def put_noises(folder: Path) -> None:
    """Every prompt of every language as a noise, with the manifest that the line asks for."""
    manifest = {}
    for language in languages():
        said = texts(language)
        make_noises(folder, language, said)
        files = {key: folder / language / f"{key}.wav" for key in said}
        manifest[language] = {
            key: Made(text, text_hash(text), file_hash(files[key]), duration(files[key]), -20.0)
            for key, text in said.items()
        }
    write_manifest(folder, manifest)


class Hotline:
    """See the module's docstring. `wiring` is the test's own view of the same deployment."""

    def __init__(self, folder: Path, **changes: str | int) -> None:
        self.folder = folder
        self.config = configured(folder, **changes)
        put_noises(folder / "recordings/prompts")
        loaded = load(self.config)
        self.wiring = Wiring(loaded, read_secrets(loaded))
        self.store = self.wiring.store
        upgrade(self.store.engine)
        self.wiring.spool.prepare()
        now = datetime.now(UTC)
        with self.store.write() as db:
            directory.sync(db, loaded, now)
            for username, role in (
                ("operator", Role.OPERATOR),
                ("operator2", Role.OPERATOR),
                ("supervisor", Role.SUPERVISOR),
            ):
                accounts.add_user(
                    db, username=username, name=username.title(), role=role, password=PASSWORD,
                    now=now, agency_key=None,
                )  # fmt: skip
        line = loaded.line
        numbers.refill(
            self.store, line.node, self.wiring.numbers_folder, line.numbers_reserved, now
        )
        settings = replace(self.wiring.asterisk_settings, ring_seconds=RING_S)
        self.pbx = RunningAsterisk(settings, read_parts())
        self.switchboard: Switchboard = self.wiring.switchboard(lambda: None)
        self.line: LineProcess

    def start(self) -> None:
        render(self.pbx.settings, self.pbx.parts)
        self.pbx.run()
        self.switchboard.start()
        self.begin()

    def begin(self) -> None:
        """The line process; returns when it answers calls."""
        self.line = LineProcess(self.config)
        until(self.line.answers, 20)
        until(lambda: self.switchboard.connected)

    def stop(self) -> None:
        self.line.end()
        self.switchboard.stop()
        self.pbx.stop()
        self.store.engine.dispose()

    # ------------------------------------------------------------ operators

    def user(self, username: str) -> int:
        with self.store.read() as db:
            return db.scalars(select(User.id).where(User.username == username)).one()

    def signs_in(self, username: str, extension: str) -> None:
        """At this telephone; returns when the exchange knows."""
        with self.store.write() as db:
            presences.sign_in(
                db,
                self.user(username),
                extension,
                known=SECRETS,
                actor=username,
                now=datetime.now(UTC),
            )
        until(lambda: self.queue_has(extension))

    def queue_has(self, extension: str, *, phone: Phone | None = None) -> bool:
        """Whether the exchange gives calls to this telephone, and the database says the same."""
        member = self.board().members.get(extension)
        there = member is not None and not member.paused
        return there and (phone is None or (member is not None and member.phone is phone))

    def pauses(self, username: str, reason: str = "break") -> None:
        with self.store.write() as db:
            presences.pause(
                db,
                self.user(username),
                reason,
                known=self.wiring.config.line.waiting.pauses,
                actor=username,
                now=datetime.now(UTC),
            )

    def is_ready(self, username: str) -> None:
        with self.store.write() as db:
            presences.ready(db, self.user(username), actor=username, now=datetime.now(UTC))

    def signs_out(self, username: str) -> None:
        """Returns when the exchange knows."""
        with self.store.write() as db:
            told = presences.of(db, self.user(username))
            extension = told.extension if told else None
            presences.sign_out(db, self.user(username), actor=username, now=datetime.now(UTC))
        until(lambda: extension not in self.board().members)

    def presence(self, username: str) -> Presence:
        with self.store.read() as db:
            found = db.get(Presence, self.user(username))
            assert found
            return found

    def board(self) -> Board:
        return until(self._board)

    def _board(self) -> Board | None:
        try:
            return self.switchboard.board()
        except Exception:  # the exchange has just been killed
            return None

    def has_talked(self, caller: str, *, seconds: float) -> None:
        """A conversation of the past, so that it is known how long one takes."""
        ended = datetime.now(UTC) - timedelta(hours=1)
        began = ended - timedelta(seconds=seconds)
        with self.store.write() as db:
            call = Call(
                call_uid=f"pbx9-{int(began.timestamp())}.1", line="pbx9", caller_raw=caller,
                started_at=began, ended_at=ended, filed_at=ended, path=[],
            )  # fmt: skip
            db.add(OperatorCall(call=call, joined_at=began, answered_at=began, ended_at=ended))

    @contextmanager
    def at_the_desk(self, extension: str, desk: Desk) -> Iterator[Desk]:
        """A desk telephone that is registered as this extension."""
        with desk:
            answer = desk.register(self.pbx.sip_port, extension, SECRETS[extension])
            assert answer == "200"
            yield desk

    def remembers(self, desk: Desk) -> bool:
        """Whether it is on the exchange's disk where this telephone is."""
        file = self.pbx.settings.state / "db" / "astdb.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT value FROM astdb WHERE key LIKE '/registrar/contact/%'")
            return any(f":{desk.port}" in str(value) for (value,) in rows)

    # ------------------------------------------------------------ callers

    @contextmanager
    def calls(self, number: str, *, say: bytes = b"") -> Iterator[Caller]:
        with Softphone(self.pbx.sip_port, caller=number, say=say) as call:
            yield Caller(self, number, call)

    def sidecar(self, number: str) -> Sidecar | None:
        """The open or finished sidecar of this caller's latest call that is not filed yet."""
        found = [one for one in self.pbx.sidecars() if one.get("caller") == number]
        return found[-1] if found else None

    def talk(self, number: str) -> OperatorCall | None:
        """What the database knows of this caller at the operators'."""
        with self.store.read() as db:
            return db.scalars(
                select(OperatorCall)
                .join(Call)
                .where(Call.caller_raw == number)
                .options(joinedload(OperatorCall.call).joinedload(Call.complaint))
                .order_by(OperatorCall.id.desc())
            ).first()

    def filed(self, number: str, seconds: float = 15) -> Call:
        """This caller's call, once it is over and filed with all that belongs to it."""

        def over() -> Call | None:
            with self.store.read() as db:
                call = db.scalars(
                    select(Call)
                    .where(Call.caller_raw == number, Call.ended_at.is_not(None))
                    .options(selectinload(Call.recordings), joinedload(Call.complaint))
                ).one_or_none()
            return None if self.sidecar(number) else call

        return until(over, seconds)

    def call_back(self, call: Call) -> CallBack | None:
        with self.store.read() as db:
            return db.scalars(select(CallBack).where(CallBack.caller == call.caller)).one_or_none()

    def complaints(self, number: str) -> list[Complaint]:
        with self.store.read() as db:
            return list(
                db.scalars(select(Complaint).join(Call).where(Call.caller_raw == number)).all()
            )

    def audio(self, call: Call, kind: str) -> list[Path]:
        folder = self.wiring.config.storage.recordings
        return [folder / each.path for each in call.recordings if each.kind == kind]


@dataclass
class Caller:
    """A person at a telephone, who does the next thing when the line is where it should be."""

    hotline: Hotline
    number: str
    call: Softphone

    def at(self, *steps: str, seconds: float = 20) -> None:
        """Wait until the call has come to these places, one after the other."""

        def there() -> bool:
            path = [step for step in self.steps if step in steps]
            return path[-len(steps) :] == list(steps)

        until(there, seconds)

    @property
    def steps(self) -> list[str]:
        sidecar = self.hotline.sidecar(self.number)
        return [value for key, value in sidecar.lines if key == "step"] if sidecar else []

    def press(self, key: str) -> None:
        """A key, as the telephone's event."""
        self.call.press(key)

    def asks_for_an_operator(self, language: str = "1") -> None:
        """Language at once, then 0 when the menu is there."""
        self.at("language")
        until(lambda: len(self.samples()) > RATE // 4)  # a key right at the answer may be lost
        self.press(language)
        self.at("menu")
        self.press("0")

    def samples(self) -> Samples:
        """What was heard so far: 8 kHz, 16 bit."""
        return np.round(self.call.samples() * 32767).astype(np.int16)

    def missed(self, *prompts: str, language: str = "id") -> list[str]:
        """Which of these were not heard by now."""
        sound = self.samples()
        return [key for key in prompts if not contains(sound, noise(language, key))]

    def heard(self, *prompts: str, language: str = "id") -> bool:
        """Whether all of these were heard by now."""
        return not self.missed(*prompts, language=language)

    def numbers(self) -> list[str]:
        """The numbers that were read so far."""
        folder = self.hotline.folder / "recordings/prompts/id"
        keys = (*BETWEEN, *(f"digit_{digit}" for digit in range(10)))
        return heard_numbers(self.samples(), {key: folder / f"{key}.wav" for key in keys})
