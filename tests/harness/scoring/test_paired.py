from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.scoring.joined import AllRight
from harness.scoring.paired import Paired, holm, mcnemar, paired
from harness.scoring.statistics import MeanOf
from harness.types import Missing, Sample, Score, Scored
from tasks.mme import MmeScore
from tasks.pope import F1

ACCURACY = MeanOf("accuracy")
COMPARISONS = 800
TESTS = 4000


def scored(value: float | None, answer: str = "yes", **meta: str) -> Scored:
    result = Missing("no answer") if value is None else Score({"accuracy": value})
    return Scored(Sample("s", "q", None, answer, meta=meta), None, result)


RIGHT, WRONG, NONE = scored(1.0), scored(0.0), scored(None)


def answers(right: Sequence[bool]) -> list[Scored]:
    return [RIGHT if one else WRONG for one in right]


def alone(a: Sequence[Scored], b: Sequence[Scored], seed: int = 0) -> Paired:
    """Every sample a cluster of its own."""
    return paired(ACCURACY, a, b, range(len(a)), seed)


def binomial(lost: int, won: int) -> float:
    """McNemar's exact p from its definition."""
    n, less = lost + won, min(lost, won)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(less + 1)) / 2**n)


def test_a_run_against_itself_differs_by_nothing() -> None:
    values = [scored(value) for value in (0.3, 0.9, 1.0, None, 0.0)]
    for side in (values, answers([True, False, True, True, False])):
        found = alone(side, side)
        assert (found.difference, found.ci95, found.p, found.detectable) == (0.0, (0.0, 0.0), 1.0, None)


def test_swapping_the_runs_swaps_the_sign_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    a, b = answers(rng.random(80) < 0.5), answers(rng.random(80) < 0.6)
    there, back = alone(a, b), alone(b, a)
    assert there.difference == -back.difference  # type: ignore[operator]
    assert there.ci95 == pytest.approx([-end for end in reversed(back.ci95 or ())])
    assert (there.p, there.lost, there.won) == (back.p, back.won, back.lost)


def test_same_seed_same_interval() -> None:
    rng = np.random.default_rng(4)
    a, b = answers(rng.random(60) < 0.5), answers(rng.random(60) < 0.6)
    assert alone(a, b, 1) == alone(a, b, 1)
    assert alone(a, b, 1).detectable != alone(a, b, 2).detectable


def test_pairs_with_a_missing_side_are_left_out_of_both_sides() -> None:
    found = alone([RIGHT, RIGHT, WRONG, NONE], [RIGHT, NONE, RIGHT, RIGHT])
    assert (found.a, found.b, found.difference) == (50.0, 100.0, 50.0)
    assert (found.pairs, found.clusters, found.lost, found.won) == (2, 2, 0, 1)


def test_without_a_pair_nothing_is_claimed() -> None:
    found = alone([RIGHT, NONE], [NONE, RIGHT])
    assert (found.pairs, found.difference, found.ci95, found.p) == (0, None, None, None)
    assert alone([], []).pairs == 0


def test_one_cluster_gives_a_difference_without_interval_or_significance() -> None:
    found = paired(ACCURACY, answers([False] * 9), answers([True] * 9), ["image"] * 9, 0)
    assert (found.difference, found.ci95, found.detectable, found.p) == (100.0, None, None, 1.0)


@given(st.integers(0, 40), st.integers(0, 40))
def test_one_pair_a_cluster_is_the_exact_binomial_test(lost: int, won: int) -> None:
    differences = np.array([0, *[-1] * lost, *[1] * won])
    assert mcnemar(differences) == pytest.approx(binomial(lost, won), rel=1e-9)


@given(st.lists(st.integers(-3, 3), max_size=9))
def test_clusters_flip_their_signs_as_a_whole(differences: list[int]) -> None:
    signs = (np.array(np.meshgrid(*[[-1, 1]] * len(differences))).T.reshape(-1, len(differences))) if differences else 0
    totals = np.abs(np.atleast_1d(signs @ np.array(differences)) if differences else np.zeros(1))
    assert mcnemar(np.array(differences, dtype=np.int64)) == pytest.approx(np.mean(totals >= abs(sum(differences))))


