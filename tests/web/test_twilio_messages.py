"""Messages that Twilio brings: only what it signed, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from callcenter.services import directory, media
from callcenter.store.inbound_models import InboundMessage, MessageFile
from callcenter.store.models import Base, Complaint, Ticket
from callcenter.web import create_app
from callcenter.wiring import Wiring
from tests.web.conftest import ROOT, Closing, Sent, build
from tests.web.twilio_caller import ACCOUNT, PUBLIC_URL, TOKEN, config_text

URL = f"{PUBLIC_URL}/twilio/message"
SID = "SM" + "0" * 31 + "1"
OFFICER = "whatsapp:+628120000011"


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wiring]:
    (tmp_path / "twilio.secret").write_text(TOKEN)
    built = build(tmp_path, config_text(ROOT / "config.yaml"))
    Base.metadata.create_all(built.store.engine)
    with built.store.write() as db:
        directory.sync(db, built.config, datetime.now(UTC))
    yield built
    built.store.engine.dispose()


@pytest.fixture
def client(wired: Wiring) -> FlaskClient:
    app = create_app(wired)
    app.test_client_class = Closing
    return app.test_client()


def _post(client: FlaskClient, signature: str | None = None, **fields: str) -> TestResponse:
    form = {"AccountSid": ACCOUNT, "MessageSid": SID, "From": OFFICER, "Body": "", **fields}
    signed = RequestValidator(TOKEN).compute_signature(URL, form)
    headers = {"X-Twilio-Signature": signed if signature is None else signature}
    return client.post("/twilio/message", data=form, headers=headers)


def _messages(wired: Wiring) -> list[InboundMessage]:
    with wired.store.read() as db:
        return list(db.scalars(select(InboundMessage)))


def _number(wired: Wiring, sent: Sent) -> str:
    with wired.store.read() as db:
        return db.get_one(Complaint, sent.complaint_id).public_number


def test_a_signed_message_acts_and_is_answered_each_time_the_same(
    wired: Wiring, client: FlaskClient, a_ticket: Callable[..., Sent]
) -> None:
    sent = a_ticket()
    body = f"TERIMA {_number(wired, sent)}"
    answers = [_post(client, Body=body) for _ in range(3)]
    assert {a.status_code for a in answers} == {200}
    assert len({a.text for a in answers}) == 1
    told = ElementTree.fromstring(answers[0].text).findtext("Message")  # noqa: S314 - our own
    assert told
    assert "Anda terima" in told
    with wired.store.read() as db:
        assert db.get_one(Ticket, sent.ticket_id).accepted_by == "person:pupr_1"
    (kept,) = _messages(wired)
    assert (kept.channel, kept.result, kept.ticket_id) == ("whatsapp", "done", sent.ticket_id)


@pytest.mark.parametrize("signature", ["", "nonsense", "ümlaut"])
def test_what_twilio_did_not_sign_stays_outside(
    wired: Wiring, client: FlaskClient, signature: str
) -> None:
    assert _post(client, signature, Body="TERIMA 10000009").status_code == 403
    assert _messages(wired) == []


def test_another_account_a_strange_id_and_another_form_stay_outside(
    wired: Wiring, client: FlaskClient
) -> None:
    assert _post(client, AccountSid="AC" + "0" * 32).status_code == 403
    assert _post(client, MessageSid="CA" + "0" * 32).status_code == 400
    assert client.post("/twilio/message", json={"Body": "TERIMA"}).status_code == 403
    assert client.get("/twilio/message").status_code == 405
    assert _messages(wired) == []


def test_what_a_citizen_writes_is_kept_and_answered_without_a_word_about_tickets(
    wired: Wiring, client: FlaskClient
) -> None:
    answer = _post(client, From="+628123456789", Body="Lampu mati <b>& gelap", NumMedia="2")
    assert "5501000" in answer.text
    (kept,) = _messages(wired)
    assert (kept.result, kept.channel, kept.media) == ("stranger", "sms", 2)
    assert kept.body == "Lampu mati <b>& gelap"


def test_files_of_a_message_wait_to_be_fetched_from_our_account_and_from_nowhere_else(
    wired: Wiring, client: FlaskClient
) -> None:
    address = f"Messages/{SID}/Media/ME{'0' * 32}"
    form = {
        "From": "whatsapp:+628123456789",
        "NumMedia": "2",
        "MediaUrl0": f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/{address}",
        "MediaContentType0": "image/jpeg",
        "MediaUrl1": "http://169.254.169.254/latest",
        "MediaContentType1": "image/png",
    }
    for _ in range(2):
        assert _post(client, **form).status_code == 200
    with wired.store.read() as db:
        rows = db.scalars(select(MessageFile).order_by(MessageFile.place)).all()
        assert [(r.state, r.address, r.said_type) for r in rows] == [
            (media.WAITING, address, "image/jpeg"),
            (media.GIVEN_UP, "", "image/png"),
        ]
        assert list(media.due(db, datetime.now(UTC))) == [rows[0].id]


@pytest.mark.parametrize(
    ("latitude", "longitude", "kept"),
    [("-8.4541", "115.3544", (-8.4541, 115.3544)), ("-98", "1", None), ("x", "", None)],
)
def test_a_location_is_kept_with_its_words(
    wired: Wiring,
    client: FlaskClient,
    latitude: str,
    longitude: str,
    kept: tuple[float, float] | None,
) -> None:
    place = {"Label": "Pasar Kidul", "Address": "Jalan Merdeka"}
    pin = {"Latitude": latitude, "Longitude": longitude}
    assert _post(client, From="whatsapp:+628123456789", **place, **pin).status_code == 200
    (row,) = _messages(wired)
    assert row.body == "Pasar Kidul, Jalan Merdeka"
    assert ((row.latitude, row.longitude) if row.latitude else None) == kept
