"""Learning from what operators decided: every night, anew, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from callcenter.services import suggestions
from callcenter.services.suggestions import Learning, Nightly, likely
from callcenter.store.assist_models import CategoryModel
from tests.services.conftest import DAY, HOUR, T0, TICK, Town


def _learn(town: Town, at: datetime = T0) -> CategoryModel:
    learning = Learning(town.store, town.rules.categories)
    while learning.go_on(at):
        pass
    with town.store.read() as db:
        return db.scalars(select(CategoryModel).order_by(CategoryModel.id.desc())).first()


def _first(town: Town, text: str) -> str | None:
    with town.store.read() as db:
        found = likely(db, text, town.rules.categories)
    return found[0].category_key if found else None


def test_before_anything_was_decided_the_seed_speaks(town: Town) -> None:
    assert _first(town, "jalane bolong bolong pak") == "road_damage"


def test_decisions_teach_a_word_that_nobody_knew(town: Town) -> None:
    assert _first(town, "krodokan") != "waste"
    for _ in range(3):
        town.sent(transcript="Ada krodokan lagi.", category_key="waste")
    assert _learn(town).complaints == 3
    assert _first(town, "krodokan") == "waste"


def test_what_fewer_than_three_complaints_say_is_not_kept(town: Town) -> None:
    for _ in range(2):
        town.sent(transcript="Pan Kocong teriak.", category_key="waste")
    assert not any("kocong" in piece for piece in _learn(town).seen)


def test_a_category_that_was_only_chosen_is_no_decision(town: Town) -> None:
    for _ in range(3):
        town.complaint(transcript="Ada krodokan lagi.", category_key="waste")
    assert _learn(town).complaints == 0


def test_a_category_that_is_configured_no_more_is_not_suggested(town: Town) -> None:
    for _ in range(3):
        town.sent(transcript="Ada krodokan lagi.", category_key="waste")
    _learn(town)
    left = tuple(c for c in town.rules.categories if c.key != "waste")
    with town.store.read() as db:
        assert "waste" not in [s.category_key for s in likely(db, "krodokan sampah", left)]


def test_many_decisions_are_read_in_slices(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "_SLICE", 2)
    for _ in range(5):
        town.sent()
    learning, read = Learning(town.store, town.rules.categories), []
    while more := learning.go_on(T0):
        read.append(more)
    assert read == [2, 2]
    assert learning.read == 5


def test_the_night_learns_once(town: Town) -> None:
    night = Nightly(town.store, town.rules.categories, town.rules.zone)
    half_past_two = datetime(2026, 3, 3, 2, 30, tzinfo=town.rules.zone)
    night.go_on(T0)
    for at, models in (
        (T0 + HOUR, 1),
        (half_past_two - TICK, 1),
        (half_past_two, 2),
        (half_past_two + 3 * HOUR, 2),
        (half_past_two + DAY - TICK, 2),
        (half_past_two + DAY, 3),
    ):
        while night.go_on(at):
            pass
        assert town.count(CategoryModel) == models, at


def test_old_models_go(town: Town) -> None:
    for night in range(5):
        _learn(town, T0 + timedelta(days=night))
    assert town.count(CategoryModel) == 3


def test_a_model_of_another_process_is_used_at_once(town: Town) -> None:
    assert _first(town, "krodokan") != "waste"
    for _ in range(3):
        town.sent(transcript="Ada krodokan lagi.", category_key="waste")
    _learn(town)
    assert _first(town, "krodokan") == "waste"
    with town.store.write() as db:
        for row in db.scalars(select(CategoryModel)):
            db.delete(row)
    assert _first(town, "krodokan") != "waste"
