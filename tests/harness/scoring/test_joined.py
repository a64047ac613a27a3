from __future__ import annotations

import pytest

from harness.scoring.joined import AllRight
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.types import Missing, Sample, Score, Scored

CIRCULAR = AllRight("accuracy", unit_key="question")


def answered(question: str, value: float | None) -> Scored:
    result = Missing("no answer") if value is None else Score({"accuracy": value})
    return Scored(Sample("s", "q", None, "a", meta={"question": question}), None, result)


def test_a_unit_is_right_only_if_all_of_it_is() -> None:
    assert point(CIRCULAR, [answered("p", 1), answered("q", 1), answered("p", 0), answered("q", 1)]) == 50.0


def test_order_of_the_samples_does_not_matter() -> None:
    run = [answered("p", 1), answered("q", 1), answered("p", 0), answered("q", 1), answered("r", 1)]
    assert point(CIRCULAR, run) == point(CIRCULAR, run[::-1])


def test_an_unfinished_unit_is_left_out_of_the_value_and_is_worst_and_best_in_the_bounds() -> None:
    run = [answered("p", 1), answered("p", None), answered("q", 1), answered("r", 0)]
    assert point(CIRCULAR, run) == 50.0
    assert worst_and_best(CIRCULAR, run) == (pytest.approx(100 / 3), pytest.approx(200 / 3))


def test_an_unfinished_unit_with_a_wrong_answer_stays_wrong_in_both_bounds() -> None:
    run = [answered("p", 0), answered("p", None), answered("q", 1)]
    assert worst_and_best(CIRCULAR, run) == (50.0, 50.0)


def test_without_a_whole_unit_there_is_no_value() -> None:
    assert point(CIRCULAR, [answered("p", 1), answered("p", None)]) is None


def test_interval_draws_whole_units() -> None:
    run = [answered(str(i), float(i % 2)) for i in range(40) for _ in range(3)]
    interval = clustered_bootstrap(CIRCULAR, run, [s.sample.meta["question"] for s in run], seed=0)
    assert interval is not None
    assert interval[0] < 50.0 < interval[1]
    assert interval[1] - interval[0] > 25.0  # 40 coins, not 120
