"""Sign-in: slow for guessers and never shut for good, silent about who exists, ended at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from sqlalchemy import select

from callcenter.domain.people import Role
from callcenter.services import accounts
from callcenter.services.accounts import SignInRefused, SignInThrottled, check_sign_in
from callcenter.services.errors import NotFound, Refused, ServiceError
from callcenter.store.models import Audit, SignInAttempt, User
from tests.services.conftest import DAY, MINUTE, T0, TICK, Town, together

SECOND = timedelta(seconds=1)
GOOD, WRONG = "bangli-era-baru", "bangli-era-lama"


@pytest.fixture(autouse=True)
def _users(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator, and an officer of an agency; their passwords cost nothing to try."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_HASHER", cheap)
    with town.store.write() as db:
        for username, role, agency in (
            ("ani", Role.OPERATOR, None),
            ("budi", Role.OFFICER, "pupr"),
        ):
            accounts.add_user(
                db,
                username=username,
                name=username.title(),
                role=role,
                password=GOOD,
                now=T0 - DAY,
                agency_key=agency,
            )


def _try(
    town: Town, password: str, at: datetime, username: str = "ani", address: str = "10.0.0.1"
) -> User | ServiceError:
    with town.store.write() as db:
        return check_sign_in(db, username=username, password=password, address=address, now=at)


def _fail(town: Town, times: int, at: datetime, username: str = "ani", pace: int = 0) -> None:
    """So many failures, written as if no wait had been asked for."""
    with town.store.write() as db:
        for number in range(times):
            moment = at + number * pace * SECOND
            db.add(SignInAttempt(username=username, address="10.0.0.9", at=moment, succeeded=False))


def _wait(town: Town, at: datetime, username: str = "ani", address: str = "10.0.0.1") -> int:
    with town.store.read() as db:
        return accounts.wait_seconds(db, username, address, at)


# ---------------------------------------------------------------- who comes in


def test_the_right_password_opens_and_is_written_down(town: Town) -> None:
    user = _try(town, GOOD, T0)
    assert isinstance(user, User)
    assert user.username == "ani"
    with town.store.read() as db:
        row = db.scalars(select(Audit).where(Audit.action == "sign_in")).one()
    assert (row.actor, row.address, row.at) == ("ani", "10.0.0.1", T0)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ani", WRONG),
        ("ani", ""),
        ("ani", GOOD + " "),
        ("ani", GOOD.upper()),
        ("ANI", GOOD),
        ("", GOOD),
        ("nobody", GOOD),
        ("ani' OR '1'='1", GOOD),
        ("ani\x00", WRONG),
        ("\x00\x01", GOOD),
        ("x" * 5000, GOOD),
        ("ani", "\ud800"),
        ("\ud800", GOOD),
        ("ani", "x" * 100_000),
    ],
)
def test_everything_else_is_refused_in_the_same_words(
    town: Town, username: str, password: str
) -> None:
    refused = _try(town, password, T0, username)
    assert isinstance(refused, SignInRefused)
    assert refused.message == "Nama pengguna atau kata sandi tidak cocok."
    with town.store.read() as db:
        assert not db.scalars(select(SignInAttempt)).one().succeeded


def test_a_name_that_does_not_exist_costs_as_much_as_a_wrong_password(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Parameters] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            tried.append(extract_parameters(str(hash)))
            return super().verify(hash, password)

    monkeypatch.setattr(accounts, "_HASHER", Counting())
    with town.store.write() as db:
        for username in ("ani", "budi"):
            accounts.set_password(db, username, GOOD, now=T0 - DAY)
        accounts.disable(db, "budi", now=T0)
    for username in ("ani", "nobody", "budi"):
        _try(town, WRONG, T0, username)
    known, unknown, disabled = tried
    assert known == unknown == disabled


def test_an_old_hash_is_renewed_at_the_next_sign_in(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stored() -> str:
        with town.store.read() as db:
            return db.scalars(select(User).where(User.username == "ani")).one().password_hash

    weak = stored()
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher())
    assert isinstance(_try(town, GOOD, T0), User)
    assert extract_parameters(stored()).memory_cost > extract_parameters(weak).memory_cost
    assert isinstance(_try(town, GOOD, T0), User)


def test_a_broken_hash_lets_nobody_in(town: Town) -> None:
    for broken in ("", "plain", "$argon2id$v=19$m=65536,t=3,p=4$short"):
        with town.store.write() as db:
            db.scalars(select(User).where(User.username == "ani")).one().password_hash = broken
        for password in (GOOD, broken, ""):
            assert isinstance(_try(town, password, T0 + DAY), SignInRefused | SignInThrottled)


# ---------------------------------------------------------------- slowed, not shut


def test_four_failures_cost_nothing_the_fifth_costs_half_a_minute(town: Town) -> None:
    for number in range(5):
        assert isinstance(_try(town, WRONG, T0 + number * SECOND), SignInRefused)
    last = T0 + 4 * SECOND
    for moment in (last, last + 30 * SECOND - TICK):
        refused = _try(town, GOOD, moment)
        assert isinstance(refused, SignInThrottled), moment
        assert refused.retry_after_s >= 1
    assert isinstance(_try(town, GOOD, last + 30 * SECOND), User)


def test_each_further_failure_doubles_the_wait_up_to_a_quarter_of_an_hour(town: Town) -> None:
    for failures, wait in ((5, 30), (6, 60), (7, 120), (9, 480), (10, 900), (30, 900)):
        name = f"user{failures}"
        _fail(town, failures, T0, name)
        assert _wait(town, T0, name) == wait
        assert _wait(town, T0 + wait * SECOND, name) == 0


def test_a_try_that_is_put_off_does_not_prolong_the_wait(town: Town) -> None:
    _fail(town, 5, T0)
    for second in range(30):
        assert isinstance(_try(town, GOOD, T0 + second * SECOND), SignInThrottled)
    assert isinstance(_try(town, GOOD, T0 + 30 * SECOND), User)


def test_nobody_is_locked_out_for_good(town: Town) -> None:
    _fail(town, 500, T0, pace=1)
    last = T0 + 499 * SECOND
    assert isinstance(_try(town, GOOD, last + 10 * MINUTE), SignInThrottled)
    assert isinstance(_try(town, GOOD, last + 15 * MINUTE), User)


def test_failures_are_forgotten_after_a_quarter_of_an_hour(town: Town) -> None:
    _fail(town, 5, T0 - 15 * MINUTE)
    assert _wait(town, T0) == 0
    _fail(town, 4, T0 - 15 * MINUTE + TICK)
    assert _wait(town, T0) == 0
    _fail(town, 1, T0 - SECOND)
    assert _wait(town, T0) == 29


def test_one_name_is_slow_everywhere_and_others_go_on(town: Town) -> None:
    _fail(town, 6, T0)
    assert isinstance(_try(town, GOOD, T0, "ani", "203.0.113.7"), SignInThrottled)
    assert isinstance(_try(town, GOOD, T0, "budi", "203.0.113.7"), User)


def test_one_address_that_tries_many_names_is_slowed(town: Town) -> None:
    for number in range(19):
        _fail(town, 1, T0, f"name{number}")
    assert _wait(town, T0, "ani", "10.0.0.9") == 0
    _fail(town, 1, T0, "name19")
    assert _wait(town, T0, "ani", "10.0.0.9") == 30
    assert _wait(town, T0, "ani", "10.0.0.1") == 0


def test_successes_are_no_failures(town: Town) -> None:
    for _ in range(8):
        assert isinstance(_try(town, GOOD, T0), User)


# ---------------------------------------------------------------- sessions end


def test_a_new_password_ends_every_session_and_the_old_one(town: Town) -> None:
    before = _try(town, GOOD, T0)
    assert isinstance(before, User)
    with town.store.write() as db:
        accounts.set_password(db, "ani", "kata-sandi-baru", now=T0)
    assert isinstance(_try(town, GOOD, T0), SignInRefused)
    after = _try(town, "kata-sandi-baru", T0)
    assert isinstance(after, User)
    assert after.session_version == before.session_version + 1


def test_a_disabled_person_is_out_and_what_they_did_stays(town: Town) -> None:
    with town.store.write() as db:
        accounts.disable(db, "ani", now=T0)
    assert isinstance(_try(town, GOOD, T0), SignInRefused)
    with town.store.read() as db:
        user = db.scalars(select(User).where(User.username == "ani")).one()
        assert (user.active, user.session_version) == (False, 2)
        assert db.scalars(select(Audit.action)).all()[-2:] == ["user_disabled", "sign_in_failed"]


def test_a_person_who_is_not_there_is_not_changed(town: Town) -> None:
    for change in (
        lambda db: accounts.set_password(db, "nobody", GOOD, now=T0),
        lambda db: accounts.disable(db, "nobody", now=T0),
    ):
        with pytest.raises(NotFound), town.store.write() as db:
            change(db)


def test_a_short_password_changes_nothing(town: Town) -> None:
    with pytest.raises(Refused) as refused, town.store.write() as db:
        accounts.set_password(db, "ani", "sembilan9", now=T0)
    assert refused.value.field == "password"
    assert isinstance(_try(town, GOOD, T0), User)


# ---------------------------------------------------------------- new people


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("username", {"username": "ani"}),
        ("username", {"username": "A"}),
        ("username", {"username": "a"}),
        ("username", {"username": "9cici"}),
        ("username", {"username": "cici\n"}),
        ("username", {"username": "ci ci"}),
        ("username", {"username": "c" * 41}),
        ("username", {"username": "çiçi"}),
        ("password", {"password": "123456789"}),
        ("agency", {"role": Role.OFFICER, "agency_key": None}),
        ("agency", {"role": Role.OFFICER, "agency_key": "no_such"}),
    ],
)
def test_what_a_new_sign_in_must_have(town: Town, field: str, change: dict[str, object]) -> None:
    given = {
        "username": "cici",
        "name": "Cici",
        "role": Role.OPERATOR,
        "password": GOOD,
        "now": T0,
        **change,
    }
    with pytest.raises(Refused) as refused, town.store.write() as db:
        accounts.add_user(db, **given)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert town.count(User) == 2


def test_only_officers_belong_to_an_agency(town: Town) -> None:
    with town.store.write() as db:
        user = accounts.add_user(
            db,
            username="cici",
            name="",
            role=Role.SUPERVISOR,
            password=GOOD,
            now=T0,
            agency_key="pupr",
        )
        assert (user.agency_key, user.name) == (None, "cici")
        assert GOOD not in user.password_hash


def test_many_who_sign_in_at_once_all_come_in(town: Town) -> None:
    came = together(*(lambda u=u: _try(town, GOOD, T0, u) for u in ("ani", "budi") * 3))
    assert all(isinstance(one, User) for one in came), came
