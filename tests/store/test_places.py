"""The gazetteer: Bangli whole, and nothing but Bangli."""

from __future__ import annotations

import pytest

from callcenter.store.places import Village, village, villages_by_district

VILLAGES = [v for _district, villages in villages_by_district() for v in villages]


def test_four_districts_with_all_their_villages() -> None:
    sizes = [(district, len(villages)) for district, villages in villages_by_district()]
    assert sizes == [("Bangli", 9), ("Kintamani", 48), ("Susut", 9), ("Tembuku", 6)]


def test_four_wards_and_sixty_eight_villages() -> None:
    """Kemendagri numbers wards from 1001 and villages from 2001."""
    wards = {v.name for v in VILLAGES if v.code[9] == "1"}
    assert wards == {"Bebalang", "Kawan", "Cempaga", "Kubu"}
    assert len(VILLAGES) - len(wards) == 68


def test_each_district_is_in_the_order_of_names() -> None:
    for district, villages in villages_by_district():
        assert [v.name for v in villages] == sorted(v.name for v in villages)
        assert {v.district for v in villages} == {district}


def test_every_village_is_found_by_its_code() -> None:
    assert len({v.code for v in VILLAGES}) == 72
    assert [village(v.code) for v in VILLAGES] == VILLAGES
    assert village("51.06.02.1004") == Village("51.06.02.1004", "Kawan", "Bangli")


@pytest.mark.parametrize(
    "code", ["", "nonsense", "51.06", "51.06.02", "5106021004", "51.03.06.2001", "51.06.02.1004 "]
)
def test_what_is_no_village_of_bangli(code: str) -> None:
    assert village(code) is None
