"""How far two judges agree on the same answers: Cohen's kappa and the shares of equal and of near grades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np


def kappa(
    a: Sequence[int], b: Sequence[int], categories: int, weights: Literal["none", "quadratic"] = "none"
) -> float | None:
    """Cohen's kappa of two judges' grades 0 .. categories - 1, item by item; 1 - disagreement / that of chance.

    "quadratic" weighs a disagreement by its square (Cohen 1968), for grades on a scale. None where chance cannot
    disagree: without items, or where both gave one and the same grade throughout. Raises ValueError for unequal
    lengths or a grade outside the range.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} grades against {len(b)}")
    if any(not 0 <= grade < categories for grade in (*a, *b)):
        raise ValueError(f"grades must lie between 0 and {categories - 1}")
    if not a:
        return None
    seen = np.zeros((categories, categories))
    np.add.at(seen, (np.asarray(a), np.asarray(b)), 1.0)
    steps = np.subtract.outer(np.arange(categories), np.arange(categories))
    cost = (steps != 0).astype(float) if weights == "none" else steps.astype(float) ** 2
    by_chance = float((cost * np.outer(seen.sum(axis=1), seen.sum(axis=0))).sum()) / len(a)
    return None if by_chance == 0 else 1 - float((cost * seen).sum()) / by_chance


def agreement(a: Sequence[float], b: Sequence[float], within: float = 0.0) -> float | None:
    """The share of items whose two grades differ by at most `within`; None without items. Raises ValueError."""
    pairs = list(zip(a, b, strict=True))
    return sum(abs(one - other) <= within for one, other in pairs) / len(pairs) if pairs else None
