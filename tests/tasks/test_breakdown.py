from __future__ import annotations

from harness.types import Missing, Sample, Score, Scored
from tasks.breakdown import percent_by


def one(label: str | int | None, value: float | None) -> Scored:
    result = Missing("no answer") if value is None else Score({"accuracy": value, "other": 1.0})
    return Scored(Sample("s", "q", None, "a", meta={"label": label}), None, result)


RUN = [one("b", 1.0), one("a", 1.0), one("a", 0.0), one("a", None), one(None, 1.0)]


def test_each_label_has_its_mean_in_percent_over_its_scored_samples() -> None:
    assert percent_by(lambda sample: sample.meta["label"], RUN) == {
        "a": {"value": 50.0, "n": 2},
        "b": {"value": 100.0, "n": 1},
    }


def test_any_score_value_can_be_tabulated() -> None:
    assert percent_by(lambda sample: sample.meta["label"], RUN, "other")["a"] == {"value": 100.0, "n": 2}


def test_numbers_are_sorted_as_numbers() -> None:
    table = percent_by(lambda sample: sample.meta["label"], [one(10, 1.0), one(9, 1.0), one(2, 0.0)])
    assert list(table) == ["2", "9", "10"]
