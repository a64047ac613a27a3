"""Two runs over the same samples: their difference, how sure it is, and how small a one could have been seen.

What the two share, the samples and their clusters, cancels out, so that far smaller differences show than between two
intervals that stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.scoring.statistics import TAILS, Floats, Statistic, cluster_sums, draws, features_of, joined, numbered
from harness.types import Missing, Score, Scored

RESAMPLES = 2000
POWER = 0.8
_UNPAIRED = Missing("not scored in both")
_EXACT_STEPS = 10**8
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Paired:
    """B against A, in the headline's unit, over the samples that are scored in both; None: cannot be known.

    `p`: of no difference, two-sided, by `test`. `detectable`: the smallest true difference that such a comparison finds
    significant, at 5 % and this task alone, four times out of five. `pairs`: samples that count; `clusters`: media they
    ask about. `lost`, `won`: units (samples, or whatever counts only as a whole) right in A alone, and in B alone;
    None where the headline is no share of right units.
    """

    a: float | None
    b: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    p: float | None
    test: Literal["mcnemar", "bootstrap"]
    detectable: float | None
    pairs: int
    clusters: int
    lost: int | None = None
    won: int | None = None


_NOTHING = Paired(None, None, None, None, None, "bootstrap", None, 0, 0)


def paired(
    statistic: Statistic,
    a: Sequence[Scored],
    b: Sequence[Scored],
    clusters: Sequence[Hashable],
    seed: int,
    resamples: int = RESAMPLES,
) -> Paired:
    """Compares two runs' results of the same samples in the same order. `clusters`: of each, as for the interval.

    The interval is the 95 % percentile interval of the difference when whole clusters are drawn with replacement, the
    same ones for both runs, and the headline is formed anew from each draw; so it serves F1, ratios and sums of
    accuracies alike. None with fewer than two clusters.
    """
    kept = scored_in_both(a, b)
    if not kept.any():
        return _NOTHING
    a, b = _only(a, kept), _only(b, kept)
    sides = [features_of(statistic, side) for side in (a, b)]
    pairs = int((sides[0].any(axis=1) | sides[1].any(axis=1)).sum())
    of = numbered([cluster for cluster, keep in zip(clusters, kept, strict=True) if keep])
    if not pairs:
        return _NOTHING
    rows_a, rows_b = (joined(statistic, side, rows)[kept] for side, rows in zip((a, b), sides, strict=True))
    values = [_number(statistic.value(rows.sum(axis=0))) for rows in (rows_a, rows_b)]
    difference = None if values[0] is None or values[1] is None else round(values[1] - values[0], _DIGITS)
    found = Paired(values[0], values[1], difference, None, None, "bootstrap", None, pairs, int(of.max()) + 1)
    if found.clusters > 1:
        found = _with_spread(found, statistic, cluster_sums(rows_a, of), cluster_sums(rows_b, of), seed, resamples)
    if not _share_of_right(rows_a, rows_b):
        return found
    change = rows_b[:, 0] - rows_a[:, 0]
    p = mcnemar(np.bincount(of, weights=change).round().astype(np.int64))
    return replace(found, p=p, test="mcnemar", lost=int((change < 0).sum()), won=int((change > 0).sum()))


def scored_in_both(a: Sequence[Scored], b: Sequence[Scored]) -> NDArray[np.bool_]:
    """Which samples have a score on both sides, shape [N]."""
    both = (isinstance(x.result, Score) and isinstance(y.result, Score) for x, y in zip(a, b, strict=True))
    return np.fromiter(both, dtype=bool, count=len(a))


def mcnemar(differences: NDArray[np.int64]) -> float:
    """Two-sided p of McNemar's test for pairs in clusters, from each cluster's net count of pairs won, shape [K].

    Were the runs alike, each cluster's net count could as well have had the other sign: p is the share of all sign
    choices whose total is at least as far from 0. With one pair a cluster this is McNemar's exact binomial test. It is
    exact unless very many pairs differ; then the total's normal approximation serves (Durkalski et al. 2003).
    """
    steps = np.abs(differences[differences != 0])
    if not len(steps):
        return 1.0
    total, observed = int(steps.sum()), abs(int(differences.sum()))
    if len(steps) * total > _EXACT_STEPS:
        return math.erfc(observed / math.sqrt(2.0 * float((steps.astype(np.float64) ** 2).sum())))
    chance = np.zeros(total + 1)  # of each sum of the steps with a positive sign
    chance[0] = 1.0
    for step in steps:
        shifted = chance[:-step].copy()
        chance *= 0.5
        chance[step:] += 0.5 * shifted
    away = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chance[away >= observed].sum()))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values adjusted for their number by Holm's step-down rule; None stays None and counts nothing."""
    order = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    least = 0.0
    for rank, (p, at) in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * p))
        adjusted[at] = least
    return adjusted


def _with_spread(
    found: Paired, statistic: Statistic, sums_a: Floats, sums_b: Floats, seed: int, resamples: int
) -> Paired:
    drawn = [
        statistic.value(times @ sums_b) - statistic.value(times @ sums_a)
        for times in draws(len(sums_a), seed, resamples)
    ]
    differences = np.round(np.concatenate(drawn), _DIGITS)
    differences = differences[np.isfinite(differences)]
    if len(differences) < 2:
        return found
    low, high = np.quantile(differences, TAILS)
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    normal = NormalDist()
    reach = normal.inv_cdf(TAILS[1]) + normal.inv_cdf(POWER)
    spread = float(differences.std(ddof=1))
    return replace(
        found,
        ci95=(float(low), float(high)),
        p=min(1.0, 2 * (1 + beyond) / (1 + len(differences))),
        detectable=reach * spread if spread > 0 else None,
    )


def _share_of_right(rows_a: Floats, rows_b: Floats) -> bool:
    """Whether the headline's sums are [right, counted], each 0 or 1 a unit, and both runs count the same units."""
    if rows_a.shape[1] != 2 or not np.array_equal(rows_a[:, 1], rows_b[:, 1]):
        return False
    both = np.stack([rows_a, rows_b])
    return bool(np.isin(both, (0.0, 1.0)).all() and (both[..., 0] <= both[..., 1]).all())


def _only(side: Sequence[Scored], kept: NDArray[np.bool_]) -> list[Scored]:
    return [one if keep else replace(one, result=_UNPAIRED) for one, keep in zip(side, kept, strict=True)]


def _number(value: Floats) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
