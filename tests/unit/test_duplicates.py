"""Reports about one thing are found, those that only look alike are not.

tests/data/reports_twice.tsv was written by hand before the scoring: event (`-`: alone), hours,
village, category, text. The weights were fitted to the events a; the events b measure. -s prints.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.duplicates import FARTHEST, LIKELY, Rarity, Report, nearness
from callcenter.services.suggestions import seed_lines
from callcenter.store.places import villages_by_district
from callcenter.store.words import folded

T0 = datetime(2026, 3, 2, tzinfo=UTC)
_FILE = Path(__file__).parents[1] / "data" / "reports_twice.tsv"
_VILLAGES = {v.name: v for _district, villages in villages_by_district() for v in villages}


def _reports() -> list[tuple[str, Report]]:
    rows = []
    for line in _FILE.read_text("utf-8").splitlines():
        event, hours, name, category, text = line.split("\t")
        village = _VILLAGES[name]
        words = set(folded(text)) - set(folded(f"{village.name} {village.district}"))
        at = T0 + timedelta(hours=float(hours))
        rows.append((event, Report(frozenset(words), at, village.code, village.district, category)))
    return rows


def _rarity(rows: list[tuple[str, Report]]) -> Rarity:
    seed = [(key, folded(line)) for key, line in seed_lines()]
    return Rarity([*seed, *((r.category, r.words) for _event, r in rows)])


@pytest.mark.parametrize("half", ["a", "b"])
def test_known_pairs_are_found_and_few_others(half: str) -> None:
    rows = _reports()
    rarity = _rarity(rows)
    pairs = right = shown = 0
    for (event, one), (other_event, other) in combinations(rows, 2):
        if half not in (event[0], other_event[0]):
            continue
        same = event == other_event
        likely = nearness(one, other, rarity).belief >= LIKELY
        pairs += same
        shown += likely
        right += likely and same
    recall, precision = right / pairs, right / shown
    print(f"\nhalf {half}, {pairs} pairs: recall {recall:.3f}, precision {precision:.3f}", end="")
    assert recall >= 0.9
    assert precision >= 0.8


ONE = Report(frozenset({"pohon", "tumbang", "pura"}), T0, "v1", "d1", "fallen_tree")
RARITY = Rarity([("fallen_tree", ["pohon", "tumbang"]), ("waste", ["sampah"])])


def _belief(**changes: object) -> float:
    return nearness(ONE, replace(ONE, **changes), RARITY).belief


def test_the_same_words_place_and_time_are_likely_and_farther_is_less() -> None:
    assert _belief() > LIKELY
    assert _belief() > _belief(village="v2") > _belief(village="v2", district="d2")
    assert _belief() > _belief(received_at=T0 + timedelta(days=3))
    assert _belief() > _belief(category="") > _belief(category="waste")
    assert _belief() > _belief(words=frozenset({"pohon", "miring", "sekolah"}))
    assert _belief(caller="+62812") == _belief()  # one hidden caller is nobody in particular


def test_the_same_caller_is_nearer() -> None:
    one = replace(ONE, caller="+62812")
    same, other = replace(one), replace(one, caller="+62813")
    assert nearness(one, same, RARITY).belief > nearness(one, other, RARITY).belief
    assert nearness(one, same, RARITY).same_caller


def test_what_lies_too_far_apart_or_shares_no_word_is_never_the_same() -> None:
    tick = timedelta(microseconds=1)
    assert _belief(received_at=T0 + FARTHEST) > 0
    assert _belief(received_at=T0 + FARTHEST + tick) == 0
    assert _belief(received_at=T0 - FARTHEST - tick) == 0
    assert _belief(words=frozenset({"sampah"})) == 0
    assert _belief(words=frozenset()) == 0


def test_the_rarest_shared_word_comes_first() -> None:
    assert nearness(ONE, ONE, RARITY).shared[0] == "pura"


_words = st.frozensets(st.sampled_from(["pohon", "tumbang", "pura", "sampah", "jalan"]))


@given(_words, _words, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_nearness_is_the_same_both_ways_round(
    ours: frozenset[str], theirs: frozenset[str], apart: timedelta
) -> None:
    one, other = replace(ONE, words=ours), replace(ONE, words=theirs, received_at=T0 + apart)
    there, back = nearness(one, other, RARITY), nearness(other, one, RARITY)
    assert there == back
    assert 0 <= there.belief < 1
