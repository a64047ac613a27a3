"""Headlines as functions of additive sums, their intervals, and what missing samples could do to them.

Because a headline depends on the samples only through sums of per-sample features, its bootstrap needs no loop over
samples: add the features up per cluster once, then weigh the clusters.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.types import Missing, Sample, Score, Scored

Floats: TypeAlias = NDArray[np.float64]

_DRAWS_PER_BLOCK = 2**20
TAILS = (0.025, 0.975)


class Statistic(Protocol):
    """A headline as a function of F additive sums over samples."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...

    def features(self, scored: Scored) -> Floats:
        """What one sample adds to the sums, shape [F]; all zeros when its result is Missing."""

    def value(self, sums: Floats) -> Floats:
        """The headline of each row of sums, shape [..., F] -> [...]; NaN where nothing was scored."""

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        """What the sample would add had it been answered at worst and at best, shape [F] each."""


@runtime_checkable
class Joined(Protocol):
    """A statistic whose samples count only together: both questions of an image, all rotations of a question."""

    def join(self, samples: Sequence[Sample], rows: Floats) -> Floats:
        """A run's features, [N, F], as what each sample adds beside the others, [N, G]; `value` takes the G sums.

        A unit's share stands in the rows of its own samples alone, so that drawing whole clusters stays right.
        """


@dataclass(frozen=True, slots=True)
class MeanOf:
    """The mean of one score value; with `strata`, the plain mean of the means of its strata.

    `strata` names a key of `Sample.meta`, `labels` all its possible values (in any order). A stratum without a scored
    sample stays out of the mean. `lowest` and `highest` are what the value can be; unit "%" multiplies by 100.
    """

    metric: str
    unit: str = "%"
    strata: str | None = None
    labels: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 1.0
    title: str = ""

    @property
    def name(self) -> str:
        """The title, if it has one, else the metric's name."""
        return self.title or self.metric

    def features(self, scored: Scored) -> Floats:
        """[sum, count] of each stratum, one after the other; shape [2 * max(1, len(labels))]."""
        if isinstance(scored.result, Missing):
            return np.zeros(2 * self._width)
        return self._at(scored.sample, scored.result.values[self.metric])

    def value(self, sums: Floats) -> Floats:
        pairs = sums.reshape(*sums.shape[:-1], self._width, 2)
        total, count = pairs[..., 0], pairs[..., 1]
        present = count > 0
        means = np.divide(total, count, out=np.zeros_like(total), where=present)
        strata = present.sum(axis=-1)
        mean: Floats = np.divide(
            means.sum(axis=-1), strata, out=np.full(strata.shape, np.nan), where=np.asarray(strata > 0)
        )
        return mean * (100.0 if self.unit == "%" else 1.0)

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        return self._at(sample, self.lowest), self._at(sample, self.highest)

    @property
    def _width(self) -> int:
        return max(1, len(self.labels))

    def _at(self, sample: Sample, value: float) -> Floats:
        row = np.zeros(2 * self._width)
        at = 2 * self.labels.index(sample.meta[self.strata]) if self.strata is not None else 0
        row[at : at + 2] = value, 1.0
        return row


def point(statistic: Statistic, scored: Sequence[Scored]) -> float | None:
    """The headline over the samples that have a score; None without any."""
    if not any(isinstance(s.result, Score) for s in scored):
        return None
    return _number(statistic.value(_rows(statistic, scored).sum(axis=0)))


def worst_and_best(statistic: Statistic, scored: Sequence[Scored]) -> tuple[float, float] | None:
    """The headline were every Missing sample answered at worst, and at best; None without samples."""
    if not scored:
        return None
    pairs = [
        statistic.bounds(s.sample) if isinstance(s.result, Missing) else (statistic.features(s),) * 2 for s in scored
    ]
    worst, best = (
        float(statistic.value(joined(statistic, scored, np.array(rows)).sum(axis=0)))
        for rows in zip(*pairs, strict=True)
    )
    return worst, best


def _rows(statistic: Statistic, scored: Sequence[Scored]) -> Floats:
    return joined(statistic, scored, features_of(statistic, scored))


def features_of(statistic: Statistic, scored: Sequence[Scored]) -> Floats:
    """Each sample's features, shape [N, F]."""
    return np.array([statistic.features(s) for s in scored])


def joined(statistic: Statistic, scored: Sequence[Scored], rows: Floats) -> Floats:
    """The rows, [N, F], that `value` takes sums of: as they are, unless the statistic is Joined."""
    return statistic.join([s.sample for s in scored], rows) if isinstance(statistic, Joined) else rows


def clustered_bootstrap(
    statistic: Statistic, scored: Sequence[Scored], clusters: Sequence[Hashable], seed: int, resamples: int = 1000
) -> tuple[float, float] | None:
    """95 % percentile interval of the headline when whole clusters (images, videos) are drawn with replacement.

    `clusters`: the cluster of each entry of `scored`. Missing samples take no part. Same input and seed, same interval.
    None when fewer than two clusters hold a scored sample: then nothing is known about the spread between clusters.
    Memory: a block of resamples draws about a million clusters at once, or one resample's if that is more.
    """
    kept = np.array([isinstance(s.result, Score) for s in scored], dtype=bool)
    of = numbered([cluster for cluster, keep in zip(clusters, kept, strict=True) if keep])
    if not of.any():  # one cluster, or none
        return None
    sums = cluster_sums(_rows(statistic, scored)[kept], of)
    values = np.concatenate([statistic.value(drawn @ sums) for drawn in draws(len(sums), seed, resamples)])
    low, high = np.nanquantile(values, TAILS)
    return float(low), float(high)


def numbered(clusters: Sequence[Hashable]) -> NDArray[np.int64]:
    """The number of each entry's cluster, 0, 1, .. in the order of their first entries."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(cluster, len(number)) for cluster in clusters], dtype=np.int64)


def cluster_sums(rows: Floats, of: NDArray[np.int64]) -> Floats:
    """Rows, [N, F], added up per cluster, [clusters, F]. `of`: the cluster's number of each row."""
    return np.stack([np.bincount(of, weights=column) for column in rows.T], axis=1)


def draws(n: int, seed: int, resamples: int) -> Iterator[Floats]:
    """How often each of n clusters is drawn, in blocks of shape [some, n], `resamples` rows in all. Same n and seed,
    same draws."""
    rng = np.random.default_rng(seed)
    block = max(1, _DRAWS_PER_BLOCK // n)
    for start in range(0, resamples, block):
        yield _multinomial(rng, min(block, resamples - start), n)


def _multinomial(rng: np.random.Generator, resamples: int, n: int) -> Floats:
    """How often each of n clusters is drawn in n draws with replacement, shape [resamples, n]."""
    drawn = rng.integers(n, size=(resamples, n))
    drawn += np.arange(resamples)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def _number(value: Floats) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
