"""The applications that are compared, each in a process of its own.

    python -m tests.bench.subjects NAME PORT SCRIPT [--watched]

All but `line` say the commands of SCRIPT (a JSON list; "{id}" stands for the call's id) in every
session, each in its library's ordinary way. `line` is the whole of ours: SCRIPT is its
configuration. "ready" is printed when the port is taken, then one line of JSON per line on
standard input: CPU seconds and, when watched, turn-arounds since the last one.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.watched import Watch, report_when_asked

Commands = list[str]
_BACKLOG = 1024
_MOST = 1000
_ARGUMENT = re.compile(r'"([^"]*)"')


def ready() -> None:
    print("ready", flush=True)


def bare(port: int, commands: Commands) -> None:
    """asyncio and nothing else: what Python's own event loop can do."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call_id = ""
        while (line := await reader.readline()) not in (b"\n", b""):
            if line.startswith(b"agi_uniqueid: "):
                call_id = line[14:-1].decode()
        for command in commands:
            writer.write(command.replace("{id}", call_id).encode() + b"\n")
            reply = await reader.readline()
            if not reply.startswith(b"200 result="):
                break
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(take, "127.0.0.1", port, backlog=_BACKLOG)
        ready()
        await server.serve_forever()

    asyncio.run(serve())


def ours(port: int, commands: Commands) -> None:
    """Our wire, and no flow."""
    from ivr.agi import CallerGone, Channel
    from ivr.agi_server import AgiServer

    asked = [(command.split(' "')[0], _ARGUMENT.findall(command)) for command in commands]

    async def take(channel: Channel) -> None:
        call_id = channel.environment["agi_uniqueid"]
        for name, values in asked:
            try:
                await channel.run(name, *(value.replace("{id}", call_id) for value in values))
            except CallerGone:
                break

    server = AgiServer("127.0.0.1", port, take, _MOST)
    server.start()
    ready()
    threading.Event().wait()


def pystrix(port: int, commands: Commands) -> None:
    from pystrix.agi import FastAGI, FastAGIServer
    from pystrix.agi.agi_core import AGIHangup, _Action

    def take(agi: FastAGI, *_: object) -> None:
        call_id = agi.get_environment()["agi_uniqueid"]
        for command in commands:
            try:
                agi.execute(_Action(command.replace("{id}", call_id)))
            except AGIHangup:
                break

    server = FastAGIServer("127.0.0.1", port)
    server.register_script_handler(None, take)
    ready()
    server.serve_forever()


def panoramisk(port: int, commands: Commands) -> None:
    from panoramisk.fast_agi import Application, Request

    async def take(request: Request) -> None:
        call_id = request.headers["agi_uniqueid"]
        for command in commands:
            reply = await request.send_command(command.replace("{id}", call_id))
            if reply.get("status_code") != 200:
                break

    async def serve() -> None:
        application = Application(loop=asyncio.get_running_loop())
        application.add_route("call", take)
        server = await asyncio.start_server(
            application.handler, "127.0.0.1", port, backlog=_BACKLOG
        )
        ready()
        await server.serve_forever()

    asyncio.run(serve())


def line(_port: int, config: Path) -> None:
    """The line process as it runs: flow, ports, exchange's events, filing into the database."""
    from callcenter import line as process
    from callcenter.config import load, read_secrets
    from callcenter.wiring import Wiring

    loaded = load(config)
    wiring = Wiring(loaded, read_secrets(loaded))
    ready()
    process.run(wiring, threading.Event())


SPEAKING: dict[str, Callable[[int, Commands], None]] = {
    "ours": ours,
    "bare": bare,
    "pystrix": pystrix,
    "panoramisk": panoramisk,
}


def main(name: str, port: int, script: Path, *, watched: bool) -> None:
    watch = Watch(port) if watched else None

    def told() -> str:
        return json.dumps(watch.report() if watch else {"cpu_s": time.process_time()})

    report_when_asked(told)
    if name == "line":
        line(port, script)
    else:
        SPEAKING[name](port, json.loads(script.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), watched="--watched" in sys.argv)
