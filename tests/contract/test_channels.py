"""What every channel promises to the delivery of notices."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callcenter.gateways.channel import Arrival, TransportError
from callcenter.gateways.screen import Screen
from callcenter.gateways.smtp import Mail
from callcenter.gateways.twilio import TwilioMessages
from tests.contract.conftest import LINK, MAIL, PHONE, Rig, notice, smtp
from tests.contract.fake_twilio import FakeTwilio
from tests.contract.mail_servers import free_port

HOSTILE = {
    "line ends": f"satu\r\ndua\rtiga\u2028empat\x85lima\n.\n..\n{LINK}",
    "zero bytes": f"a\0b\0\0\n{LINK}",
    "terminal": f"\x1b[2J\x1b]0;judul\x07\x9b31m\b\b\x7fmerah\n{LINK}",
    "direction": f"\u202egnip.exe\u202c \u2066x\u2069\n{LINK}",
    "half a character": f"\ud83d saja\n{LINK}",
    "8 KiB": "jalan rusak " * 683 + f"\n{LINK}",
    "emoji": "👨‍👩‍👧‍👦🌋" * 400 + f"\n{LINK}",
    "mail headers": f"Bcc: lain@example.com\r\n\r\n<html>\n{LINK}",
    "markup": f"<script>&amp;{{}}%s%(x)s\\n\n{LINK}",
    "one long word": "a" * 8192 + f"\n{LINK}",
}


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


def test_a_sent_notice_arrives_whole_and_has_a_short_id(rig: Rig) -> None:
    _, provider_id = rig.send()
    (text,) = rig.arrived()
    assert "jalan rusak di Kintamani" in text
    assert LINK in text.splitlines()[-1]
    assert 0 < len(provider_id) <= 80
    assert provider_id.isascii()
    assert provider_id.isprintable()


def test_hostile_text_arrives_once_and_harmless_with_its_link(rig: Rig, hostile: str) -> None:
    rig.send(text=hostile)
    (text,) = rig.arrived()
    assert LINK in text
    steering = [sign for sign in text if not sign.isprintable() and sign not in "\n\u200d"]
    assert steering == []


def test_hostile_names_and_keys_break_nothing(rig: Rig) -> None:
    evil = 'x"\r\nBcc: lain@example.com\0, <y@example.com>; é\u202e👨‍👩‍👧 ' * 20
    _, provider_id = rig.send(name=evil, subject=evil, key="k" * 160)
    assert len(rig.arrived()) == 1
    assert len(provider_id) <= 80


def test_nothing_is_found_of_what_was_never_sent(rig: Rig) -> None:
    rig.send()
    other = notice(to=rig.to, key="other", text=f"Lain sekali\n{LINK}")
    assert rig.channel.find(other, datetime.now(UTC)) is None


def test_what_was_sent_is_found_or_may_be_repeated(rig: Rig) -> None:
    before = datetime.now(UTC)
    message, provider_id = rig.send()
    found = rig.channel.find(message, before)
    if rig.repeats_harmlessly:
        assert found is None
        assert rig.channel.send(message).provider_id == provider_id
    else:
        assert found is not None
        assert found.provider_id == provider_id


def test_the_arrival_of_a_sent_notice_is_known(rig: Rig) -> None:
    _, provider_id = rig.send()
    known = rig.channel.arrival(provider_id)
    assert known.provider_id == provider_id
    assert known.arrival in (Arrival.SENT, Arrival.DELIVERED)


@pytest.mark.parametrize("name", ["whatsapp", "sms", "email"])
@pytest.mark.parametrize("to", ["", "x", "+", "0812", f"{PHONE}\r\nX: y", "a@b\r\nc", "a b@c.d"])
def test_an_impossible_address_is_refused_for_good(twilio: FakeTwilio, name: str, to: str) -> None:
    nowhere = smtp(free_port())
    mail = name == "email"
    channel = Mail(nowhere, None) if mail else TwilioMessages(name, twilio.settings(), "t")
    with pytest.raises(TransportError) as caught:
        channel.send(notice(to=to))
    assert caught.value.permanent
    assert not caught.value.ambiguous
    assert channel.find(notice(to=to), datetime.now(UTC)) is None
    assert not twilio.asked


@pytest.mark.parametrize("name", ["whatsapp", "sms", "email"])
def test_a_provider_that_is_away_has_certainly_not_taken_it(twilio: FakeTwilio, name: str) -> None:
    port = free_port()
    settings = twilio.settings(f"http://127.0.0.1:{port}")
    mail = name == "email"
    channel = Mail(smtp(port), None) if mail else TwilioMessages(name, settings, "t")
    with pytest.raises(TransportError, match="refused") as caught:
        channel.send(notice(to=MAIL if mail else PHONE))
    assert not caught.value.permanent
    assert not caught.value.ambiguous


class TestScreen:
    def test_every_line_is_marked_so_that_up_shows_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Screen().send(notice(text=f"Satu\n\nerror: dua\r\n✉ tiga\n{LINK}"))
        assert capsys.readouterr().out.splitlines() == [
            "✉ Kadek Suardana: Aduan baru 12 34 56 78",
            "✉ Satu",
            "✉ error: dua",
            "✉ ✉ tiga",
            f"✉ {LINK}",
        ]

    def test_no_telephone_number_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        numbers = [PHONE, "6281234567890", "081234567890", "03665501000", "+14155238886"]
        numbers += ["0812-3456-7890", "0812 3456 7890", "+62 812-3456-7890"]
        for number in numbers:
            Screen().send(notice(to=PHONE, name=number, subject=number, text=f"Telp {number}."))
        printed = capsys.readouterr().out
        assert not any(number in printed for number in numbers)
        assert "•••890" in printed

    def test_public_numbers_and_links_stay_readable(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = "Aduan 12345678, 62 34 56 78, 08-03-2026 12:30, (0366) 5501000\nhttps://x.id/p/0812345678901.620123456789?a=0812345678"
        Screen().send(notice(text=text))
        assert capsys.readouterr().out.endswith("✉ " + text.replace("\n", "\n✉ ") + "\n")

    def test_a_closed_terminal_is_a_transient_failure(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        closed = (tmp_path_factory.mktemp("out") / "out").open("w")
        closed.close()
        for gone in (closed, None):
            monkeypatch.setattr("sys.stdout", gone)
            with pytest.raises(TransportError) as caught:
                Screen().send(notice())
            assert (caught.value.permanent, caught.value.ambiguous) == (False, False)

    def test_a_terminal_of_another_alphabet_shows_what_it_can(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        file = tmp_path_factory.mktemp("out") / "latin"
        with file.open("w", encoding="latin-1") as terminal:
            monkeypatch.setattr("sys.stdout", terminal)
            Screen().send(notice(text="Café 🌋"))
        assert "Café ?" in file.read_text(encoding="latin-1")
