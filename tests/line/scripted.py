"""Asterisk's side of FastAGI, scripted: a real socket, no exchange.

    with ScriptedAsterisk(address, answers={"WAIT FOR DIGIT": ["200 result=49"]}) as asterisk:
        asterisk.run()            # answers until the driver closes the connection
    asterisk.commands             # what it was asked, in order
    asterisk.variables            # what was set

`answers` are used up in order per command (matched by its beginning, or by its short form such as
"stream welcome"); then everything succeeds.
An answer may be text, HANGUP (close the connection), or a function of the command.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ivr.wav import duration

HANGUP = "hang up"
Answer = str | bytes | Callable[[str], str]
_QUOTED = re.compile(r'"([^"]*)"')


class ScriptedAsterisk:
    def __init__(
        self,
        address: tuple[str, int],
        call_id: str = "pbx1-1764000000.1",
        *,
        number: str = "",
        answers: dict[str, list[Answer]] | None = None,
        takes: list[Path | None] | None = None,
        environment: bytes = b"",
    ) -> None:
        self._socket = socket.create_connection(address, timeout=10)
        self._lines = self._socket.makefile("rb")
        self._answers = {key: list(value) for key, value in (answers or {}).items()}
        self._takes = list(takes or [])
        self._environment = environment
        self.call_id = call_id
        self.variables = {"ADUAN_NUMBER": number}
        self.commands: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def run(self) -> Self:
        """Open the call and answer until the other side closes."""
        self.send(
            self._environment  # of two of a name the first counts
            + b"agi_network: yes\nagi_network_script: call\nagi_uniqueid: "
            + self.call_id.encode()
            + b"\nagi_callerid: 081234567890\n\n"
        )
        for line in iter(self._next, b""):
            command = line.decode().rstrip("\n")
            self.commands.append(command)
            answer = self._answer(command)
            if answer == HANGUP:
                self._socket.shutdown(socket.SHUT_WR)
                continue
            self.send(answer if isinstance(answer, bytes) else f"{answer}\n".encode())
        return self

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            return

    def _next(self) -> bytes:
        try:
            return self._lines.readline()
        except ConnectionError:
            return b""

    def _answer(self, command: str) -> str | bytes:
        for beginning, answers in self._answers.items():
            if answers and (command.startswith(beginning) or _short(command) == beginning):
                answer = answers.pop(0)
                return answer(command) if callable(answer) else answer
        return self._usual(command)

    def _usual(self, command: str) -> str:
        values = _QUOTED.findall(command)
        if command.startswith("SET VARIABLE"):
            self.variables[values[0]] = values[1]
            return "200 result=1"
        if command.startswith("GET VARIABLE"):
            found = self.variables.get(values[0], "")
            return f"200 result=1 ({found})" if found else "200 result=0"
        if command.startswith("STREAM FILE"):
            return "200 result=0 endpos=8000"
        if command.startswith("RECORD FILE"):
            return self._record(values[0])
        return "200 result=0"

    def _record(self, stem: str) -> str:
        source = self._takes.pop(0) if self._takes else None
        if source is None:
            return "200 result=-1 (writefile) endpos=0"
        shutil.copyfile(source, f"{stem}.wav")
        return f"200 result=0 (timeout) endpos={int(duration(source) * 8000)}"

    def applications(self) -> list[str]:
        """What was performed, in short: prompts by their names, recordings by their clips."""
        return [short for command in self.commands if (short := _short(command))]


def _short(command: str) -> str:
    values = _QUOTED.findall(command)
    verb = command.split(' "', maxsplit=1)[0]
    if verb in {"SET VARIABLE", "GET VARIABLE", "NOOP"}:
        return ""
    word = {"STREAM FILE": "stream", "WAIT FOR DIGIT": "wait", "RECORD FILE": "record"}.get(verb)
    return f"{word or verb.lower()} {Path(values[0]).name}"
