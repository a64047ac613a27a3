from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.statistics import MeanOf, clustered_bootstrap, point, worst_and_best
from harness.types import Missing, Sample, Score, Scored

ACCURACY = MeanOf("accuracy")
BY_TASK = MeanOf("accuracy", title="M-Avg", strata="task", labels=("long", "short", "never asked"))


def scored(value: float | None, task: str = "long") -> Scored:
    result = Missing("no answer") if value is None else Score({"accuracy": value})
    return Scored(Sample("s", "q", None, "a", meta={"task": task}), None, result)


def simulated(rng: np.random.Generator, clusters: int) -> tuple[list[Scored], list[int]]:
    """Questions of one image share its difficulty: within a cluster answers agree more than between clusters."""
    difficulty, sizes = rng.beta(1.2, 0.8, clusters), rng.integers(1, 7, clusters)
    of = np.repeat(np.arange(clusters), sizes)
    right = rng.random(len(of)) < difficulty[of]
    shared = {False: scored(0.0), True: scored(1.0)}
    return [shared[bool(value)] for value in right], of.tolist()


def coverage(clustered: bool) -> float:
    truth, rng, runs = 60.0, np.random.default_rng(7), 800
    hits = 0
    for run in range(runs):
        answers, clusters = simulated(rng, clusters=120)
        interval = clustered_bootstrap(ACCURACY, answers, clusters if clustered else range(len(answers)), run, 400)
        assert interval is not None
        hits += interval[0] <= truth <= interval[1]
    return hits / runs


def test_interval_covers_the_truth_of_clustered_data_as_often_as_it_says() -> None:
    assert 0.93 <= coverage(clustered=True) <= 0.97


def test_ignoring_clusters_would_promise_too_much() -> None:
    assert coverage(clustered=False) < 0.93


def test_mean_is_in_percent_and_leaves_missing_out() -> None:
    assert point(ACCURACY, [scored(1), scored(0), scored(1), scored(None), scored(0)]) == 50.0


def test_other_units_are_not_scaled() -> None:
    assert point(MeanOf("accuracy", unit="points"), [scored(3.0), scored(4.0)]) == 3.5


def test_stratified_mean_weighs_each_stratum_once_and_leaves_absent_ones_out() -> None:
    answers = [scored(1), scored(1), scored(1), scored(0), scored(0, "short")]
    assert point(BY_TASK, answers) == pytest.approx((75.0 + 0.0) / 2)
    assert BY_TASK.name == "M-Avg"


def test_missing_as_worst_and_best_brackets_the_headline() -> None:
    answers = [scored(1), scored(0), scored(None), scored(None)]
    assert worst_and_best(ACCURACY, answers) == (25.0, 75.0)


def test_a_wholly_missing_stratum_still_counts_in_the_bounds() -> None:
    answers = [scored(1), scored(None, "short")]
    assert point(BY_TASK, answers) == 100.0
    assert worst_and_best(BY_TASK, answers) == (50.0, 100.0)


def test_without_missing_samples_the_bounds_are_the_headline() -> None:
    answers = [scored(1), scored(0), scored(0)]
    value = point(ACCURACY, answers)
    assert worst_and_best(ACCURACY, answers) == (value, value)


@pytest.mark.parametrize("answers", [[], [scored(None), scored(None)]], ids=["empty", "all missing"])
def test_nothing_scored_has_no_value_and_no_interval(answers: list[Scored]) -> None:
    assert point(ACCURACY, answers) is None
    assert clustered_bootstrap(ACCURACY, answers, range(len(answers)), seed=0) is None


def test_bounds_of_no_samples_are_absent() -> None:
    assert worst_and_best(ACCURACY, []) is None


def test_one_cluster_has_no_interval() -> None:
    assert clustered_bootstrap(ACCURACY, [scored(1), scored(0)], ["same", "same"], seed=0) is None
    assert clustered_bootstrap(ACCURACY, [scored(1), scored(None)], ["scored", "missing"], seed=0) is None


def test_missing_samples_do_not_move_the_interval() -> None:
    answers, clusters = simulated(np.random.default_rng(3), clusters=20)
    alone = clustered_bootstrap(ACCURACY, answers, clusters, seed=5)
    assert clustered_bootstrap(ACCURACY, [*answers, scored(None)], [*clusters, 99], seed=5) == alone


def test_same_seed_same_interval_and_another_seed_another() -> None:
    answers, clusters = simulated(np.random.default_rng(1), clusters=50)
    first = clustered_bootstrap(ACCURACY, answers, clusters, seed=1)
    assert clustered_bootstrap(ACCURACY, answers, clusters, seed=1) == first
    assert clustered_bootstrap(ACCURACY, answers, clusters, seed=2) != first


def test_drawing_in_blocks_gives_as_many_resamples_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.scoring.statistics._DRAWS_PER_BLOCK", 64)
    rows: list[int] = []

    class Counting(MeanOf):
        def value(self, sums: np.ndarray) -> np.ndarray:
            rows.append(len(sums))
            return super().value(sums)

    answers, clusters = simulated(np.random.default_rng(1), clusters=20)
    clustered_bootstrap(Counting("accuracy"), answers, clusters, seed=1, resamples=100)
    assert sum(rows) == 100
    assert max(rows) <= 3


def test_a_resample_without_a_stratum_averages_the_others() -> None:
    answers = [scored(1), scored(1), scored(0, "short")]
    interval = clustered_bootstrap(BY_TASK, answers, ["a", "b", "c"], seed=0)
    assert interval == (0.0, 100.0)
