"""The caller's signalling: messages, digest, and the dialog against a scripted far side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.caller import sdp
from ivr.caller.dialog import BYE_PATIENCE, TIMER_B, Dialog
from ivr.caller.digest import authorization, parse_challenge
from ivr.caller.sip import (
    Account,
    BadMessage,
    Message,
    Target,
    build,
    parameter,
    parse,
    parse_target,
    uri_address,
    uri_of,
)

PEER = ("192.0.2.1", 5060)
LOCAL = ("192.0.2.9", 40000)
ANSWER = sdp.offer("192.0.2.1", 12000, 7)
CHALLENGE = 'Digest realm="aduan", nonce="abc", qop="auth", algorithm=MD5, opaque="x\\"y"'


class FarSide:
    """The line, played by hand: reads what the dialog sent and answers it."""

    def __init__(self, account: Account | None = None) -> None:
        self.now = 100.0
        self.dialog = Dialog(
            Target("24", "192.0.2.1", 5060),
            PEER,
            LOCAL,
            sdp.offer(LOCAL[0], 4000, 1),
            caller="0812",
            account=account,
        )
        self.dialog.invite(self.now)
        self.invite = self.sent()[0]

    def sent(self) -> list[Message]:
        messages = [parse(data) for data, _ in self.dialog.out]
        self.dialog.out.clear()
        return messages

    def send(self, data: bytes) -> list[Message]:
        self.dialog.receive(data, PEER, self.now)
        return self.sent()

    def answer(
        self, status: str, *more: tuple[str, str], to: Message | None = None, body: bytes = b""
    ) -> list[Message]:
        request = to or self.invite
        tagged = request.get("to")
        if not parameter(tagged, "tag") and not status.startswith("100"):
            tagged += ";tag=line"
        names = ("Via", "From", "Call-ID", "CSeq")
        headers = [(name, request.get(name.lower())) for name in names]
        return self.send(build(f"SIP/2.0 {status}", [*headers, ("To", tagged), *more], body))

    def accept(self, *more: tuple[str, str], body: bytes = ANSWER) -> list[Message]:
        contact = ("Contact", "<sip:24@192.0.2.1:5070>")
        return self.answer("200 OK", *(more or (contact,)), body=body)

    def request(self, method: str, *, tag: str = "line", body: bytes = b"") -> list[Message]:
        ours = self.invite
        headers = [
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"),
            ("From", f"<sip:24@192.0.2.1>;tag={tag}"),
            ("To", ours.get("from")),
            ("Call-ID", ours.get("call-id")),
            ("CSeq", f"7 {method}"),
        ]
        return self.send(build(f"{method} sip:0812@192.0.2.9 SIP/2.0", headers, body))

    def wait(self, seconds: float) -> list[Message]:
        self.now += seconds
        self.dialog.tick(self.now)
        return self.sent()


def up() -> FarSide:
    far = FarSide()
    far.answer("180 Ringing")
    far.accept()
    assert far.dialog.phase == "up"
    return far


# -- messages ---------------------------------------------------------------------------------


def test_a_request_carries_what_the_rfc_demands() -> None:
    invite = FarSide().invite
    assert invite.method == "INVITE" and invite.uri == "sip:24@192.0.2.1"
    assert invite.cseq == (1, "INVITE")
    assert invite.branch.startswith("z9hG4bK")
    assert parameter(invite.get("from"), "tag")
    assert not parameter(invite.get("to"), "tag")
    assert sdp.read_answer(invite.body).dtmf == 101


def test_compact_folded_and_listed_headers_are_read() -> None:
    message = parse(
        b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2\r\n"
        b'f: "Quo, \\" ted" <sip:a@b>;tag=x\r\nt: <sip:c@d>\r\n ;tag=y\r\ni: 1@b\r\n'
        b"CSeq: 1   invite\r\nm: <sip:c@d;lr>, <sip:e,f@g>\r\nl: 2\r\n\r\nabcd"
    )
    assert message.all("via") == ["SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP b;branch=2"]
    assert message.branch == "1"
    assert parameter(message.get("from"), "tag") == "x"
    assert uri_of(message.get("from")) == "sip:a@b"
    assert parameter(message.get("to"), "tag") == "y"
    assert message.cseq == (1, "INVITE")
    assert message.all("contact") == ["<sip:c@d;lr>", "<sip:e,f@g>"]
    assert message.body == b"ab"


GOOD = build(
    "SIP/2.0 200 OK",
    [
        ("Via", "SIP/2.0/UDP a;branch=1"),
        ("From", "<sip:a@b>"),
        ("To", "<sip:a@b>"),
        ("Call-ID", "1"),
        ("CSeq", "1 INVITE"),
    ],
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n\r\n\r\n",
        b"\0" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",
        GOOD.replace(b"200 OK", b"999 OK"),
        GOOD.replace(b"200 OK", b"20 OK"),
        GOOD.replace(b"CSeq: 1 INVITE", b"CSeq: x"),
        GOOD.replace(b"CSeq: 1 INVITE", b"CSeq: 99999999999 INVITE"),
        GOOD.replace(b"Call-ID: 1\r\n", b""),
        GOOD.replace(b"Call-ID: 1", b"Call-ID: 1\nX: y"),
        GOOD.replace(b"Call-ID: 1", b"Call-ID: 1\rX"),
        GOOD.replace(b"Call-ID: 1", b"Call-ID: \0"),
        GOOD.replace(b"Length: 0", b"Length: 5"),
        GOOD.replace(b"Length: 0", b"Length: -1"),
        GOOD.replace(b"Length: 0", "Length: ²".encode()),
        GOOD.replace(b"Via", b""),
        GOOD.replace(b"SIP/2.0 200 OK", b"BYE sip:x SIP/2.0"),
        GOOD.replace(b"\r\nVia", b"\r\nX: y" * 300 + b"\r\nVia"),
    ],
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        parse(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for each in (data, GOOD[:15] + data, GOOD[:-4] + data):
        try:
            parse(each)
        except BadMessage:
            continue


@given(st.text(max_size=80))
def test_headers_of_any_text_can_be_asked_for_anything(text: str) -> None:
    assert isinstance(uri_of(text), str)
    assert isinstance(parameter(text, "tag"), str)
    address = uri_address(text)
    assert address is None or 0 < address[1] < 65536


def test_a_list_of_commas_costs_nothing() -> None:
    data = GOOD.replace(b"Via: ", b"Via: " + b'",<' * 15000)
    assert parse(data).get("call-id") == "1"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "a\0"])
def test_no_value_starts_a_header_of_its_own(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        build("SIP/2.0 200 OK", [("Subject", value)])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sip:24@10.0.0.1:5062", Target("24", "10.0.0.1", 5062)),
        ("10.0.0.1", Target("", "10.0.0.1", 5060)),
        ("+62366@pbx.example", Target("+62366", "pbx.example", 5060)),
        ("sip:x@[::1]:7", Target("x", "[::1]", 7)),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "sip:", "a b@c", "x@host:0", "x@host:99999", "x@ho st", "a\r\nb@c", "<x>@y", "x@"]
)
def test_a_wrong_target_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="target"):
        parse_target(text)


# -- digest -----------------------------------------------------------------------------------

MUFASA = 'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="{}", opaque="{}"'


def test_digest_as_in_rfc_2617() -> None:
    challenge = parse_challenge(
        MUFASA.format("dcd98b7102dd2f0e8b11d0f600bfb0c093", "5ccc069c403ebaf9f0171e9517f40e41")
    )
    account = Account("Mufasa", "Circle Of Life")
    value = authorization(challenge, account, "GET", "/dir/index.html", cnonce="0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in value
    assert "nc=00000001" in value and "qop=auth" in value


def test_digest_as_in_rfc_7616() -> None:
    challenge = parse_challenge(
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
    )
    value = authorization(
        challenge,
        Account("Mufasa", "Circle of Life"),
        "GET",
        "/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in value


def test_digest_without_qop_is_the_oldest_form() -> None:
    value = authorization(
        {"realm": "r", "nonce": "n"}, Account("u", "p"), "BYE", "sip:x", cnonce="c"
    )
    assert "cnonce" not in value and "nc=" not in value and "algorithm" not in value


@pytest.mark.parametrize(
    "value", ["", "Basic realm=x", "Digest realm=x", 'Digest nonce="n", algorithm=CRC']
)
def test_a_challenge_that_cannot_be_answered(value: str) -> None:
    with pytest.raises(BadMessage):
        parse_challenge(value)


@given(st.text(max_size=200))
def test_any_challenge_is_read_or_refused(text: str) -> None:
    try:
        assert parse_challenge("Digest " + text)["nonce"]
    except BadMessage:
        return


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(Account("u", "hush"))


def test_an_account_cannot_bring_a_header() -> None:
    with pytest.raises(ValueError, match="account user"):
        Account("a\r\nX: y", "s")


# -- the dialog -------------------------------------------------------------------------------


def test_from_invite_to_our_bye() -> None:
    far = FarSide()
    assert far.answer("100 Trying") == []
    assert far.answer("180 Ringing") == []
    (ack,) = far.accept()
    assert (ack.method, ack.uri, ack.cseq) == ("ACK", "sip:24@192.0.2.1:5070", (1, "ACK"))
    assert far.dialog.answered and far.dialog.media is not None
    far.dialog.hang_up(far.now)
    (bye,) = far.sent()
    assert (bye.method, bye.cseq) == ("BYE", (2, "BYE"))
    far.answer("200 OK", to=bye)
    assert (far.dialog.phase, far.dialog.ended_by) == ("over", "caller")


def test_in_dialog_requests_go_to_the_contact() -> None:
    far = up()
    far.dialog.hang_up(far.now)
    assert far.dialog.out[0][1] == ("192.0.2.1", 5070)


def test_a_contact_by_name_is_not_looked_up() -> None:
    far = FarSide()
    far.dialog.receive(b"", PEER, far.now)
    far.accept(("Contact", "<sip:24@unknown.invalid>"))
    far.dialog.hang_up(far.now)
    assert far.dialog.out[0][1] == PEER


def test_the_invite_is_sent_again_and_given_up() -> None:
    far = FarSide()
    times = []
    while far.dialog.phase == "calling":
        if far.wait(0.02):
            times.append(far.now - 100)
    assert times == pytest.approx([0.5, 1.5, 3.5, 7.5, 15.5, 31.5], abs=0.05)
    assert far.now - 100 == pytest.approx(TIMER_B, abs=0.05)
    assert far.dialog.status == 0 and "no answer" in far.dialog.reason


def test_a_provisional_answer_stops_the_repetition() -> None:
    far = FarSide()
    far.answer("100 Trying")
    assert far.wait(20) == []


@pytest.mark.parametrize("status", ["302 Moved", "404 Not Found", "486 Busy Here", "603 Decline"])
def test_a_refusal_is_acknowledged_and_told(status: str) -> None:
    far = FarSide()
    (ack,) = far.answer(status)
    assert (ack.method, ack.branch, ack.cseq) == ("ACK", far.invite.branch, (1, "ACK"))
    assert far.dialog.phase == "over"
    assert f"{far.dialog.status} {far.dialog.reason}" == status


def test_a_challenge_is_answered_once() -> None:
    far = FarSide(Account("0812", "secret"))
    ack, again = far.answer("401 Unauthorized", ("WWW-Authenticate", CHALLENGE))
    assert ack.method == "ACK"
    assert (again.method, again.cseq) == ("INVITE", (2, "INVITE"))
    assert again.branch != far.invite.branch
    assert 'opaque="x\\"y"' in again.get("authorization")
    assert "secret" not in again.get("authorization")
    (ack,) = far.answer("401 Unauthorized", ("WWW-Authenticate", CHALLENGE), to=again)
    assert far.dialog.phase == "over" and far.dialog.status == 401


def test_a_stale_nonce_is_replaced() -> None:
    far = FarSide(Account("0812", "secret"))
    _, again = far.answer("407 Proxy", ("Proxy-Authenticate", CHALLENGE))
    fresh = CHALLENGE.replace("abc", "def") + ", stale=TRUE"
    _, third = far.answer("407 Proxy", ("Proxy-Authenticate", fresh), to=again)
    assert 'nonce="def"' in third.get("proxy-authorization")


def test_the_challenge_that_we_know_is_taken_of_several() -> None:
    far = FarSide(Account("0812", "secret"))
    unknown = ("WWW-Authenticate", 'Digest nonce="1", algorithm=SHA-512-256')
    _, again = far.answer("401 U", unknown, ("WWW-Authenticate", CHALLENGE))
    assert "algorithm=MD5" in again.get("authorization")


def test_without_an_account_a_challenge_ends_the_call() -> None:
    far = FarSide()
    far.answer("401 Unauthorized", ("WWW-Authenticate", CHALLENGE))
    assert far.dialog.status == 401 and far.dialog.phase == "over"


def test_an_old_refusal_is_acknowledged_again() -> None:
    far = FarSide(Account("0812", "secret"))
    far.answer("401 Unauthorized", ("WWW-Authenticate", CHALLENGE))
    (ack,) = far.answer("401 Unauthorized", ("WWW-Authenticate", CHALLENGE))
    assert (ack.method, ack.branch) == ("ACK", far.invite.branch)
    assert far.dialog.phase == "calling"


def test_cancel_while_it_rings() -> None:
    far = FarSide()
    far.answer("180 Ringing")
    far.dialog.hang_up(far.now)
    (cancel,) = far.sent()
    assert (cancel.method, cancel.cseq) == ("CANCEL", (1, "CANCEL"))
    assert cancel.branch == far.invite.branch
    assert far.wait(0.6)[0].method == "CANCEL"
    far.answer("200 OK", to=cancel)
    assert far.wait(2) == []
    far.answer("487 Request Terminated")
    assert far.dialog.phase == "over" and far.dialog.status == 487


def test_cancel_waits_for_the_first_answer() -> None:
    far = FarSide()
    far.dialog.hang_up(far.now)
    assert far.sent() == []
    (cancel,) = far.answer("100 Trying")
    assert cancel.method == "CANCEL"


def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    far = FarSide()
    far.answer("180 Ringing")
    far.dialog.hang_up(far.now)
    far.sent()
    ack, bye = far.accept()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert not far.dialog.answered


def test_a_cancel_that_nobody_hears_ends_too() -> None:
    far = FarSide()
    far.answer("180 Ringing")
    far.dialog.hang_up(far.now)
    while far.dialog.phase != "over":
        far.wait(0.1)
    assert far.now - 100 == pytest.approx(BYE_PATIENCE, abs=0.2)


def test_a_repeated_answer_gets_the_same_ack_even_while_leaving() -> None:
    far = FarSide()
    (first,) = far.accept()
    assert far.accept() == [first]
    far.dialog.hang_up(far.now)
    far.sent()
    assert far.accept() == [first]


def test_the_second_phone_of_a_fork_is_hung_up() -> None:
    far = up()
    other = Message(
        **{**vars(far.invite), "headers": _with_to(far.invite, "<sip:24@192.0.2.1>;tag=two")}
    )
    ack, bye = far.answer("200 OK", to=other, body=ANSWER)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert parameter(bye.get("to"), "tag") == "two"
    assert far.dialog.phase == "up"


def _with_to(message: Message, to: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, to if name == "to" else value) for name, value in message.headers)


def test_the_bye_is_repeated_until_answered() -> None:
    far = up()
    far.dialog.hang_up(far.now)
    first = far.sent()
    assert far.wait(0.6) == first
    while far.dialog.phase == "leaving":
        far.wait(0.1)
    assert far.dialog.ended_by == "caller"


def test_the_line_hangs_up() -> None:
    far = up()
    (reply,) = far.request("BYE")
    assert reply.status == 200 and reply.cseq == (7, "BYE")
    assert (far.dialog.phase, far.dialog.ended_by) == ("over", "line")


def test_crossing_byes() -> None:
    far = up()
    far.dialog.hang_up(far.now)
    far.sent()
    assert far.request("BYE")[0].status == 200
    assert (far.dialog.phase, far.dialog.ended_by) == ("over", "caller")


def test_a_strangers_bye_hangs_nothing_up() -> None:
    far = up()
    assert far.request("BYE", tag="stranger")[0].status == 481
    assert far.dialog.phase == "up"


def test_a_reinvite_is_answered_with_the_same_session() -> None:
    far = up()
    (reply,) = far.request("INVITE", body=sdp.offer("192.0.2.77", 5000, 8))
    assert reply.status == 200 and reply.body == far.invite.body
    assert far.dialog.media is not None and far.dialog.media.address == ("192.0.2.77", 5000)
    assert far.request("INVITE")[0].status == 200
    assert far.request("INVITE", body=b"v=0")[0].status == 488
    assert far.dialog.phase == "up"


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("INFO", 200), ("UPDATE", 200), ("REFER", 405)]
)
def test_other_requests(method: str, status: int) -> None:
    assert up().request(method)[0].status == status


def test_record_route_is_followed_backwards() -> None:
    far = FarSide()
    (ack,) = far.accept(
        ("Record-Route", "<sip:192.0.2.2;lr>, <sip:192.0.2.3:5080;lr>"),
        ("Contact", "<sip:24@192.0.2.1>"),
    )
    assert ack.all("route") == ["<sip:192.0.2.3:5080;lr>", "<sip:192.0.2.2;lr>"]
    far.dialog.hang_up(far.now)
    assert far.dialog.out[0][1] == ("192.0.2.3", 5080)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        ANSWER.replace(b"m=audio 12000", b"m=audio 0"),
        ANSWER.replace(b"RTP/AVP 8 0 101", b"RTP/AVP 18"),
        ANSWER.replace(b"RTP/AVP", b"RTP/SAVP"),
        ANSWER.replace(b"RTP/AVP 8", b"RTP/AVP " + b"8" * 5000),
        ANSWER.replace(b"IN IP4 192.0.2.1", b"IN IP4 nowhere.example"),
        b"\xff\0" * 50,
    ],
)
def test_an_answer_that_cannot_be_heard_is_hung_up(body: bytes) -> None:
    far = FarSide()
    ack, bye = far.accept(body=body)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert far.dialog.status == 488 and far.dialog.reason and not far.dialog.answered


@given(st.binary(max_size=300))
def test_any_session_description_is_read_or_refused(noise: bytes) -> None:
    for body in (noise, ANSWER[:60] + noise, ANSWER + noise):
        try:
            assert sdp.read_answer(body).dtmf in (None, 101)
        except BadMessage:
            continue


def test_media_without_telephone_events() -> None:
    body = ANSWER.replace(b" 101\r\n", b"\r\n", 1)
    assert sdp.read_answer(body).dtmf is None


@given(st.integers(0, 400), st.binary(max_size=6), st.integers(0, 8))
def test_garbled_answers_never_break_the_dialog(at: int, noise: bytes, cut: int) -> None:
    far = FarSide(Account("0812", "s"))
    names = ("Via", "From", "To", "Call-ID", "CSeq")
    headers = [(name, far.invite.get(name.lower())) for name in names]
    headers += [("Contact", "<sip:a@b>"), ("WWW-Authenticate", CHALLENGE)]
    for status in ("200 OK", "401 U", "183 P"):
        good = build(f"SIP/2.0 {status}", headers, ANSWER)
        far.send(good[:at] + noise + good[at + cut :])
        far.request("INVITE", body=good[at:])
    far.wait(1)


def test_nobody_there() -> None:
    far = FarSide()
    far.dialog.unreachable()
    assert far.dialog.phase == "over" and "nobody listens" in far.dialog.reason
