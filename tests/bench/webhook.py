"""A signed webhook of Twilio's (signature, state on disk, TwiML) beside bare Flask.

Both behind the console's own server. Whoever asks plays Twilio: calls that ring, hear the
languages, the consent and the menu, each step signed, over connections that stay open.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import yaml
from twilio.request_validator import RequestValidator

from callcenter.config import load, read_secrets
from callcenter.store.migrate import upgrade
from callcenter.wiring import Wiring
from tests.bench.figures import Goal, Part, Ratio
from tests.bench.running import ROOT
from tests.running import free_block, until
from tests.web.twilio_caller import ACCOUNT, PUBLIC_URL, TOKEN, config_text

SUBJECTS = ("ours", "bare")
CALLERS, CALLS, STEPS = 8, 500, 4
_TICKS = os.sysconf("SC_CLK_TCK")
_LENGTH = re.compile(rb"(?i)content-length: *([0-9]+)")
_EMPTY: tuple[dict[str, str], ...] = ({}, {"Digits": ""}, {"Digits": ""}, {"Digits": "1"})


def bench(folder: Path, rounds: int) -> Part:
    """In each round both answer the same requests, one after the other."""
    part = Part("webhook", f"{CALLS} calls of {STEPS} signed requests, {CALLERS} at once")
    configs = {name: _configured(folder / name) for name in SUBJECTS}
    for index in range(rounds):
        for name in SUBJECTS if index % 2 == 0 else SUBJECTS[::-1]:
            port = load(configs[name]).web.port
            with _serving(name, configs[name], port) as pid:
                _load(port, CALLERS, f"{index}a").run()  # the first requests find nothing warm
                crowd = _load(port, CALLS, f"{index}b")
                cpu = _cpu_s(pid)
                taken, seconds = crowd.run()
                part.add(
                    name,
                    requests_per_s=len(taken) / seconds,
                    cpu_us_per_request=(_cpu_s(pid) - cpu) / len(taken) * 1e6,
                    p50_ms=taken[len(taken) // 2] * 1e3,
                    p99_ms=taken[int(len(taken) * 0.99)] * 1e3,
                )
    goals: dict[str, tuple[str, Goal | None]] = {
        "requests_per_s": ("per s", ("at least", 0.6)),
        "cpu_us_per_request": ("us", None),
    }
    for key, (unit, goal) in goals.items():
        ours, bare = (part.series(name, key) for name in SUBJECTS)
        part.figures.append(Ratio(f"bare Flask: {key}", ours, bare, unit, goal, "3"))
    return part


def _configured(folder: Path) -> Path:
    folder.mkdir()
    config = folder / "config.yaml"
    settings = yaml.safe_load(config_text(ROOT / "config.yaml"))
    settings["web"]["port"] = free_block()
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "twilio.secret").write_text(TOKEN)
    shutil.copytree(ROOT / "recordings" / "prompts", folder / "recordings" / "prompts")
    loaded = load(config)
    wiring = Wiring(loaded, read_secrets(loaded))
    upgrade(wiring.store.engine)
    wiring.store.engine.dispose()
    return config


@contextmanager
def _serving(name: str, config: Path, port: int) -> Iterator[int]:
    with config.with_name("web.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.webserver", name, str(config)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _answers(port), 20, config.with_name("web.log").read_text)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/twilio/voice")
        return bool(connection.getresponse().status)
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class _Load:
    """Requests that are signed and written before the clock starts: who asks must cost little,
    or it is the client that is measured."""

    port: int
    calls: list[list[bytes]]

    def run(self) -> tuple[list[float], float]:
        """The seconds of each request, and of all together."""
        local, taken = threading.local(), []

        def one(requests: list[bytes]) -> None:
            if not hasattr(local, "connection"):
                local.connection = _Connection(self.port)
            for request in requests:
                began = time.perf_counter()
                local.connection.ask(request)
                taken.append(time.perf_counter() - began)

        began = time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(one, self.calls))
        return sorted(taken), time.perf_counter() - began


class _Connection:
    """One connection that stays open: as little HTTP as it takes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> None:
        """Ask, and read the whole answer; anything but TwiML is an error."""
        self._socket.sendall(request)
        got = self._socket.recv(65536)
        while b"\r\n\r\n" not in got:
            got += self._socket.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(_LENGTH.search(head)[1])  # type: ignore[index]
        while len(body) < length:
            body += self._socket.recv(65536)
        if not head.startswith(b"HTTP/1.1 200") or b"<Response>" not in body:
            raise RuntimeError(f"{request.split(b' ')[1]!r}: {head[:30]!r}")


def _call(sid: str, caller: str) -> list[bytes]:
    validator, requests = RequestValidator(TOKEN), []
    for step, more in enumerate(_EMPTY):
        path = "/twilio/voice" + (f"?step={step - 1}" if step else "")
        form = {
            "AccountSid": ACCOUNT,
            "CallSid": sid,
            "From": caller,
            "To": "+623665501000",
            "CallStatus": "in-progress",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            **more,
        }
        body = urlencode(form)
        requests.append(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"X-Twilio-Signature: {validator.compute_signature(PUBLIC_URL + path, form)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
    return requests


def _load(port: int, calls: int, mark: str) -> _Load:
    sids = (f"CA{mark}{index}".encode().hex().rjust(34, "0")[-32:] for index in range(calls))
    told = [_call(f"CA{sid}", f"+628123{index:06}") for index, sid in enumerate(sids)]
    return _Load(port, told)


def _cpu_s(pid: int) -> float:
    """CPU seconds of the server: gunicorn's arbiter and its worker."""
    found = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if int(name.split(" ")[0]) == pid or int(fields[1]) == pid:
            found += (int(fields[11]) + int(fields[12])) / _TICKS
    return found
