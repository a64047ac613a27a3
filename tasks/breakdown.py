"""Tables that many benchmarks print: the mean of a score value for each label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import fmean
from typing import TypeAlias

from harness.types import Sample, Score, Scored

Table: TypeAlias = dict[str, dict[str, float]]
"""Label to {"value": percent, "n": samples}."""


def percent_by(
    label: Callable[[Sample], str | int | None], scored: Iterable[Scored], metric: str = "accuracy"
) -> Table:
    """The mean of a metric in percent for each label of the scored samples, labels sorted; None is left out."""
    values: defaultdict[str | int, list[float]] = defaultdict(list)
    for one in scored:
        if isinstance(one.result, Score) and (of := label(one.sample)) is not None:
            values[of].append(one.result.values[metric])
    return {str(of): {"value": 100 * fmean(values[of]), "n": len(values[of])} for of in sorted(values, key=_order)}


def _order(label: str | int) -> tuple[int, str]:
    return (label, "") if isinstance(label, int) else (-1, label)
