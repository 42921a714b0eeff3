"""Twilio's messages over HTTP, as far as a sender sees them, with every way in which they fail.

with FakeTwilio() as twilio:
    channel = TwilioMessages("sms", twilio.settings(), twilio.auth_token)
    twilio.behave(Answer.SILENT_AFTER)      # the next message is taken, and nobody is told
    ...
    assert len(twilio.accepted) == 1
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from callcenter.config.schema import Twilio

_ADDRESS = re.compile(r"(whatsapp:)?\+[1-9]\d{6,14}")
_PATIENCE = 30.0


class Answer(StrEnum):
    """How one request is answered. BEFORE: nothing was done; AFTER: it was done all the same."""

    ACCEPT = "accept"
    SILENT_BEFORE = "silent before"  # no answer until the fake is stopped
    SILENT_AFTER = "silent after"
    BROKEN_BEFORE = "500 before"
    BROKEN_AFTER = "500 after"
    CUT_BEFORE = "connection closed before"
    CUT_AFTER = "connection closed after"
    GARBAGE_BEFORE = "a captive portal's page"
    GARBAGE_AFTER = "half an answer"
    BUSY = "429"
    UNAUTHORISED = "401"
    SLOW = "done, and told byte by byte"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of Twilio's own; the words hold what a hostile test wants them to hold."""

    code: int
    status: int = 400
    words: str = "refused"


Reply = tuple[int, str] | None  # status and body; None: the connection just ends
Step = Answer | Refusal


class FakeTwilio:
    """An account at Twilio. Start it or use it in `with`; safe to ask from every thread.

    `page_size`: the most rows that one page of the list has, whatever was asked for.
    """

    account_sid = "AC" + "0f" * 16
    auth_token = "5ecret" * 5
    whatsapp_from = "+14155238886"
    sms_from = "+15005550006"

    def __init__(self, *, page_size: int = 50) -> None:
        #: Messages that were taken, oldest first, as the API shows them.
        self.accepted: list[dict[str, Any]] = []
        #: Requests by what they wanted: "send", "list", "fetch".
        self.asked: Counter[str] = Counter()
        #: How often each answer was given.
        self.given: Counter[Step] = Counter()
        #: People who have unsubscribed, and whether everybody else gets what was taken.
        self.unsubscribed: set[str] = set()
        self.delivers = False
        self._page_size = page_size
        self._plans: dict[str, deque[Step]] = {}
        self._always: dict[str, Step] = {}
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.twilio = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    # ------------------------------------------------------------ for tests

    def start(self) -> Self:
        """Answer requests, in the background."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End every connection, the silent ones too; from now on the port is refused."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def settings(self, url: str | None = None) -> Twilio:
        """The section `twilio` of a configuration that uses this fake."""
        return Twilio(
            account_sid=self.account_sid,
            whatsapp_from=self.whatsapp_from,
            sms_from=self.sms_from,
            api_url=url or self.url,
        )

    def behave(self, *steps: Step, on: str = "send", always: bool = False) -> None:
        """Answer the next requests so, one each, and then normally again.

        `on`: "send", "list" or "fetch"; `always`: keep to the last step.
        """
        with self._changed:
            self._plans[on] = deque(steps)
            self._always.pop(on, None)
            if always:
                self._always[on] = steps[-1]

    def add(self, *, to: str, sender: str, body: str, at: datetime) -> dict[str, Any]:
        """Take a message, as if it had been posted at `at`."""
        stamp = format_datetime(at.astimezone(UTC))
        with self._changed:
            sid = f"SM{len(self.accepted) + 1:032x}"
            made: dict[str, Any] = {
                "sid": sid,
                "to": to,
                "from": sender,
                "body": body,
                "status": "queued",
            }
            made |= {"date_created": stamp, "date_sent": None, "direction": "outbound-api"}
            self.accepted.append(made)
            self._changed.notify_all()
            return made

    def set_status(self, sid: str, status: str) -> None:
        """What became of a message."""
        for made in self.accepted:
            if made["sid"] == sid:
                made["status"] = status

    def wait_accepted(self, count: int, seconds: float = 10.0) -> None:
        """Wait until so many messages were taken; AssertionError otherwise."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.accepted) >= count, seconds)
        assert done, f"{len(self.accepted)} of {count} messages after {seconds} s"

    # ------------------------------------------------------------ for the handler

    def step(self, kind: str) -> Step:
        """How this request is to be answered."""
        with self._changed:
            self.asked[kind] += 1
            plan = self._plans.get(kind)
            step = plan.popleft() if plan else self._always.get(kind, Answer.ACCEPT)
            self.given[step] += 1
            return step

    def wait_for_the_end(self) -> None:
        """Say nothing for as long as the fake lives."""
        self._stopped.wait(_PATIENCE)

    def pause(self, seconds: float) -> None:
        """A little time, less when the fake is stopped."""
        self._stopped.wait(seconds)

    def answer_send(self, form: Mapping[str, str]) -> Reply:
        """Take a message or refuse it, by Twilio's rules."""
        to, sender, body = (form.get(key, "") for key in ("To", "From", "Body"))
        if not _ADDRESS.fullmatch(to):
            return refused(Refusal(21211, words=f"The 'To' number {to} is not valid."))
        if to.removeprefix("whatsapp:") in self.unsubscribed:
            return refused(Refusal(21610, words=f"{to} has unsubscribed."))
        if sender not in (self.sms_from, f"whatsapp:{self.whatsapp_from}"):
            return refused(Refusal(21606, words=f"{sender} is not yours."))
        if not body:
            return refused(Refusal(21602, words="Message body is required."))
        if len(body.encode("utf-16-le")) > 2 * 1600:
            return refused(Refusal(21617, words="The body exceeds the 1600 character limit."))
        return 201, json.dumps(self.add(to=to, sender=sender, body=body, at=datetime.now(UTC)))

    def answer_fetch(self, sid: str) -> Reply:
        """One message."""
        for made in self.accepted:
            if made["sid"] == sid:
                made["status"] = "delivered" if self.delivers else made["status"]
                return 200, json.dumps(made)
        return refused(Refusal(20404, 404, f"{sid} was not found"))

    def answer_list(self, path: str, query: Mapping[str, str]) -> Reply:
        """One page, newest first."""
        rows = [
            made
            for made in sorted(self.accepted, key=_created, reverse=True)
            if query.get("To") in (None, made["to"]) and query.get("From") in (None, made["from"])
        ]
        size = min(int(query.get("PageSize", 50)), self._page_size)
        page = int(query.get("Page", 0))
        more = (page + 1) * size < len(rows)
        following = f"{path}?{urlencode({**query, 'Page': page + 1})}" if more else None
        shown = rows[page * size : (page + 1) * size]
        listing = {"messages": shown, "page": page, "page_size": size, "next_page_uri": following}
        return 200, json.dumps(listing)


