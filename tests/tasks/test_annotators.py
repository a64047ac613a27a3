from __future__ import annotations

from harness.types import Missing, Sample, Score, Scored
from tasks.annotators import commonest, means, overall, printed_by


def scored(kind: str | None, value: float | None) -> Scored:
    result = Missing("no answer") if value is None else Score({"accuracy": value})
    return Scored(Sample("1", "What?", None, "", meta={"kind": kind}), None, result)


RUN = [scored("b", 0.3), scored("a", 1.0), scored("b", None), scored("b", 0.0), scored(None, 0.9)]


def test_commonest_answer_is_the_first_of_those_given_most_often() -> None:
    assert commonest(["blue", "red", "red", "blue", "green"]) == "blue"
    assert commonest([]) == ""


def test_missing_answers_are_in_no_printed_mean() -> None:
    assert overall(RUN, "accuracy") == 55.0
    assert printed_by(lambda sample: sample.meta["kind"], RUN, "accuracy") == {"b": 15.0, "a": 100.0}


def test_means_of_nothing_are_absent_not_zero() -> None:
    assert means([scored("a", None)], "accuracy") == {}
    assert means(RUN, "accuracy") == {"accuracy": 55.00000000000001}
