"""Every route and every role: the table below is written by hand, so that a change is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callcenter.web import access
from tests.web.conftest import Filer, Sent, post, recording_id

OPERATOR, SUPERVISOR, OFFICER, ADMIN = "operator", "supervisor", "officer", "admin"
DESK = {OPERATOR, SUPERVISOR}
EVERYONE = {OPERATOR, SUPERVISOR, OFFICER, ADMIN}
PUBLIC = None

#: endpoint -> (method, path, who may). `{c}` complaint, `{t}` ticket, `{r}` recording, `{k}` link.
DOORS: dict[str, tuple[str, str, set[str] | None]] = {
    "static": ("GET", "/static/app.css", PUBLIC),
    "auth.sign_in": ("GET", "/sign-in", PUBLIC),
    "auth.sign_in_post": ("POST", "/sign-in", PUBLIC),
    "auth.language": ("POST", "/language", PUBLIC),
    "auth.sign_out": ("POST", "/sign-out", EVERYONE),
    "inbox.home": ("GET", "/", EVERYONE),
    "inbox.calls": ("GET", "/calls", {OPERATOR, SUPERVISOR, ADMIN}),
    "inbox.call": ("GET", "/calls/1", {OPERATOR, SUPERVISOR, ADMIN}),
    "audit_log.index": ("GET", "/audit", {SUPERVISOR, ADMIN}),
    "search.index": ("GET", "/complaints", {OPERATOR, SUPERVISOR, OFFICER}),
    "search.ask": ("POST", "/complaints/search", {OPERATOR, SUPERVISOR, OFFICER}),
    "search.keep": ("POST", "/views", {OPERATOR, SUPERVISOR, OFFICER}),
    "search.drop": ("POST", "/views/1/drop", {OPERATOR, SUPERVISOR, OFFICER}),
    "inbox.waiting": ("GET", "/inbox/waiting", DESK),
    "counter.blank": ("GET", "/complaints/new", DESK),
    "counter.take_down": ("POST", "/complaints/new", DESK),
    "counter.from_message": ("POST", "/inbox/messages/1/complaint", DESK),
    "counter.join": ("POST", "/inbox/messages/1/join", DESK),
    "counter.put_aside": ("POST", "/inbox/messages/1/aside", DESK),
    "desk.following": ("GET", "/desk/next", DESK),
    "desk.forget": ("POST", "/complaints/{c}/forget", {SUPERVISOR}),
    "files.add": ("POST", "/complaints/{c}/files", DESK),
    "files.of_message": ("GET", "/inbox/messages/1/files/1", DESK),
    "files.fetch_again": ("POST", "/inbox/messages/1/files/1/again", DESK),
    "files.at_desk": ("GET", "/complaints/{c}/files/1", DESK),
    "files.of_ticket": ("GET", "/tickets/{t}/files/1", EVERYONE),
    "officer.given": ("GET", "/p/{k}/files/1", PUBLIC),
    "desk.complaint": ("GET", "/complaints/{c}", DESK),
    "desk.save": ("POST", "/complaints/{c}", DESK),
    "desk.propose_rejection": ("POST", "/complaints/{c}/reject", DESK),
    "desk.confirm_rejection": ("POST", "/complaints/{c}/reject/confirm", DESK),
    "desk.settle_return": ("POST", "/complaints/{c}/returned", DESK),
    "desk.drop_plan": ("POST", "/complaints/{c}/plans/1/drop", DESK),
    "reporter.history": ("GET", "/complaints/{c}/person", DESK),
    "correspondence.thread": ("GET", "/complaints/{c}/thread", DESK),
    "correspondence.reply": ("POST", "/complaints/{c}/reply", DESK),
    "desk.asked": ("POST", "/complaints/{c}/asked", DESK),
    "desk.word": ("POST", "/complaints/{c}/word", DESK),
    "typing.draft": ("POST", "/complaints/{c}/draft", DESK),
    "typing.claim": ("POST", "/complaints/{c}/claim", DESK),
    "typing.take_over": ("POST", "/complaints/{c}/take-over", DESK),
    "typing.let_go": ("POST", "/complaints/{c}/let-go", DESK),
    "suggestions.categories": ("POST", "/suggestions", DESK),
    "duplicates.found": ("POST", "/complaints/{c}/similar", DESK),
    "duplicates.merge": ("POST", "/complaints/{c}/merge", DESK),
    "duplicates.part": ("POST", "/complaints/{c}/links/1/part", DESK),
    "tickets.index": ("GET", "/tickets", EVERYONE),
    "tickets.ticket": ("GET", "/tickets/{t}", EVERYONE),
    "tickets.accept": ("POST", "/tickets/{t}/accept", {OFFICER}),
    "tickets.photo": ("GET", "/tickets/{t}/photos/1.jpg", EVERYONE),
    "tickets.voice": ("GET", "/tickets/{t}/voices/1", EVERYONE),
    "tickets.paper": ("GET", "/tickets/{t}/report.pdf", EVERYONE),
    "tickets.evidence": ("GET", "/tickets/{t}/evidence/1", EVERYONE),
    "reports.index": ("GET", "/reports", EVERYONE),
    "reports.again": ("POST", "/tickets/{t}/report/again", {OPERATOR, SUPERVISOR, OFFICER}),
    "reports.chase": ("POST", "/tickets/{t}/chase", DESK),
    "people.forget": ("POST", "/tickets/{t}/pins/pupr_1/forget", {SUPERVISOR, ADMIN}),
    "waiting.index": ("GET", "/waiting", EVERYONE),
    "waiting.export": ("GET", "/waiting.xlsx", {SUPERVISOR, OFFICER, ADMIN}),
    "waiting.wait": ("POST", "/tickets/{t}/wait", {OPERATOR, SUPERVISOR, OFFICER}),
    "callbacks.index": ("GET", "/call-backs", DESK),
    "callbacks.entry": ("GET", "/call-backs/1", DESK),
    "callbacks.called": ("POST", "/call-backs/1/called", DESK),
    "callbacks.call": ("POST", "/call-backs/1/call", DESK),
    "silence.index": ("GET", "/silent", {OPERATOR, SUPERVISOR, ADMIN}),
    "silence.propose": ("POST", "/silent/1/prank", DESK),
    "silence.confirm": ("POST", "/silent/1/prank/confirm", DESK),
    "silence.lift": ("POST", "/silent/1/prank/lift", DESK),
    "telephone.panel": ("GET", "/telephone", DESK),  # no telephones: 404
    "telephone.act": ("POST", "/telephone/ready", DESK),
    "operators.index": ("GET", "/operators", {SUPERVISOR, ADMIN}),
    "operators.send_out": ("POST", "/operators/1/out", {SUPERVISOR, ADMIN}),
    "line.page": ("GET", "/line", {ADMIN}),
    "line.switch": ("POST", "/line", {ADMIN}),
    "roster.index": ("GET", "/roster", EVERYONE),
    "roster.swap": ("POST", "/roster/pupr", {OFFICER, ADMIN}),
    "roster.cancel": ("POST", "/roster/pupr/1/cancel", {OFFICER, ADMIN}),
    "alarms.standing": ("GET", "/alarms", EVERYONE),
    "messages.index": ("GET", "/messages", {SUPERVISOR, ADMIN}),
    "messages.resend": ("POST", "/messages/1/resend", {SUPERVISOR, ADMIN}),
    "prompts.index": ("GET", "/prompts", {ADMIN}),
    "prompts.prompt": ("GET", "/prompts/id/thanks", {ADMIN}),
    "prompts.sound": ("GET", "/prompts/id/thanks.wav", {ADMIN}),
    "prompts.record": ("POST", "/prompts/id/thanks", {ADMIN}),
    "prompts.revert": ("POST", "/prompts/id/thanks/revert", {ADMIN}),
    "recordings.play": ("GET", "/recordings/{r}.wav", DESK),
    "recordings.shape": ("GET", "/recordings/{r}/peaks", DESK),
    "speech.section": ("GET", "/complaints/{c}/words", DESK),
    "speech.words": ("GET", "/recordings/{r}/words", DESK),
    "events.stream": ("GET", "/events", EVERYONE),
    "machinery.page": ("GET", "/machinery", {SUPERVISOR, ADMIN}),
    "health.healthz": ("GET", "/healthz", PUBLIC),
    "officer.page": ("GET", "/p/{k}", PUBLIC),
    "officer.call": ("POST", "/p/{k}/call", PUBLIC),
    "lists.index": ("GET", "/p/{k}/tickets", PUBLIC),
    "lists.ticket": ("GET", "/p/{k}/tickets/{t}", PUBLIC),
    "lists.unlock": ("POST", "/p/{k}/unlock", PUBLIC),
    "lists.chase": ("POST", "/p/{k}/tickets/{t}/chase", PUBLIC),
    "officer.key": ("GET", "/p/{k}/key", PUBLIC),
    "officer.worker": ("GET", "/p/worker.js", PUBLIC),
    "officer.act": ("POST", "/p/{k}/accept", PUBLIC),
    "officer.clip": ("GET", "/p/{k}/recordings/{r}.wav", PUBLIC),
    "officer.photo": ("GET", "/p/{k}/photos/1.jpg", PUBLIC),
    "officer.voice": ("GET", "/p/{k}/voices/1", PUBLIC),
    "officer.evidence": ("GET", "/p/{k}/evidence/1", PUBLIC),
    "officer.paper": ("GET", "/p/{k}/report.pdf", PUBLIC),
    "officer.seen": ("GET", "/p/{k}/seen.svg", PUBLIC),
    "phone.page": ("GET", "/phone/", {SUPERVISOR, ADMIN}),
    "phone.dial": ("POST", "/phone/calls", {SUPERVISOR, ADMIN}),
    "phone.tell": ("POST", "/phone/calls/x", {SUPERVISOR, ADMIN}),
    "phone.clip": ("POST", "/phone/calls/x/clip", {SUPERVISOR, ADMIN}),
    "phone.prompt": ("GET", "/phone/prompts/id/thanks.wav", {SUPERVISOR, ADMIN}),
    "phone.listen": ("GET", "/phone/calls/x/clips/complaint-1.wav", {SUPERVISOR, ADMIN}),
    "twilio.voice": ("POST", "/twilio/voice", PUBLIC),  # no calls by Twilio: 404
    "twilio.status": ("POST", "/twilio/status", PUBLIC),
    "twilio.recording": ("POST", "/twilio/recording", PUBLIC),
    "twilio.prompt": ("GET", "/twilio/prompts/id/thanks.wav", PUBLIC),
    "twilio_messages.message": ("POST", "/twilio/message", PUBLIC),
    "twilio.clip": ("GET", "/twilio/clips/x.wav", PUBLIC),
}


def test_every_route_stands_in_the_table(app: Flask) -> None:
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == set(DOORS)


def test_a_view_without_a_mark_stops_the_start() -> None:
    careless = Flask("careless")
    careless.add_url_rule("/secret", "secret", lambda: "all of it")
    with pytest.raises(RuntimeError, match="secret"):
        access.init(careless)


@pytest.fixture
def sent(a_ticket: Callable[..., Sent]) -> Sent:
    """One complaint with a ticket at PUPR, the agency of the user `officer`."""
    return a_ticket()


def _path(app: Flask, sent: Sent, path: str) -> str:
    heard = recording_id(app.extensions["aduan24"], sent.complaint_id)
    return path.format(c=sent.complaint_id, t=sent.ticket_id, r=heard, k=sent.token)


@pytest.mark.parametrize("endpoint", sorted(DOORS))
def test_a_stranger_gets_no_further_than_the_public_doors(
    app: Flask, client: FlaskClient, sent: Sent, endpoint: str
) -> None:
    method, path, who = DOORS[endpoint]
    url = _path(app, sent, path)
    answer = (
        post(client, url)
        if method == "POST"
        else client.get(url, buffered=endpoint != "events.stream")
    )
    if who is PUBLIC:
        assert answer.headers.get("Location", "").startswith("/sign-in") is False
        assert answer.status_code != 403
    elif endpoint == "events.stream":
        assert answer.status_code == 401
    else:
        assert answer.headers["Location"].startswith("/sign-in")
    answer.close()


@pytest.mark.parametrize("username", [OPERATOR, SUPERVISOR, OFFICER, ADMIN])
def test_each_role_opens_its_own_doors_only(
    app: Flask, as_user: Callable[[str], FlaskClient], sent: Sent, username: str
) -> None:
    for endpoint, (method, path, who) in DOORS.items():
        if who is PUBLIC:
            continue
        client = as_user(username)
        url = _path(app, sent, path)
        if method == "POST":
            answer = post(client, url, page="/")
        else:
            answer = client.get(url, buffered=endpoint != "events.stream")
        refused = answer.status_code == 403
        assert refused == (username not in who), f"{endpoint}: {answer.status_code}"
        answer.close()


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"HX-Request": "true"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_method_and_no_header_opens_a_recording(
    app: Flask,
    as_user: Callable[[str], FlaskClient],
    sent: Sent,
    method: str,
    headers: dict[str, str],
) -> None:
    url = _path(app, sent, "/recordings/{r}.wav")
    for username in (OFFICER, ADMIN):
        answer = as_user(username).open(url, method=method, headers=headers)
        assert answer.status_code == 403


def test_an_officer_sees_their_own_agency_only(
    as_user: Callable[[str], FlaskClient], a_ticket: Callable[..., Sent]
) -> None:
    own, other = a_ticket(1), a_ticket(2, agency="bpbd")
    client = as_user(OFFICER)
    assert client.get(f"/tickets/{own.ticket_id}").status_code == 200
    assert client.get(f"/tickets/{other.ticket_id}").status_code == 404
    listed = client.get("/tickets?agency=bpbd").text
    assert f'href="/tickets/{own.ticket_id}"' in listed
    assert f'href="/tickets/{other.ticket_id}"' not in listed


def test_an_officer_never_reads_who_complained(
    as_user: Callable[[str], FlaskClient], sent: Sent
) -> None:
    page = as_user(OFFICER).get(f"/tickets/{sent.ticket_id}").text
    assert "I Wayan Contoh" not in page
    assert "3456789" not in page


def test_the_menu_holds_what_the_role_may_open(as_user: Callable[[str], FlaskClient]) -> None:
    page = as_user(OFFICER).get("/tickets").text
    assert 'href="/tickets"' in page
    assert 'href="/messages"' not in page
    assert 'href="/calls"' not in page


def test_the_front_page_of_those_without_a_desk_is_the_ticket_list(
    as_user: Callable[[str], FlaskClient],
) -> None:
    assert as_user(OFFICER).get("/").headers["Location"] == "/tickets"
    assert as_user(ADMIN).get("/").headers["Location"] == "/tickets"


def test_looking_at_a_citizens_data_is_written_down(
    as_user: Callable[[str], FlaskClient], sent: Sent, audits: Callable[[str], int]
) -> None:
    client = as_user(SUPERVISOR)
    client.get(f"/complaints/{sent.complaint_id}")
    client.get(f"/complaints/{sent.complaint_id}", headers={"HX-Request": "true"})
    client.get("/messages")
    client.get(f"/tickets/{sent.ticket_id}")
    assert audits("complaint_seen") == 1
    assert audits("messages_seen") == 1
    assert audits("ticket_seen") == 1


def test_numbers_of_callers_are_masked_in_lists(
    as_user: Callable[[str], FlaskClient], file_call: Filer
) -> None:
    file_call(7)
    page = as_user(OPERATOR).get("/calls").text
    assert "•••807" in page
    assert "1234567807" not in page
