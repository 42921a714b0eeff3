"""Twilio's door for messages that come in: officers answer by WhatsApp or SMS."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import Blueprint, Response, abort, request
from twilio.twiml.messaging_response import MessagingResponse  # type: ignore[import-untyped]

from callcenter.domain.position import Position, read
from callcenter.gateways.twilio_media import address_in
from callcenter.services import replies
from callcenter.services.media import Found
from callcenter.services.replies import Inbound
from callcenter.web.access import PUBLIC, needs
from callcenter.web.context import now, wiring, writing
from callcenter.web.security import csrf
from callcenter.web.twilio import only_signed

door = Blueprint("twilio_messages", __name__, url_prefix="/twilio")
csrf.exempt(door)  # Twilio's signature takes the token's place

#: https://www.twilio.com/docs/glossary/what-is-a-sid: a message's begins with SM or MM.
_MESSAGE_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}", re.ASCII)
_WHATSAPP = "whatsapp:"


@door.post("/message")
@needs(PUBLIC)
def message() -> Response:
    """A message -> TwiML with one answer; delivered twice, it acts once and has the same answer."""
    account = wiring().config.notices.twilio
    if account is None:
        abort(404)
    only_signed()
    form = request.form
    if not _MESSAGE_SID.fullmatch(form.get("MessageSid", "")):
        abort(400)
    sender = form.get("From", "")
    media = form.get("NumMedia", "0")
    inbound = Inbound(
        provider_id=form["MessageSid"],
        channel="whatsapp" if sender.startswith(_WHATSAPP) else "sms",
        sender=sender.removeprefix(_WHATSAPP),
        body=form.get("Body", "") or _place(form),
        media=int(media) if media.isascii() and media.isdigit() and len(media) < 4 else 0,
        files=_files(form, account.account_sid),
        position=_position(form),
    )
    with writing() as db:
        answer = replies.take(db, inbound, now=now(), rules=wiring().reply_rules)
    document = MessagingResponse()
    if answer:
        document.message(answer)
    return Response(str(document), mimetype="text/xml")


def _files(form: Mapping[str, str], account_sid: str) -> tuple[Found, ...]:
    """The files that came along, in order; at most ten, as Twilio has it."""
    urls = [(form.get(f"MediaUrl{n}"), form.get(f"MediaContentType{n}", "")) for n in range(10)]
    return tuple(Found(address_in(url, account_sid), said) for url, said in urls if url)


def _position(form: Mapping[str, str]) -> Position | None:
    """The pin of a location message (WhatsApp)."""
    return read(f"{form.get('Latitude', '')}, {form.get('Longitude', '')}")


def _place(form: Mapping[str, str]) -> str:
    """What a location message says in words: its label and its address."""
    return ", ".join(filter(None, (form.get("Label"), form.get("Address"))))
