"""What Twilio keeps of our calls, over HTTP: lists, facts of calls, and audio behind a password.

with FakeRecordings() as account:
    account.keep(sid, call_sid, wave_bytes)       # a finished recording
    account.elsewhere[sid] = "https://media.twiliocdn.com/x"    # ... kept at another host
    account.asked                                 # (path, Authorization) of every request
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.web.loopback import Loopback
from tests.web.twilio_caller import ACCOUNT

_FOLDER = f"/2010-04-01/Accounts/{ACCOUNT}"


class FakeRecordings(Loopback):
    """One account. `status`: answer everything with this HTTP status."""

    def __init__(self) -> None:
        self.audio: dict[str, bytes] = {}
        self.elsewhere: dict[str, str] = {}
        self.listed: list[dict[str, Any]] = []
        self.calls: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.status = 200
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def keep(self, sid: str, call_sid: str, audio: bytes, source: str = "RecordVerb") -> None:
        """A finished recording, newest first in the list."""
        self.audio[sid] = audio
        now = format_datetime(datetime.now(UTC))
        row = {"sid": sid, "call_sid": call_sid, "status": "completed", "source": source}
        self.listed.insert(0, {**row, "date_created": now, "start_time": now, "duration": "3"})

    def know(self, call_sid: str, status: str = "completed") -> None:
        """A call that Twilio knows."""
        now = format_datetime(datetime.now(UTC))
        self.calls[call_sid] = {
            "sid": call_sid,
            "status": status,
            "from": "+6281234567890",
            "to": "+623665501000",
            "start_time": now,
            "end_time": now if status == "completed" else None,
        }

    def fetched(self) -> list[str]:
        """The audio that was asked for."""
        return [path for path, _ in self.asked if path.endswith(".wav")]

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET."""
        name = path.rsplit("/", 1)[-1]
        if self.status != 200:
            return self.status, {}, b"{}"
        if path == f"{_FOLDER}/Recordings.json":
            return 200, {}, json.dumps({"recordings": self.listed}).encode()
        if path.startswith(f"{_FOLDER}/Calls/"):
            call = self.calls.get(name.removesuffix(".json"))
            lost = json.dumps({"code": 20404, "message": "not found"}).encode()
            return (200, {}, json.dumps(call).encode()) if call else (404, {}, lost)
        sid = name.removesuffix(".wav")
        if sid in self.elsewhere:
            return 302, {"Location": self.elsewhere[sid]}, b""
        return (200, {}, self.audio[sid]) if sid in self.audio else (404, {}, b"")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                fake.asked.append((path, self.headers.get("Authorization", "")))
                status, headers, body = fake.answer(path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler
