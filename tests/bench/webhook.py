"""A signed webhook of Twilio's (signature, state on disk, TwiML) beside bare Flask.

Both behind the console's own server. Whoever asks plays Twilio: calls that ring, hear the
languages, the consent and the menu, each step signed, over connections that stay open.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import yaml
from twilio.request_validator import RequestValidator

from callcenter.config import load, read_secrets
from callcenter.store.migrate import upgrade
from callcenter.wiring import Wiring
from tests.bench.figures import Part, Ratio
from tests.bench.running import ROOT
from tests.running import free_block, until
from tests.web.twilio_caller import ACCOUNT, PUBLIC_URL, TOKEN, config_text

SUBJECTS = ("ours", "bare")
CALLERS, CALLS, STEPS = 8, 160, 4
_EMPTY = ({}, {"Digits": ""}, {"Digits": ""}, {"Digits": "1"})


def bench(folder: Path, rounds: int) -> Part:
    """In each round both answer the same requests, one after the other."""
    part = Part("webhook", f"{CALLS} calls of {STEPS} signed requests, {CALLERS} at once")
    configs = {name: _configured(folder / name) for name in SUBJECTS}
    for index in range(rounds):
        for name in SUBJECTS if index % 2 == 0 else SUBJECTS[::-1]:
            port = load(configs[name]).web.port
            with _serving(name, configs[name], port):
                _calls(port, CALLERS, f"{index}a")  # the first requests find nothing warm
                _calls(port, CALLS, f"{index}b", part, name)
    series = [part.series(name, "requests_per_s") for name in SUBJECTS]
    part.figures.append(Ratio("bare Flask: requests", *series, "per s", ("at least", 0.6), "3"))
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
def _serving(name: str, config: Path, port: int) -> Iterator[None]:
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
        yield
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


def _calls(port: int, calls: int, mark: str, part: Part | None = None, name: str = "") -> None:
    taken: list[float] = []
    local = threading.local()

    def one(index: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sid = f"CA{mark}{index}".encode().hex().rjust(34, "0")[-32:]
        taken.extend(_call(local.connection, f"CA{sid}"))

    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(one, range(calls)))
    seconds = time.perf_counter() - began
    if part is not None:
        taken.sort()
        part.add(
            name,
            requests_per_s=len(taken) / seconds,
            p50_ms=taken[len(taken) // 2] * 1e3,
            p99_ms=taken[int(len(taken) * 0.99)] * 1e3,
        )


def _call(connection: http.client.HTTPConnection, sid: str) -> Iterator[float]:
    validator = RequestValidator(TOKEN)
    for step, more in enumerate(_EMPTY):
        path = "/twilio/voice" + (f"?step={step - 1}" if step else "")
        form = {
            "AccountSid": ACCOUNT,
            "CallSid": sid,
            "From": "+6281234567890",
            "To": "+623665501000",
            "CallStatus": "in-progress",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            **more,
        }
        headers = {
            "X-Twilio-Signature": validator.compute_signature(PUBLIC_URL + path, form),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        began = time.perf_counter()
        connection.request("POST", path, urlencode(form), headers)
        answer = connection.getresponse()
        body = answer.read()
        yield time.perf_counter() - began
        if answer.status != 200 or b"<Response>" not in body:
            raise RuntimeError(f"{path}: {answer.status}")
