"""Samples that count only together: a unit is right if every one of its samples is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.scoring.statistics import Floats
from harness.types import Missing, Sample, Scored


def whole_units(units: Sequence[Hashable], right: Floats, answered: Floats) -> tuple[Floats, Floats]:
    """Which units are wholly right, and which are wholly answered, both written to the row of a unit's first sample.

    `right`, `answered`: 0 or 1 a sample, shape [N]; the returned arrays too. A unit with a sample that has no answer is
    in neither, since nobody knows what it would have been.
    """
    number: dict[Hashable, int] = {}
    of = np.array([number.setdefault(unit, len(number)) for unit in units], dtype=np.int64)
    _, first, size = np.unique(of, return_index=True, return_counts=True)
    complete = np.bincount(of, weights=answered) == size
    won, counted = np.zeros(len(of)), np.zeros(len(of))
    counted[first] = complete
    won[first] = complete & (np.bincount(of, weights=right) == size)
    return won, counted


@dataclass(frozen=True, slots=True)
class AllRight:
    """The percentage of units whose every sample has the metric at 1; `unit_key` of `Sample.meta` names the unit.

    Units with a Missing sample stay out of the value.
    """

    metric: str
    unit_key: str
    title: str = ""
    unit: str = "%"

    @property
    def name(self) -> str:
        return self.title or self.metric

    def features(self, scored: Scored) -> Floats:
        """[right, answered], 0 or 1 each."""
        if isinstance(scored.result, Missing):
            return np.zeros(2)
        return np.array([float(scored.result.values[self.metric] == 1.0), 1.0])

    def join(self, samples: Sequence[Sample], rows: Floats) -> Floats:
        units = [sample.meta[self.unit_key] for sample in samples]
        return np.stack(whole_units(units, rows[:, 0], rows[:, 1]), axis=1)

    def value(self, sums: Floats) -> Floats:
        won, counted = sums[..., 0], sums[..., 1]
        share: Floats = np.divide(won, counted, out=np.full(won.shape, np.nan), where=np.asarray(counted > 0))
        return 100.0 * share

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        return np.array([0.0, 1.0]), np.array([1.0, 1.0])
