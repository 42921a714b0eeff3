"""From a citizen's WhatsApp with a photo to the desk: real requests, hostile ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from callcenter.config.schema import Twilio
from callcenter.gateways.channel import TransportError
from callcenter.gateways.download import public_address
from callcenter.gateways.twilio_media import TwilioMedia, address_in
from callcenter.services import media
from callcenter.store.inbound_models import InboundMessage
from callcenter.wiring import Wiring
from tests.services.test_media import PDF
from tests.services.test_photos import picture
from tests.services.test_voice_notes import spoken
from tests.web.conftest import axe, shot
from tests.web.loopback import Loopback
from tests.web.twilio_caller import ACCOUNT, TOKEN

SID, ME = "MM" + "0" * 31 + "1", "ME" + "0" * 31 + "1"
FOLDER = f"/2010-04-01/Accounts/{ACCOUNT}"
ADDRESS = f"Messages/{SID}/Media/{ME}"
URL = f"https://api.twilio.com{FOLDER}/{ADDRESS}"
CDN = "mms.twiliocdn.com"


class Kept(Loopback):
    """A host with files: `answers` by path: bytes, or where to go instead."""

    def __init__(self, **answers: bytes | str) -> None:
        self.answers: dict[str, bytes | str] = answers
        self.asked: list[tuple[str, str]] = []
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                kept.asked.append((path, self.headers.get("Authorization", "")))
                answer = kept.answers.get(path, b"")
                self.send_response(302 if isinstance(answer, str) else 200 if answer else 404)
                if isinstance(answer, str):
                    self.send_header("Location", answer)
                self.end_headers()
                if isinstance(answer, bytes):
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        super().__init__(Handler)


@pytest.fixture
def api() -> Iterator[Kept]:
    """Twilio's API."""
    with Kept() as kept:
        yield kept


def source(api: Kept, cdn: Kept | None = None, **settings: Any) -> TwilioMedia:
    """Our side of it; `cdn` answers for every other host that may be asked."""

    def other(host: str, port: int, seconds: float) -> HTTPConnection:
        assert (host, port) == (CDN, 443)
        assert cdn
        return HTTPConnection("127.0.0.1", cdn.port, timeout=seconds)

    account = Twilio(account_sid=ACCOUNT, api_url=f"http://127.0.0.1:{api.port}", **settings)
    return TwilioMedia(account, TOKEN, open_other=other)


def test_a_file_comes_from_the_api_with_the_password_and_from_the_cdn_without(
    api: Kept, tmp_path: Path
) -> None:
    with Kept() as cdn:
        api.answers[f"{FOLDER}/{ADDRESS}"] = f"https://{CDN}/x"
        cdn.answers["/x"] = PDF
        assert source(api, cdn).fetch(ADDRESS, tmp_path / "a") == len(PDF)
        assert [bool(password) for _, password in api.asked] == [True]
        assert cdn.asked == [("/x", "")]
    assert (tmp_path / "a").read_bytes() == PDF


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/x",
        f"http://{CDN}/x",
        f"https://{CDN}:8443/x",
        f"https://{CDN}@evil.example/x",
        "https://127.0.0.1/x",
        "file:///etc/passwd",
        "https://xtwiliocdn.com/x",
        "",
    ],
)
def test_no_other_host_is_asked(api: Kept, tmp_path: Path, target: str) -> None:
    api.answers[f"{FOLDER}/{ADDRESS}"] = target
    with pytest.raises(TransportError) as refused:
        source(api).fetch(ADDRESS, tmp_path / "a")
    assert refused.value.permanent
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_end_is_cut_off_while_it_comes(api: Kept, tmp_path: Path) -> None:
    api.answers[f"{FOLDER}/{ADDRESS}"] = b"x" * 1_000_001
    with pytest.raises(TransportError, match="over 1000000 bytes"):
        source(api, media_mb=1).fetch(ADDRESS, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:192.168.1.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "224.0.0.1",
        "0.0.0.0",
    ],
)
def test_a_name_that_leads_into_a_private_network_is_refused(address: str) -> None:
    """Also when another of its addresses is public: the next look-up might choose this one."""

    def look_up(*_: object, **__: object) -> list[Any]:
        return [(0, 0, 0, "", (a, 443)) for a in ("93.184.216.34", address)]

    with pytest.raises(TransportError):
        public_address(CDN, 443, look_up)


@pytest.mark.parametrize(
    "url",
    [
        f"https://api.twilio.com/2010-04-01/Accounts/AC{'9' * 32}/{ADDRESS}",
        f"https://api.twilio.com{FOLDER}/Messages/{SID}/Media/../../../Keys",
        f"https://api.twilio.com{FOLDER}/Recordings/RE{'0' * 32}",
        "http://169.254.169.254/latest",
        "https://[",
    ],
)
def test_only_files_of_our_accounts_messages_have_an_address(url: str) -> None:
    assert address_in(URL, ACCOUNT) == ADDRESS
    assert address_in(url, ACCOUNT) == ""


# ---------------------------------------------------------------- in a browser


def _files(wired: Wiring, **kinds: bytes) -> int:
    """A message with these files, fetched."""
    now = datetime.now(UTC)
    with wired.store.write() as db:
        row = InboundMessage(
            provider_id=SID,
            channel="whatsapp",
            sender="+6281234567801",
            body="Ini fotonya",
            media=len(kinds),
            received_at=now,
            result="stranger",
        )
        db.add(row)
        db.flush()
        found = [media.Found(f"Messages/{SID}/Media/{name}", "") for name in kinds]
        media.note(db, row.id, found, now=now)
        message_id = row.id

    class Shelf:
        def fetch(self, address: str, to: Path) -> int:
            return to.write_bytes(kinds[address.rsplit("/", 1)[-1]])

    with wired.store.read() as db:
        due = media.due(db, now)
    for file_id in due:
        media.fetch(
            wired.store, file_id, Shelf(), wired.config.storage.recordings, clock=lambda: now
        )
    return message_id


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_photo_voice_and_what_is_odd_are_seen_in_the_inbox_and_at_the_desk(
    page_as: Callable[..., Page], dark: bool, shown: Wiring
) -> None:
    page = page_as("operator", dark=dark)
    if dark:
        page.get_by_role("button", name="English").click()
    page.goto("/?tab=messages")
    expect(page.locator(".messages img")).to_have_js_property("complete", value=True)
    assert page.evaluate("document.querySelector('.messages img').naturalWidth") > 100
    page.locator(".messages audio").evaluate("node => node.play()")
    assert page.locator(".messages").get_by_text("In quarantine" if dark else "Dikarantina").count()
    assert axe(page) == []
    shot(page, f"inbox-files-{dark}")
    page.get_by_role("button", name="Make it a complaint" if dark else "Jadikan aduan").click()
    page.wait_for_url("**/complaints/*")
    expect(page.locator(".listen img")).to_be_visible()
    assert axe(page) == []
    shot(page, f"desk-files-{dark}", whole=True)


@pytest.fixture
def shown(request: pytest.FixtureRequest) -> Wiring:
    """A message with a photo, a voice and a visiting card."""
    found: Wiring = request.getfixturevalue("wired")
    _files(found, a=picture(), b=spoken(2, "OGG"), c=b"BEGIN:VCARD")
    return found
