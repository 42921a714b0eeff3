"""Officers' links: what we did not sign opens nothing, and what we take back opens nothing more."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from callcenter.services import links
from callcenter.services.errors import NotFound
from callcenter.services.links import LinkSigner
from callcenter.store.models import OfficerLink
from tests.services.conftest import DAY, HOUR, T0, TICK, Town

KEY = "key of the tests"
LIFE = timedelta(days=30)
SIGNER = LinkSigner(KEY, "https://aduan.example/")


@pytest.fixture
def ticket_id(town: Town) -> int:
    """A ticket without any link but the duty officer's."""
    return town.sent()


def _link(town: Town, ticket_id: int, at: datetime, person: str = "pupr_2") -> OfficerLink:
    with town.store.write() as db:
        return links.link_for(db, ticket_id=ticket_id, person_key=person, now=at, lifetime=LIFE)


def _opens(town: Town, link_id: int, at: datetime) -> bool:
    with town.store.read() as db:
        try:
            return links.open_link(db, link_id, at).id == link_id
        except NotFound:
            return False


# ---------------------------------------------------------------- tokens


@given(st.integers(1, 2**63 - 1))
def test_a_token_leads_back_to_its_link(link_id: int) -> None:
    assert SIGNER.link_id(SIGNER.token(link_id)) == link_id
    assert SIGNER.url(link_id) == f"https://aduan.example/p/{SIGNER.token(link_id)}"
    assert SIGNER.token(link_id).isascii()


@given(st.integers(1, 10**6), st.data())
def test_a_token_with_any_other_sign_in_it_opens_nothing(link_id: int, data: st.DataObject) -> None:
    token = SIGNER.token(link_id)
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.sampled_from("ABCxyz019-_.= %/"))
    changed = token[:place] + sign + token[place + 1 :]
    if changed != token:
        with suppress(NotFound):  # the last sign of base64 may differ and say the same
            assert SIGNER.link_id(changed) == link_id


@given(st.text(max_size=80))
def test_any_text_at_all_opens_nothing(text: str) -> None:
    with pytest.raises(NotFound):
        SIGNER.link_id(text)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a" * 100_000,
        "." * 1000,
        "\x00",
        "\ud800",
        "1.\ud800",
        LinkSigner("another key", "https://aduan.example").token(1),
        URLSafeSerializer(KEY).dumps(1),
        URLSafeSerializer(KEY, salt="cookie-session").dumps(1),
        pytest.param(  # holds the time: every worker must still see the same name
            URLSafeTimedSerializer(KEY, salt="officer-link").dumps(1), id="timed"
        ),
        *(
            str(URLSafeSerializer(KEY, salt="officer-link").dumps(value))
            for value in ("1", 1.0, None, True, [1], {"id": 1})
        ),
        SIGNER.token(1) + "\n",
        SIGNER.token(1).upper(),
    ],
)
def test_what_is_not_ours_opens_nothing(token: str) -> None:
    with pytest.raises(NotFound):
        SIGNER.link_id(token)


def test_the_address_of_another_installation_does_not_matter() -> None:
    assert LinkSigner(KEY, "https://elsewhere.example").link_id(SIGNER.token(7)) == 7


# ---------------------------------------------------------------- links


def test_a_person_has_one_link_to_a_ticket(town: Town, ticket_id: int) -> None:
    first, again = _link(town, ticket_id, T0), _link(town, ticket_id, T0 + HOUR)
    other = _link(town, ticket_id, T0, "pupr_head")
    assert first.id == again.id != other.id


def test_a_link_opens_until_its_end_and_not_at_it(town: Town, ticket_id: int) -> None:
    link = _link(town, ticket_id, T0)
    assert _opens(town, link.id, T0)
    assert _opens(town, link.id, T0 + LIFE - TICK)
    assert not _opens(town, link.id, T0 + LIFE)


def test_a_new_message_prolongs_it_and_never_shortens_it(town: Town, ticket_id: int) -> None:
    link = _link(town, ticket_id, T0)
    _link(town, ticket_id, T0 + 29 * DAY)
    assert _opens(town, link.id, T0 + 29 * DAY + LIFE - TICK)
    _link(town, ticket_id, T0)  # the clock was set back
    assert _opens(town, link.id, T0 + 29 * DAY + LIFE - TICK)
    _link(town, ticket_id, T0 + 100 * DAY)
    assert _opens(town, link.id, T0 + 100 * DAY)


def test_what_was_taken_back_stays_taken_back(town: Town, ticket_id: int) -> None:
    link = _link(town, ticket_id, T0)
    for moment in (T0 + HOUR, T0 + 2 * HOUR):
        with town.store.write() as db:
            links.revoke(db, link.id, moment)
    _link(town, ticket_id, T0 + 3 * HOUR)
    assert not _opens(town, link.id, T0 + 3 * HOUR)
    with town.store.read() as db:
        assert db.get_one(OfficerLink, link.id).revoked_at == T0 + HOUR


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.integers(-(2**31), 2**31 - 1))
def test_a_number_that_is_no_link_opens_nothing(town: Town, number: int) -> None:
    assert not _opens(town, number, T0)
    with town.store.write() as db:
        links.revoke(db, number, T0)
