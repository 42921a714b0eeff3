"""What was measured, as ratios beside their goals: a table for people, JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Goal = tuple[Literal["at least", "at most"], float]


@dataclass
class Ratio:
    """One figure of ours over the same figure of another, round by round.

    `goal` says what it is compared with; without one it is for information only.
    """

    name: str
    ours: Sequence[float]
    other: Sequence[float]
    unit: str
    goal: Goal | None = None
    number: str = ""

    @property
    def values(self) -> list[float]:
        """The ratio of each round."""
        return [a / b if b else float("inf") for a, b in zip(self.ours, self.other, strict=True)]

    @property
    def value(self) -> float:
        """The median ratio."""
        return median(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        how, bound = self.goal
        return self.value >= bound if how == "at least" else self.value <= bound

    def row(self) -> list[str]:
        goal = f"{self.goal[0]} {self.goal[1]:g}" if self.goal else ""
        held = {True: "holds", False: "MISSED", None: ""}[self.holds]
        return [
            self.number,
            self.name,
            f"{self.value:.2f} ({min(self.values):.2f} to {max(self.values):.2f})",
            f"{median(self.ours):.4g} / {median(self.other):.4g} {self.unit}",
            goal,
            held,
        ]

    def plain(self) -> dict[str, Any]:
        return {
            "goal": self.number,
            "name": self.name,
            "ratio": self.value,
            "ratios": self.values,
            "ours": list(self.ours),
            "other": list(self.other),
            "unit": self.unit,
            "bound": list(self.goal) if self.goal else None,
            "holds": self.holds,
        }


@dataclass
class Count:
    """Something that must not happen at all: how often it did, round by round."""

    name: str
    counts: Sequence[int]
    of: int
    number: str = ""

    @property
    def holds(self) -> bool:
        """Whether it never happened."""
        return not any(self.counts)

    def row(self) -> list[str]:
        held = "holds" if self.holds else "MISSED"
        return [self.number, self.name, f"{sum(self.counts)} of {self.of}", "", "none", held]

    def plain(self) -> dict[str, Any]:
        return {
            "goal": self.number,
            "name": self.name,
            "counts": list(self.counts),
            "of": self.of,
            "holds": self.holds,
        }


@dataclass
class Part:
    """One part of the benchmark: what was measured of each subject, and what follows."""

    name: str
    setting: str
    measured: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    figures: list[Ratio | Count] = field(default_factory=list)

    def add(self, subject: str, **values: float) -> None:
        """One round of one subject."""
        self.measured.setdefault(subject, []).append(values)

    def series(self, subject: str, key: str) -> list[float]:
        """One value of a subject, round by round."""
        return [values[key] for values in self.measured[subject]]

    def text(self) -> str:
        """The part as two tables."""
        keys = list(next(iter(self.measured.values()))[0]) if self.measured else []
        absolute = [["", *keys]]
        absolute += [
            [name, *(_middle([r[k] for r in rounds if k in r]) for k in keys)]
            for name, rounds in self.measured.items()
        ]
        head = ["goal", "ours over", "median ratio (spread)", "medians", "bound", ""]
        ratios = [head, *(figure.row() for figure in self.figures)]
        return f"{self.name}: {self.setting}\n\n{_table(absolute)}\n\n{_table(ratios)}\n"

    def plain(self) -> dict[str, Any]:
        return {
            "setting": self.setting,
            "measured": self.measured,
            "figures": [figure.plain() for figure in self.figures],
        }


def _middle(values: Sequence[float]) -> str:
    """The median; empty for what was not measured of a subject."""
    return f"{median(values):.4g}" if values else ""


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
