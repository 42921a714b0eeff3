"""What is typed into the box finds what it means, for those who may read it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

from callcenter.domain.people import Role
from callcenter.services import privacy, searching, views
from callcenter.services.errors import NotFound, Refused
from callcenter.services.searching import Asked, Box, Known, read, read_box
from callcenter.store.models import Audit, User
from callcenter.store.search_index import differing
from ivr.numbers import format_number, make_number
from tests.services.conftest import DAY, HOUR, T0, Town

DESK = Known(("road_damage", "waste"), ("pupr", "dlh"))
HOSTILE = (
    '"',
    "'",
    "''; DROP TABLE complaints; --",
    "jalan' | 's_received",
    'jalan" OR "s_received',
    "jalan NOT rusak",
    "NEAR(jalan rusak)",
    "jalan*",
    "tokens : jalan",
    "^jalan",
    "a & b | !c <-> d:*",
    "\\",
    "%",
    "_",
    "b_11_0",
    "s_received",
    "jalan\x00rusak",
    "\ud800",
    "\u202e\u200bjalan",
    "x" * 10_240,
    "jalan " * 2_000,
    "(" * 5_000,
    "-- /* */ {} [] {{7*7}} ${7*7} <script>alert(1)</script>",
)


def _found(town: Town, known: Known = DESK, **given: str) -> list[int]:
    with town.store.read() as db:
        return searching.page(db, read(given, known), known, T0 + 2 * DAY).ids


# ---------------------------------------------------------------- the box


@pytest.mark.parametrize("typed", ["{}", " {} ", "no. {}"[4:], "\t{}\n"])
def test_a_number_is_read_however_it_is_spaced(typed: str) -> None:
    number = make_number(12)
    assert read_box(typed.format(number)).number == number
    assert read_box(typed.format(format_number(number))).number == number


def test_a_number_with_a_wrong_digit_is_no_word() -> None:
    wrong = make_number(12)[:-1] + str((int(make_number(12)[-1]) + 1) % 10)
    assert read_box(wrong) == Box(mistyped=True)


@pytest.mark.parametrize("typed", ["0812 3456 789", "+62 812-3456-789", "(0812) 3456789"])
def test_a_telephone_is_read_however_it_is_written(typed: str) -> None:
    assert read_box(typed) == Box(telephone="+628123456789")


def test_words_without_meaning_are_nothing_and_an_empty_box_is_everything() -> None:
    assert read_box("yang di").nothing
    assert read_box("ᬩᬮᬶ").nothing
    assert read_box("  ") == Box()


@pytest.mark.parametrize("typed", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_words_or_nothing(town: Town, typed: str) -> None:
    complaint_id = town.complaint(transcript="Jalan rusak berat")
    assert _found(town, q=typed) in ([], [complaint_id])
    assert len(searching.tidy(typed)) <= 200
    assert searching.tidy(typed).isprintable()


# ---------------------------------------------------------------- what is found


def test_words_are_found_inflected_in_chat_spelling_and_in_balinese(town: Town) -> None:
    road = town.complaint(transcript="Jalan berlubang, tolong diperbaiki", place_note="Depan pura")
    town.complaint(transcript="Sampah menumpuk", place_note="Pasar")
    for typed in ("jln lobang", "perbaikan jalan", "JALANE bolong", "pura", "lubang2"):
        assert _found(town, q=typed) == [road], typed


def test_number_name_village_and_telephone_find(town: Town) -> None:
    one = town.complaint(reporter_name="Ni Luh Sekar", village_code="51.06.02.1004")
    two = town.complaint(reporter_name="I Made Rai", village_code="51.06.04.2001")
    assert _found(town, q=town.found(one).public_number) == [one]
    assert _found(town, q="sekar") == [one]
    assert _found(town, village="51.06.04.2001") == [two]
    assert _found(town, q="kintamani") == [two]
    assert _found(town, same=str(one)) == [two, one]  # both of one telephone
    assert _found(town, same=str(one), q="rai") == [two]
    assert _found(town, q=make_number(999)) == []


def test_each_filter_narrows_and_they_are_joined_by_and(town: Town) -> None:
    road, waste = town.complaint(), town.complaint(T0 + DAY, category_key="waste")
    sent = town.dispatch(road, T0, "pupr")
    town.respond(sent, T0 + HOUR)
    late = town.dispatch(waste, T0, "dlh")
    town.respond(late, T0 + 25 * HOUR)
    expected = {
        "state": ("answered", [waste, road]),
        "category": ("waste", [waste]),
        "agency": ("pupr", [road]),
        "district": ("Bangli", [waste, road]),
        "village": ("51.06.02.1004", [waste, road]),
        "channel": ("phone", [waste, road]),
        "urgency": ("emergency", []),
        "window": ("in_time", [road]),
        "since": ("2026-03-03", [waste]),
        "until": ("2026-03-02", [road]),
    }
    for part, (value, wanted) in expected.items():
        assert _found(town, **{part: value}) == wanted, part
    assert _found(town, window="late") == [waste]
    assert _found(town, state="open") == [waste, road]
    assert _found(town, category="waste", agency="pupr") == []


def test_what_is_written_later_is_found_by_it_and_no_more_by_what_was(town: Town) -> None:
    complaint_id = town.complaint(transcript="Pohon tumbang")
    with town.store.write() as db:
        from callcenter.services import desk

        form = desk.DeskForm(transcript="Lampu mati", category_key="waste", village_code="")
        desk.save(db, complaint_id, form, actor="operator", now=T0, rules=town.rules)
    assert _found(town, q="pohon") == []
    assert _found(town, q="lampu padam") == [complaint_id]


def test_whoever_is_forgotten_is_found_no_more(town: Town) -> None:
    complaint_id = town.complaint(reporter_name="Ni Luh Sekar")
    with town.store.write() as db:
        privacy.forget_person(db, complaint_id, why="Diminta.", actor="supervisor", now=T0)
    assert _found(town, q="sekar") == []
    assert _found(town, same=str(complaint_id)) == []
    assert _found(town, q="pasar") == [complaint_id]
    with town.store.read() as db:
        assert differing(db.connection(), 0)[0] == []


def test_an_agency_finds_its_own_and_not_by_who_complained(town: Town) -> None:
    own, other = town.complaint(reporter_name="Ni Luh Sekar"), town.complaint()
    town.dispatch(own, T0, "pupr")
    town.dispatch(other, T0, "dlh")
    pupr = Known(DESK.categories, DESK.agencies, own="pupr")
    assert _found(town, pupr) == [own]
    assert _found(town, pupr, q="pasar") == [own]
    assert _found(town, pupr, agency="dlh") == [own]
    assert _found(town, pupr, q="sekar") == []
    assert _found(town, pupr, same=str(own)) == [own]  # the part is not read at all
    assert _found(town, pupr, q="0812 3456 789") == []
    assert _found(town, pupr, q=town.found(other).public_number) == []
    assert _found(town, Known((), (), own="")) == []


def test_looking_for_a_telephone_is_written_down_without_it(town: Town) -> None:
    complaint_id = town.complaint()
    with town.store.write() as db:
        asked = {"actor": "operator", "now": T0, "address": "10.0.0.1"}
        assert searching.of_telephone(db, "+628123456789", **asked) == complaint_id
        assert searching.of_telephone(db, "+628111111111", **asked) == 0
    with town.store.read() as db:
        rows = db.query(Audit).filter_by(action="searched_by_telephone").order_by(Audit.id).all()
        assert [row.detail for row in rows] == [{"found": 1}, {"found": 0}]
        assert "8123456789" not in "".join(f"{row.thing} {row.detail}" for row in rows)


# ---------------------------------------------------------------- the address


def test_an_address_says_the_same_search_again() -> None:
    given = {"q": "jalan & 'x'", "state": "open", "category": "waste", "since": "2026-03-01"}
    asked = read(given, DESK)
    assert asked.unknown == ()
    assert read(dict(parse_qsl(asked.query())), DESK) == asked
    assert read({}, DESK).query() == ""


@pytest.mark.parametrize(
    "given",
    [
        {"state": "broken"},
        {"category": "' OR 1=1"},
        {"agency": "*"},
        {"district": "Badung"},
        {"village": "51.03.01.1001"},
        {"channel": "telex"},
        {"urgency": "x"},
        {"window": "early"},
        {"since": "2026-02-30"},
        {"since": "1999-12-31"},
        {"until": "2100-01-01"},
        {"before": "-1"},
        {"before": "²"},
        {"after": "9" * 400},
        {"same": "x"},
    ],
    ids="-".join,
)
def test_what_means_nothing_is_left_out_and_named(given: dict[str, str]) -> None:
    asked = read(given, DESK)
    assert asked == Asked()
    assert asked.unknown == tuple(given)


def test_days_that_end_before_they_begin_lose_their_end() -> None:
    asked = read({"since": "2026-03-02", "until": "2026-03-01"}, DESK)
    assert (asked.until, asked.unknown) == (None, ("until",))


# ---------------------------------------------------------------- saved views


def _user(name: str, role: Role, agency: str | None = None, *, active: bool = True) -> User:
    return User(
        username=name,
        name=name,
        role=role,
        agency_key=agency,
        password_hash="x",
        created_at=T0,
        active=active,
    )


def test_views_are_ones_own_and_those_shared_within_role_and_agency(town: Town) -> None:
    with town.store.write() as db:
        db.add_all(
            [
                _user("wayan", Role.OPERATOR),
                _user("made", Role.OPERATOR),
                _user("gone", Role.OPERATOR, active=False),
                _user("pupr", Role.OFFICER, "pupr"),
                _user("dlh", Role.OFFICER, "dlh"),
            ]
        )
        db.flush()
        for owner in ("wayan", "made", "gone", "pupr", "dlh"):
            for name, shared in (("own", False), ("all", True)):
                views.keep(db, owner=owner, name=name, query="q=x", shared=shared, now=T0)
    with town.store.read() as db:

        def seen(name: str, role: Role, agency: str | None = None) -> list[tuple[str, str]]:
            reader = views.Reader(name, role, agency)
            return [(view.owner, view.name) for view in views.views(db, reader)]

        own = [("wayan", "all"), ("wayan", "own")]
        assert seen("wayan", Role.OPERATOR) == [*own, ("made", "all")]
        assert seen("pupr", Role.OFFICER, "pupr") == [("pupr", "all"), ("pupr", "own")]
        assert seen("other", Role.OFFICER, "dlh") == [("dlh", "all")]
        assert seen("boss", Role.SUPERVISOR) == []


def test_a_name_keeps_one_search_and_a_view_is_dropped_by_its_owner(town: Town) -> None:
    with town.store.write() as db:
        kept = {"owner": "wayan", "shared": False, "now": T0}
        view = views.keep(db, name=" Jalan  rusak ", query="q=jalan", **kept)
        assert views.keep(db, name="Jalan rusak", query="q=aspal", **kept).id == view.id
        assert view.query == "q=aspal"
        for bad in ({"name": " "}, {"query": ""}, {"query": "q=" + "x" * 1000}, {"name": "x" * 61}):
            with pytest.raises(Refused):
                views.keep(db, **{"name": "x", "query": "q=x", **kept, **bad})
        with pytest.raises(NotFound):
            views.drop(db, view.id, owner="made")
        views.drop(db, view.id, owner="wayan")
        for number in range(50):
            views.keep(db, name=str(number), query="q=x", **kept)
        with pytest.raises(Refused):
            views.keep(db, name="one more", query="q=x", **kept)


def test_late_is_asked_at_the_moment(town: Town) -> None:
    town.sent()
    with town.store.read() as db:
        asked = read({"window": "late"}, DESK)
        for after, many in ((DAY - timedelta(microseconds=1), 0), (DAY, 1)):
            assert len(searching.page(db, asked, DESK, T0 + after).ids) == many
