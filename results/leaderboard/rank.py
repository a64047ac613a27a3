"""Which cells of a column are comparable, which of those are best, and which no other beats at less cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from results.leaderboard.cells import Cell
from results.leaderboard.terms import Terms

PARETO_COSTS = ("tflops_per_sample", "vision_tokens")
"""The front is taken against the first that is known of all comparable cells; neither depends on the machine."""
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell among those of its column. `reasons`: why it is ranked with no other, or is empty; each a footnote.

    `rank`: 1 for the best comparable value, 2 for the next, else None. `front`: on the Pareto front.
    """

    cell: Cell
    reasons: tuple[str, ...]
    rank: int | None = None
    front: bool = False

    @property
    def comparable(self) -> bool:
        return not self.reasons and self.cell.value is not None


def place(cells: Sequence[Cell]) -> tuple[list[Placed], str | None]:
    """A column's cells in their order, and the cost of its Pareto front, None if there is no front.

    A single comparable cell is neither best nor on a front: there is nothing beside it.
    """
    usual = _usual(cells)
    placed = [Placed(cell, tuple(_reasons(cell, usual))) for cell in cells]
    eligible = [one for one in placed if one.comparable]
    if len(eligible) < 2:
        return placed, None
    ranked = sorted({_value(one.cell) for one in eligible}, reverse=True)[:2]
    cost = next((name for name in PARETO_COSTS if all(name in one.cell.costs for one in eligible)), None)
    points = [(_value(one.cell), one.cell.costs[cost]) for one in eligible] if cost else []
    return [_ranked(one, ranked, cost, points) if one.comparable else one for one in placed], cost


def column_judge(cells: Sequence[Cell]) -> str | None:
    """Who graded the cells that a column ranks."""
    usual = _usual(cells)
    return None if usual is None else usual.judge


def _ranked(one: Placed, ranked: Sequence[float], cost: str | None, points: Sequence[tuple[float, float]]) -> Placed:
    value = _value(one.cell)
    rank = ranked.index(value) + 1 if value in ranked else None
    front = cost is not None and not any(_beats(point, (value, one.cell.costs[cost])) for point in points)
    return Placed(one.cell, one.reasons, rank, front)


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether a (value, cost) is no worse in both and better in one."""
    return one[0] >= other[0] and one[1] <= other[1] and one != other


def _value(cell: Cell) -> float:
    """Free of the last digits, in which sums of equal numbers differ."""
    assert cell.value is not None
    return round(cell.value, _DIGITS)


def _usual(cells: Sequence[Cell]) -> Terms | None:
    """The terms of most cells without deviations; of equally many, those of the first."""
    counts = Counter(
        cell.terms for cell in cells if cell.terms and cell.value is not None and not cell.terms.deviations
    )
    return max(counts, key=lambda terms: counts[terms], default=None)


def _reasons(cell: Cell, usual: Terms | None) -> list[str]:
    reasons = [cell.gap] if cell.gap else []
    if cell.terms is None:
        return reasons
    reasons += cell.terms.deviations
    if cell.value is None:
        return reasons
    if cell.terms.judge != (usual and usual.judge):
        reasons.append(f"graded by {cell.terms.judge}")
    if usual is not None and not cell.terms.deviations and cell.terms.samples != usual.samples:
        reasons.append("another sample set than the column's")
    return reasons