def _created(made: Mapping[str, Any]) -> datetime:
    return datetime.strptime(made["date_created"], "%a, %d %b %Y %H:%M:%S %z")


def refused(refusal: Refusal) -> Reply:
    """An error in Twilio's own form."""
    more = f"https://www.twilio.com/docs/errors/{refusal.code}"
    body = {"code": refusal.code, "message": refusal.words, "more_info": more}
    return refusal.status, json.dumps({**body, "status": refusal.status})


class _Server(ThreadingHTTPServer):
    twilio: FakeTwilio
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = _flat(self.rfile.read(length).decode())
        self._handle("send", lambda: self.server.twilio.answer_send(form))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        twilio = self.server.twilio
        if parts.path.endswith("/Messages.json"):
            query = _flat(parts.query)
            self._handle("list", lambda: twilio.answer_list(parts.path, query))
        else:
            sid = parts.path.rpartition("/")[2].removesuffix(".json")
            self._handle("fetch", lambda: twilio.answer_fetch(sid))

    def _handle(self, kind: str, work: Callable[[], Reply]) -> None:
        twilio = self.server.twilio
        step = twilio.step(kind)
        if not self._authorised() or step is Answer.UNAUTHORISED:
            self._reply(refused(Refusal(20003, 401, f"Authenticate {twilio.auth_token}")))
        elif isinstance(step, Refusal):
            self._reply(refused(step))
        elif step is Answer.BUSY:
            self._reply(refused(Refusal(20429, 429, "Too many requests")))
        else:
            self._act(step, work)

    def _act(self, step: Answer, work: Callable[[], Reply]) -> None:
        reply = None if step.name.endswith("_BEFORE") else work()
        match step:
            case Answer.SILENT_BEFORE | Answer.SILENT_AFTER:
                self.server.twilio.wait_for_the_end()
            case Answer.BROKEN_BEFORE | Answer.BROKEN_AFTER:
                self._reply((500, "<h1>Internal server error</h1>"))
            case Answer.GARBAGE_BEFORE:
                self._reply((200, "<h1>Welcome to the hotel's network</h1>"))
            case Answer.GARBAGE_AFTER:
                self._reply((201, str(reply[1])[:40] if reply else "{"))
            case Answer.ACCEPT:
                self._reply(reply)
            case Answer.SLOW:
                self._reply(reply, every=0.05)
            case _:
                self.close_connection = True

    def _authorised(self) -> bool:
        twilio = self.server.twilio
        pair = base64.b64encode(f"{twilio.account_sid}:{twilio.auth_token}".encode()).decode()
        mine = self.path.startswith(f"/2010-04-01/Accounts/{twilio.account_sid}/")
        return mine and self.headers.get("Authorization") == f"Basic {pair}"

    def _reply(self, reply: Reply, every: float = 0.0) -> None:
        status, body = reply or (500, "")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for piece in body if every else (body,):
            self.wfile.write(piece.encode())
            self.server.twilio.pause(every)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _flat(text: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(text, keep_blank_values=True).items()}