def test_many_differing_pairs_are_tested_by_the_normal_approximation(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.array([-1] * 500 + [1] * 570)
    exact = mcnemar(differences)
    monkeypatch.setattr("harness.scoring.paired._EXACT_STEPS", 0)
    assert mcnemar(differences) == pytest.approx(math.erfc(70 / math.sqrt(2 * 1070)))
    assert mcnemar(differences) == pytest.approx(exact, rel=0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=200)
def test_holm_never_lowers_a_p_and_keeps_their_order(ps: list[float]) -> None:
    adjusted = [one for one in holm(ps) if one is not None]
    assert all(p <= after <= 1 for p, after in zip(ps, adjusted, strict=True))
    assert [after for _, after in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_holm_multiplies_the_smallest_by_the_number_of_tests_and_skips_absent_ones() -> None:
    assert holm([0.04, None, 0.01, 0.03]) == [pytest.approx(0.06), None, pytest.approx(0.03), pytest.approx(0.06)]


def test_f1_is_formed_anew_from_each_draw_and_is_not_a_mean() -> None:
    rng = np.random.default_rng(5)
    questions = [("yes" if k % 2 else "no", "random") for k in range(200)]
    a = [scored(float(rng.random() < 0.7), answer, category=part) for answer, part in questions]
    b = [scored(float(rng.random() < 0.9), answer, category=part) for answer, part in questions]
    found = paired(F1(), a, b, [k // 4 for k in range(200)], 0)
    assert found.test == "bootstrap"
    assert found.lost is None
    assert found.ci95 is not None
    assert found.difference is not None
    assert 0 < found.ci95[0] < found.difference < found.ci95[1]
    assert found.p is not None
    assert found.p < 0.01
    assert found.clusters == 50


def test_a_unit_with_one_missing_sample_on_one_side_leaves_both_sides() -> None:
    def image(name: str, first: float | None, second: float | None) -> list[Scored]:
        return [scored(value, category="count", image=name) for value in (first, second)]

    a = image("x", 1, 1) + image("y", 1, 1)
    b = image("x", 1, 0) + image("y", None, 1)
    found = paired(MmeScore(), a, b, ["x", "x", "y", "y"], 0)
    assert found.a == 200.0
    assert found.b == pytest.approx(100 * 2 / 3 + 0)
    assert found.pairs == 3


def test_samples_that_count_only_together_are_tested_as_units() -> None:
    a = [scored(1.0, group=str(k // 2)) for k in range(8)]
    b = [scored(0.0 if k in (0, 1, 2) else 1.0, group=str(k // 2)) for k in range(8)]
    found = paired(AllRight("accuracy", "group"), a, b, [k // 2 for k in range(8)], 0)
    assert (found.test, found.lost, found.won, found.p) == ("mcnemar", 2, 0, 0.5)


def test_samples_outside_the_headline_are_no_pairs() -> None:
    a = [scored(1.0, category=name, image=name) for name in ("count", "code_reasoning")]
    assert paired(MmeScore(), a, a, [0, 1], 0).pairs == 1


def test_a_mean_of_strata_is_not_tested_as_one_share() -> None:
    headline = MeanOf("accuracy", strata="part", labels=("x", "y"))
    a = [scored(float(k % 2), part="xy"[k % 3 == 0]) for k in range(30)]
    assert paired(headline, a, a, range(30), 0).test == "bootstrap"


Pairs = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]


def simulated(rng: np.random.Generator, clusters: int, truth: float) -> Pairs:
    """Two models on clustered questions. B gains `truth` (a share) on average, more on some images, less on others.

    Without a gain, A and B could change names in any cluster: they are equal, yet differ on most images.
    """
    of = np.repeat(np.arange(clusters), rng.integers(1, 7, clusters))
    middle, lean = 0.25 + 0.4 * rng.beta(1.2, 0.8, clusters), rng.choice([-0.1, 0.1], clusters)
    luck = rng.random(len(of))
    own = np.where(rng.random(len(of)) < 0.6, luck, rng.random(len(of)))
    return luck < (middle - lean)[of], own < (middle + lean + truth)[of], of


def share(truth: float, hit: Callable[[Paired], bool]) -> float:
    """How often it is so, over comparisons of 120 clusters."""
    rng, hits = np.random.default_rng(11), 0
    for run in range(COMPARISONS):
        a, b, of = simulated(rng, 120, truth)
        hits += hit(paired(ACCURACY, answers(a), answers(b), of.tolist(), run, 400))
    return hits / COMPARISONS


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, 0.05])
def test_intervals_of_a_known_difference_cover_it_as_often_as_they_say(truth: float) -> None:
    def covers(found: Paired) -> bool:
        assert found.ci95 is not None
        return found.ci95[0] <= 100 * truth <= found.ci95[1]

    assert 0.93 <= share(truth, covers) <= 0.97


def false_alarms(clusters: int, ignored: bool = False) -> float:
    """How often McNemar's test at 5 % tells equal models apart."""
    rng, alarms = np.random.default_rng(12), 0
    for _ in range(TESTS):
        a, b, of = simulated(rng, clusters, 0.0)
        change = b.astype(np.int64) - a
        alarms += mcnemar(change if ignored else np.bincount(of, weights=change).astype(np.int64)) <= 0.05
    return alarms / TESTS


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [20, 120])
def test_mcnemar_tells_equal_models_apart_at_most_as_often_as_it_says(clusters: int) -> None:
    assert false_alarms(clusters) <= 0.05


@pytest.mark.slow
def test_mcnemar_that_ignores_clusters_would_tell_equal_models_apart_too_often() -> None:
    assert false_alarms(120, ignored=True) > 0.06


@pytest.mark.slow
def test_the_detectable_difference_is_found_in_about_four_of_five_comparisons() -> None:
    rng, reach = np.random.default_rng(13), []
    for run in range(50):
        a, b, of = simulated(rng, 120, 0.0)
        reach.append(paired(ACCURACY, answers(a), answers(b), of.tolist(), run, 400).detectable)
    truth = float(np.mean([one for one in reach if one is not None])) / 100
    assert 0.74 <= share(truth, lambda found: found.ci95 is not None and found.ci95[0] > 0) <= 0.86
