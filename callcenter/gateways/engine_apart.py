"""A speech engine in a process of its own: what it costs, and what brings it down, stays there.

The process has the lowest priority, a limit on its memory, and is the first that a machine short of
memory ends. It is asked line by line (JSON) over its standard input, and dies with who asks.

    python -m callcenter.gateways.engine_apart MODEL LANGUAGE THREADS MEMORY_MB
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from callcenter.gateways.hearing import (
    LOADING_S,
    EngineFailed,
    EngineStopped,
    Heard,
    NoSound,
    longest_wait_s,
)

_BYTES_PER_S = 16_000  # of a sound, as the line records it
_PR_SET_PDEATHSIG = 1  # prctl(2)
_NICE = 19
_LONGEST_ANSWER = 16_000_000


@dataclass
class EngineApart:
    """Starts the process when it is first needed, and again after it died; one question at a time.

    `memory_mb`: how much the process may take. `command`: what is started, for tests.
    """

    model_folder: Path
    language: str
    threads: int
    memory_mb: int
    name: str = "faster-whisper"
    command: Sequence[str] = ()
    patience_s: float = 0.0  # for tests; 0: by the length of the sound
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _stopping: bool = field(default=False, repr=False)

    @property
    def model(self) -> str:
        """The folder's name."""
        return self.model_folder.name

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._child.pid if self._child else None

    def listen(self, sound: Path) -> Heard:
        """The words of a sound file. Raises NoSound, EngineFailed."""
        child = self._started()
        answer = self._asked(child, {"sound": str(sound)}, self._patience(sound))
        if "no_sound" in answer:
            raise NoSound(str(answer["no_sound"]))
        if "failed" in answer:
            raise EngineFailed(str(answer["failed"]))
        return Heard.of(answer["words"], answer["language"], answer["seconds"])

    def warm(self) -> None:
        """Start the process, and wait until its model is loaded. Raises EngineFailed."""
        self._started()

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()

    def interrupt(self) -> None:
        """End the process in the middle of its work, from a signal's handler; it is the end."""
        self._stopping = True
        if self._child is not None:
            self._child.kill()

    def _patience(self, sound: Path) -> float:
        if self.patience_s:
            return self.patience_s
        try:
            return longest_wait_s(sound.stat().st_size / _BYTES_PER_S)
        except OSError:
            return longest_wait_s(0.0)  # the process says what is wrong with it

    def _started(self) -> subprocess.Popen[bytes]:
        if self._stopping:
            raise EngineStopped("the worker stops")
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        arguments = (str(self.model_folder), self.language, str(self.threads), str(self.memory_mb))
        command = (sys.executable, "-u", "-m", "callcenter.gateways.engine_apart", *arguments)
        threads = {"OMP_NUM_THREADS": str(self.threads), "HF_HUB_OFFLINE": "1"}
        self._child = subprocess.Popen(
            list(self.command or command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads},
        )
        answer = self._answer(self._child, LOADING_S)
        if answer.get("ready") is not True:
            self.close()
            raise EngineFailed(str(answer.get("failed", "the engine does not start")))
        return self._child

    def _asked(
        self, child: subprocess.Popen[bytes], question: dict[str, str], patience_s: float
    ) -> dict[str, Any]:
        assert child.stdin is not None  # noqa: S101 (it was started with a pipe)
        try:
            child.stdin.write(json.dumps(question).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            self._died(child)
        return self._answer(child, patience_s)

    def _answer(self, child: subprocess.Popen[bytes], patience_s: float) -> dict[str, Any]:
        """One line of the process. Raises EngineFailed when it dies or takes too long; whatever
        else happens meanwhile ends it, so that no answer is taken for another question's."""
        try:
            return self._read(child, patience_s)
        except BaseException:
            self.close()
            raise

    def _read(self, child: subprocess.Popen[bytes], patience_s: float) -> dict[str, Any]:
        assert child.stdout is not None  # noqa: S101 (it was started with a pipe)
        ends, kept = time.monotonic() + patience_s, b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while not kept.endswith(b"\n"):
                if not selector.select(max(0.0, ends - time.monotonic())):
                    raise EngineFailed(f"no answer within {patience_s:.0f} s")
                chunk = os.read(child.stdout.fileno(), 1 << 16)
                kept += chunk
                if not chunk or len(kept) > _LONGEST_ANSWER:
                    self._died(child)
        try:
            answer: dict[str, Any] = json.loads(kept)
        except ValueError:
            self._died(child)
        return answer

    def _died(self, child: subprocess.Popen[bytes]) -> NoReturn:
        with suppress(subprocess.TimeoutExpired):
            child.wait(2)
        code = child.returncode
        self.close()
        if self._stopping:
            raise EngineStopped("the worker stops")
        how = f"signal {-code}" if code is not None and code < 0 else f"code {code}"
        raise EngineFailed(f"the engine died ({how})")


# ---------------------------------------------------------------- inside the process


def _bounded(memory_mb: int) -> None:
    """Little priority, little memory, and never left alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    os.nice(_NICE - os.nice(0))
    limit = memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a citizen's voice is in there
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(arguments: Sequence[str]) -> None:
    """Load the model, say so, then answer line by line until the input ends."""
    model, language, threads, memory_mb = arguments
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    _bounded(int(memory_mb))
    try:
        from callcenter.gateways.whisper import Whisper  # noqa: PLC0415 (within the limits)

        engine = Whisper(Path(model), None if language == "auto" else language, int(threads))
    except Exception as error:  # whatever a model's folder provokes is said, once
        _say(answers, {"failed": f"the model cannot be loaded: {type(error).__name__}: {error}"})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _say(answers, _answered(engine.listen, Path(json.loads(line)["sound"])))


def _answered(listen: Any, sound: Path) -> dict[str, Any]:
    try:
        heard: Heard = listen(sound)
    except NoSound as error:
        return {"no_sound": str(error)}
    except Exception as error:  # one sound's trouble is not the next one's
        return {"failed": f"{type(error).__name__}"}
    return {"words": heard.rows, "language": heard.language, "seconds": heard.seconds}


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
