"""A script at the exchange: the real FastAGI driver on a real socket, Asterisk's side scripted.

What was played is read from the commands; only where one performance ends and the next begins
is taken from the driver, because STREAM FILE does not say which files belong together.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from ivr import asterisk
from ivr.asterisk import LineServer, LineSettings, serve
from ivr.conduct import Performance
from ivr.flow import Ask, Event, Finish, Gather, Listen, Play
from ivr.menu import LANGUAGES
from ivr.performing import AsteriskLine
from ivr.prompts import Made, PromptBook
from ivr.spool import Spool
from ivr.waiting import WaitingRoom
from ivr.wav import duration
from tests.golden.performers import inquiry_of, note_from, say
from tests.golden.script import BEEP, GONE, Script, Telling
from tests.line.scripted import HANGUP, ScriptedAsterisk

_PROMPTS = Path(__file__).parents[2] / "recordings" / "prompts" / "id"
_SPEECH, _SILENCE = _PROMPTS / "thanks.wav", _PROMPTS / "pause.wav"
_QUOTED = re.compile(r'"([^"]*)"')
_numbers = count(1)
_folders: list[TemporaryDirectory[str]] = []
_now: dict[str, _Exchange] = {}


def fastagi(script: Script, _folder: Path) -> str:
    """The script as a call at the exchange."""
    server, spool = _line(script.table, *(script.begins.get(w) for w in ("operators", "emergency")))
    telling = Telling(script)
    hidden = script.begins.get("caller") == "hidden"
    exchange = _Exchange(
        server.address,
        f"pbx1-1764000000.{next(_numbers)}",
        telling,
        spool,
        environment=b"agi_callerid: unknown\n" if hidden else b"",
    )
    _now["call"] = exchange
    server._waiting = _Quiet()
    with _observed(exchange), exchange:
        exchange.run()
    assert exchange.finish
    telling.did(f"end {exchange.finish.outcome} {exchange.finish.complaint or '-'}")
    note_from(spool, exchange.call_id, telling)
    return telling.text()


class _Made(dict[str, Made]):
    """Every prompt is made: what a script lets the line say is not looked for on disk."""

    def __missing__(self, _key: str) -> Made:
        return Made("", "0" * 64, "", 0.0, 0.0)

    def __contains__(self, _key: object) -> bool:
        return True


class _Book(PromptBook):
    """A book whose prompts are there as soon as they are looked for."""

    def stem(self, key: str) -> str:
        """What Asterisk plays."""
        file = self.path(key)
        file.parent.mkdir(exist_ok=True)
        file.touch()
        return super().stem(key)


@cache
def _line(table: str, operators: str | None, emergency: str | None) -> tuple[LineServer, Spool]:
    """One running line for all scripts with the same table."""
    _folders.append(TemporaryDirectory(prefix="aduan24-golden-"))
    folder = Path(_folders[-1].name)
    begins = {"table": table, "operators": operators or "yes", "emergency": emergency or "yes"}
    settings = LineSettings(
        spool=folder / "spool",
        quarantine=folder / "quarantine",
        prompts=folder,
        port=0,
        inquiry=lambda _caller: inquiry_of(_now["call"].telling),
        pin=lambda _number: _now["call"].telling.script.started.pin,
        mode=lambda _caller: _now["call"].telling.script.started.mode,
    )
    books = {code: _Book(folder / code, _Made(), {}) for code in LANGUAGES.values()}
    server = serve(settings, Script("", (), begins).menu, lambda: books)
    server.start()
    return server, Spool(settings.spool, settings.quarantine)


@contextmanager
def _observed(exchange: _Exchange) -> Iterator[None]:
    """Tell the exchange which performance begins, and how the call ended."""

    class Observed(AsteriskLine):
        def speak(self, language: str) -> None:
            exchange.telling.language = language
            super().speak(language)

        async def perform(self, action: Performance) -> Event:
            exchange.begins(action)
            return await super().perform(action)

    conduct = asterisk.conduct

    async def conducted(*values: Any, **named: Any) -> Finish:
        exchange.finish = await conduct(*values, **named)
        return exchange.finish

    with (
        patch.object(asterisk, "AsteriskLine", Observed),
        patch.object(asterisk, "conduct", conducted),
    ):
        yield


class _Quiet(WaitingRoom):
    """Says nothing of the wait: only the exchange knows how many wait, and it changes by itself."""

    def said(self, call_id: str, language: str = "id") -> tuple[str, ...]:
        return ()


class _Exchange(ScriptedAsterisk):
    """Answers the driver's commands with what the script lets the caller do."""

    def __init__(
        self,
        address: tuple[str, int],
        call_id: str,
        telling: Telling,
        spool: Spool,
        *,
        environment: bytes,
    ) -> None:
        number = telling.script.started.number or ""
        super().__init__(address, call_id, number=number, environment=environment)
        self.variables["ADUAN_ORDINAL"] = telling.script.begins.get("ordinal", "")
        self.telling, self._spool = telling, spool
        self.finish: Finish | None = None
        self._action: Performance = Play(())
        self._stems: list[Path] = []
        self._typed = ""

    def begins(self, action: Performance) -> None:
        """A performance begins; its commands are still to come."""
        self._action, self._stems, self._typed = action, [], ""

    def _usual(self, command: str) -> str:
        values = _QUOTED.findall(command)
        if command.startswith("STREAM FILE"):
            return self._stream(Path(values[0]), values[1])
        if command.startswith("WAIT FOR DIGIT"):
            return f"200 result={self._next_key()}"
        if command.startswith("GOSUB"):
            return self._bridge(values[0], int(values[3].split(",")[0]))
        return super()._usual(command)

    def _stream(self, stem: Path, keys: str) -> str:
        """The caller acts when the last file of a text is played."""
        self._stems.append(stem)
        if len(self._stems) < len(getattr(self._action, "prompts", (stem,))):
            return "200 result=0 endpos=8000"
        if isinstance(self._action, Listen):
            self.telling.did(f"listen {stem.name.removeprefix(f'{self.call_id}_')}")
        else:
            self.telling.heard([stem.name for stem in self._stems], stem.parent.name)
        if isinstance(self._action, Play) and self._action.prompts == BEEP:
            return "200 result=0 endpos=2000"
        passive, other = {Ask: ("silence", "key"), Gather: ("silence", "type")}.get(
            type(self._action), ("hear", "key")
        )
        word, *rest = self.telling.next(passive, other)
        if word == "hang":
            return HANGUP
        self._typed = "".join(rest) if word == other else ""
        cuts = self._typed[:1] in tuple(keys)
        return f"200 result={self._next_key() if cuts else 0} endpos=8000"

    def _next_key(self) -> int:
        key, self._typed = self._typed[:1], self._typed[1:]
        return ord(key) if key else 0

    def _record(self, stem: str) -> str:
        self.telling.did(f"record {Path(stem).name.removeprefix(f'{self.call_id}_')}")
        said, end = say(self.telling)
        source = _SPEECH if said else _SILENCE
        shutil.copyfile(source, f"{stem}.wav")
        result = "-1 (hangup)" if end == GONE else f"{ord(end)} (dtmf)" if end else "0 (timeout)"
        return f"200 result={result} endpos={int(duration(source) * 8000)}"

    def _bridge(self, context: str, talk: int) -> str:
        called = f"connect {context.removeprefix('aduan-')}"
        earlier = sum(line.startswith(called) for line in self.telling.written)
        self.telling.did(f"{called} {earlier + 1}")
        word, *_ = self.telling.next("nobody", "talk")
        self.variables["ADUAN_BRIDGE"] = "talked" if word == "talk" else "nobody"
        if word == "talk":
            kept = self._spool.clip_path(self.call_id, "talk", talk)
            self.variables["ADUAN_CLIP"] = str(kept)
        return HANGUP if word == "hang" else "200 result=0"
