"""Categories are suggested with their reasons; how often rightly is measured on frozen texts.

tests/data/reports_held_out.tsv was written by hand, and frozen before the words in seed.txt were
written; nothing is learnt from it. `pytest -s` prints the figures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from callcenter.config.load import load
from callcenter.domain.suggestion import joined, learn, suggest
from callcenter.services.suggestions import seed, seed_lines
from callcenter.store.words import pairs

ROOT = Path(__file__).parents[2]


def _held_out() -> list[tuple[str, str]]:
    rows = (ROOT / "tests/data/reports_held_out.tsv").read_text("utf-8").splitlines()
    return [(key, text) for key, text in (row.split("\t") for row in rows)]


def _by_keywords(text: str) -> list[str]:
    """What the suggestions have to beat: the category with the most words in common."""
    said = set(text.lower().split())
    score = Counter({key: len(said & words) for key, words in _KEYWORDS.items()})
    return [key for key, _number in score.most_common(3)]


_KEYWORDS: dict[str, set[str]] = defaultdict(set)
for _key, _line in seed_lines():
    _KEYWORDS[_key] |= set(_line.lower().split())


def test_the_right_category_is_suggested_for_texts_that_were_never_seen() -> None:
    categories = load(ROOT / "config.yaml").routing
    known, keys = seed(categories), [c.key for c in categories]
    rows = _held_out()
    assert len(rows) >= 400
    assert {key for key, _text in rows} == set(keys)
    assert len({text for _key, text in rows}) == len(rows)
    ours, baseline = Counter[str](), Counter[str]()
    for key, text in rows:
        found = [s.category_key for s in suggest(known, list(pairs(text)), keys)]
        ours["top 1"] += found[:1] == [key]
        ours["top 3"] += key in found
        plain = _by_keywords(text)
        baseline["top 1"] += plain[0] == key
        baseline["top 3"] += key in plain
    for top in ("top 1", "top 3"):
        print(
            f"\n{len(rows)} reports, {top}: {ours[top] / len(rows):.3f}"
            f" (keywords alone {baseline[top] / len(rows):.3f})",
            end="",
        )
    assert ours["top 1"] / len(rows) >= 0.80
    assert ours["top 3"] / len(rows) >= 0.95
    assert ours["top 1"] > baseline["top 1"]


def test_no_line_that_is_learnt_from_stands_among_the_held_out() -> None:
    assert not {line for _key, line in seed_lines()} & {text for _key, text in _held_out()}


ROADS = learn(
    [
        ("road", list(pairs("jalan berlubang besar"))),
        ("road", list(pairs("lubang di aspal"))),
        ("waste", list(pairs("sampah menumpuk di pinggir jalan"))),
        ("waste", list(pairs("truk sampah tidak datang"))),
    ]
)


def test_the_words_that_decided_are_shown_as_they_were_typed() -> None:
    first = suggest(ROADS, list(pairs("Ada LOBANGNYA gede")), ["road", "waste"])[0]
    assert first.category_key == "road"
    assert first.reasons[0] == "LOBANGNYA"


def test_nothing_is_suggested_for_nothing_or_for_unknown_words() -> None:
    for text in ("", "   ", "😀😀", "xqzzy wvvrt", "123456"):
        assert suggest(ROADS, list(pairs(text)), ["road", "waste"]) == []


def test_only_configured_categories_are_suggested() -> None:
    assert suggest(ROADS, list(pairs("lubang")), []) == []
    only = suggest(ROADS, list(pairs("lubang di jalan")), ["waste"])
    assert [s.category_key for s in only] == ["waste"]


def test_the_shares_are_a_belief() -> None:
    found = suggest(ROADS, list(pairs("sampah")), ["road", "waste"])
    assert abs(sum(s.share for s in found) - 1) < 1e-9
    assert found[0].share > found[1].share


def test_what_two_have_seen_is_seen_by_both_together() -> None:
    half = learn([("road", list(pairs("jalan berlubang besar")))])
    other = learn([("waste", list(pairs("sampah menumpuk")))])
    both = joined(half, other)
    assert both.texts == {"road": 1.0, "waste": 1.0}
    whole = learn(
        [
            ("road", list(pairs("jalan berlubang besar"))),
            ("waste", list(pairs("sampah menumpuk"))),
        ]
    )
    assert both.seen == whole.seen
    assert both.totals == whole.totals
