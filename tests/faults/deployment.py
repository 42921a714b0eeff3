"""A deployment without a line for fault tests: own folder, own ports, processes that can be killed.

site = Site(folder, time_scale=1440, line="false")
clock = site.start("clock")        # aduan24 clock, a real process
clock.kill(); clock.stop()
site.store, site.rules             # the same database as the processes'
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from callcenter.config import load, read_secrets
from callcenter.config.template import rendered
from callcenter.gateways import valkey
from callcenter.services import desk, directory, dispatch
from callcenter.services.intake import Clip, HeardCall, file_call
from callcenter.store.migrate import upgrade
from callcenter.wiring import Wiring
from ivr.numbers import make_number
from tests.contract.fake_twilio import FakeTwilio
from tests.running import ROOT, free_block, until


@dataclass
class Process:
    """One process of the deployment."""

    command: list[str]
    output: Path
    child: subprocess.Popen[bytes] = field(init=False)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        self.began = time.monotonic()
        with self.output.open("ab") as out:
            self.child = subprocess.Popen(
                self.command, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        """As a crash: nothing is finished."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(10)

    def stop(self) -> None:
        """Orderly; it must end by itself."""
        if self.child.poll() is None:
            self.child.terminate()
            assert self.child.wait(15) is not None

    @property
    def said(self) -> str:
        """Everything it has printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")


class Site:
    """Configuration, database and processes in one folder."""

    def __init__(self, folder: Path, **values: str | float) -> None:
        self.folder = folder
        self.file = folder / "config.yaml"
        text = rendered(free_block())
        for key, value in values.items():
            text, count = re.subn(rf"(?m)^(  {key}: )[^#\n]*", rf"\g<1>{value} ", text, count=1)
            assert count == 1, key
        self.file.write_text(text, encoding="utf-8")
        self.config = load(self.file)
        self.config.storage.state.mkdir(parents=True, exist_ok=True)
        self.wiring = Wiring(self.config, read_secrets(self.config))
        self.store, self.rules = self.wiring.store, self.wiring.rules
        self.processes: list[Process] = []
        upgrade(self.store.engine)
        with self.store.write() as session:
            directory.sync(session, self.config, datetime.now(UTC))

    def start(self, part: str) -> Process:
        """`aduan24 PART`, or the embedded queue."""
        if part == "queue":
            port = self.config.queue.port
            command = valkey.command(port, self.config.storage.state / "valkey")
        else:
            command = [sys.executable, "-u", "-m", "callcenter.cli", part]
            command += ["--config", str(self.file)]
        process = Process(command, self.folder / f"{part}.out")
        self.processes.append(process)
        if part == "queue":
            until(lambda: valkey.answers(self.config.queue.port), 10)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in reversed(self.processes):
            if process.child.poll() is None:
                process.child.kill()
                process.child.wait(10)
        self.store.engine.dispose()

    def complaint(self, serial: int) -> int:
        """A written-down complaint, ready to be dispatched; its id."""
        now = datetime.now(UTC)
        clip = Clip("complaint", 1, f"calls/{serial}.wav", "0" * 64, 16000, 1.0, 1.0)
        heard = HeardCall(
            call_uid=f"pbx1-{serial}.1",
            line="pbx1",
            caller_raw="081234567890",
            called="100",
            started_at=now,
            ended_at=now,
            cause="16",
            mode="app",
            consent_at=now,
            number=make_number(serial),
            number_heard=True,
            path=(),
            clips=(clip,),
        )
        form = desk.DeskForm(
            transcript="Lampu jalan mati.",
            category_key="street_light",
            village_code="51.06.02.1004",
        )
        with self.store.write() as session:
            call = file_call(session, heard, now=now, silent_below=0.5)
            assert call.complaint is not None
            saved = desk.save(
                session, call.complaint.id, form, actor="operator", now=now, rules=self.rules
            )
            return saved.id

    def ticket(self, serial: int, agency: str = "dishub") -> int:
        """A dispatched ticket; its id."""
        complaint_id = self.complaint(serial)
        with self.store.write() as session:
            return dispatch.dispatch(
                session,
                complaint_id,
                agency_key=agency,
                order="Periksa.",
                actor="operator",
                now=datetime.now(UTC),
                rules=self.rules,
            ).id


def tell_by_twilio(site: Site, twilio: FakeTwilio) -> None:
    """From now on the processes that start here send by WhatsApp and SMS through this account."""
    secret = site.folder / "twilio.secret"
    secret.write_text(twilio.auth_token)
    secret.chmod(0o600)
    account = {
        "account_sid": twilio.account_sid,
        "auth_token_file": str(secret),
        "whatsapp_from": twilio.whatsapp_from,
        "sms_from": twilio.sms_from,
        "api_url": twilio.url,
    }
    text = site.file.read_text().replace("channels: [screen]", "channels: [whatsapp, sms]")
    rows = "\n".join(f'    {key}: "{value}"' for key, value in account.items())
    text, count = re.subn(r"(?m)^notices:\n", f"notices:\n  twilio:\n{rows}\n", text)
    assert count == 1
    site.file.write_text(text)
