"""Who may do what, and how little of a telephone number is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.people import AGENCY_POSTS, Post, Role, mask_phone, may

RIGHTS = {
    Role.OPERATOR: {
        "work_desk",
        "hear_recordings",
        "see_calls",
        "see_all_tickets",
        "confirm_not_actionable",
    },
    Role.SUPERVISOR: {
        "work_desk",
        "hear_recordings",
        "see_calls",
        "see_all_tickets",
        "confirm_not_actionable",
        "see_messages",
        "resend_messages",
        "see_audit",
    },
    Role.OFFICER: {"see_own_tickets"},
    Role.ADMINISTRATOR: {
        "see_calls",
        "see_all_tickets",
        "see_messages",
        "resend_messages",
        "see_audit",
    },
}
ALL = sorted(set().union(*RIGHTS.values()))


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_its_own_work_and_no_more(role: Role) -> None:
    assert {right for right in ALL if may(role, right)} == RIGHTS[role]


def test_nobody_outside_the_call_centre_hears_a_citizen() -> None:
    assert [role for role in Role if may(role, "hear_recordings")] == [
        Role.OPERATOR,
        Role.SUPERVISOR,
    ]


@pytest.mark.parametrize("role", list(Role))
def test_a_right_that_does_not_exist_is_a_mistake_of_ours(role: Role) -> None:
    with pytest.raises(KeyError):
        may(role, "everything")


def test_the_ladder_addresses_posts_of_the_agency_and_offices_of_the_regency() -> None:
    offices = {"supervisor", "coordinator", "regional_secretary", "deputy_regent"}
    assert {post.value for post in set(Post) - AGENCY_POSTS} == offices


# ---------------------------------------------------------------- masks

numbers = st.from_regex(r"\+?[0-9]{1,15}", fullmatch=True)
anything = st.none() | numbers | st.text(max_size=30)


def _shown(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


@given(anything)
def test_a_mask_shows_three_digits_at_most(number: str | None) -> None:
    assert len(_shown(mask_phone(number))) <= 3


@given(anything)
def test_a_mask_shows_nothing_but_digits_dots_and_the_word(number: str | None) -> None:
    masked = mask_phone(number)
    assert masked == "tersembunyi" or masked == "•••" + _shown(masked)


@given(numbers)
def test_what_a_mask_shows_is_the_end_and_less_than_half_of_it(number: str) -> None:
    shown, digits = _shown(mask_phone(number)), _shown(number)
    assert digits.endswith(shown)
    assert len(shown) <= len(digits) / 2
    assert (shown != "") is (len(digits) >= 6)


@given(st.integers(0, 12), numbers)
def test_a_mask_does_not_betray_how_long_the_number_is(more: int, number: str) -> None:
    longer = "+" + "6" * (more + 6) + _shown(number)[-3:].rjust(3, "0")
    assert len(mask_phone(longer)) == len("•••678")


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+6281234567678", "•••678"),
        ("0812 3456 7678", "•••678"),
        ("(0366) 5501000", "•••000"),
        ("123456", "•••456"),
        ("12345", "•••"),
        ("112", "•••"),
        ("anonymous", "tersembunyi"),
        ("", "tersembunyi"),
        (None, "tersembunyi"),
    ],
)
def test_masks_as_they_are_read(number: str | None, masked: str) -> None:
    assert mask_phone(number) == masked
