"""Positions: read as people write and paste them, refused where they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.position import BANGLI, Bounds, Position, at, read

HERE = Position(-8.4541, 115.3544)


@pytest.mark.parametrize(
    "text",
    [
        "-8.4541, 115.3544",
        " -8.4541 115.3544 ",
        "-8.4541;115.3544",
        "-8,4541 115,3544",
        "-8,4541; 115,3544",
        "geo:-8.4541,115.3544",
        "geo:-8.4541,115.3544,700;u=20?q=x",
        "https://maps.example/maps?q=-8.4541,115.3544&z=17",
        "https://www.google.com/maps/search/?api=1&query=-8.4541%2C115.3544",
        "https://www.google.com/maps/@-8.4541,115.3544,17z",
        "https://www.openstreetmap.org/?mlat=-8.4541&mlon=115.3544#map=17",
        "-8.454100049, 115.354399999",
    ],
)
def test_the_same_place_however_it_is_written(text: str) -> None:
    assert read(text) == HERE


@pytest.mark.parametrize(
    "text",
    ["", "Depan pasar", "-8.4541", "115.3544, -98.4541", "-91, 0", "0, 181", "1,2,3", "nan, nan"],
)
def test_what_is_no_place_on_earth(text: str) -> None:
    assert read(text) is None


def test_it_is_said_as_a_link_and_in_words() -> None:
    assert str(HERE) == "-8.45410, 115.35440"
    assert HERE.uri == "geo:-8.45410,115.35440"
    assert HERE.words == "8,45410° LS, 115,35440° BT"


def test_the_edges_of_the_regency_belong_to_it() -> None:
    assert BANGLI.hold(HERE)
    box = Bounds(-9, 115, -8, 116)
    assert all(box.hold(Position(lat, lon)) for lat in (-9, -8) for lon in (115, 116))
    assert not any(
        box.hold(p) for p in (Position(-9.00001, 115), Position(-8, 116.00001), Position(115, -8.5))
    )
    assert at(float("nan"), 1.0) is at(None, 1.0) is None


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_what_is_stored_is_read_again(latitude: float, longitude: float) -> None:
    found = at(latitude, longitude)
    assert found
    again = read(str(found))
    assert again
    assert again == found


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    read(text)
