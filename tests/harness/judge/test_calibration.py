"""Agreement of two judges, against values worked out by hand."""

from __future__ import annotations

import pytest

from harness.judge.calibration import agreement, kappa


def test_kappa_of_verdicts_is_that_worked_out_by_hand() -> None:
    # yes/yes 20, yes/no 5, no/yes 10, no/no 15: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5
    a = [1] * 25 + [0] * 25
    b = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert kappa(a, b, 2) == pytest.approx(0.4)


def test_quadratic_kappa_weighs_a_far_disagreement_more() -> None:
    a, b = [0, 1, 2, 2], [0, 1, 2, 1]
    # rows 1, 1, 2 and columns 1, 2, 1: (1*2*1 + 1*1*4 + 1*1*1 + 1*1*1 + 2*1*4 + 2*2*1) / 4 = 5
    assert kappa(a, b, 3, "quadratic") == pytest.approx(1 - 1 / 5)
    far = kappa(a, [0, 1, 2, 0], 3, "quadratic")
    # columns 2, 1, 1: (1*1*1 + 1*1*4 + 1*2*1 + 1*1*1 + 2*2*4 + 2*1*1) / 4 = 6.5, squares 4
    assert far == pytest.approx(1 - 4 / 6.5)


def test_opposite_verdicts_are_minus_one_and_equal_ones_one() -> None:
    assert kappa([0, 1], [1, 0], 2) == pytest.approx(-1)
    assert kappa([0, 1], [0, 1], 2) == pytest.approx(1)


def test_kappa_does_not_exist_where_chance_cannot_disagree() -> None:
    assert kappa([], [], 2) is None
    assert kappa([1, 1], [1, 1], 2) is None


@pytest.mark.parametrize(("a", "b"), [([0], [0, 1]), ([2], [0]), ([-1], [0])])
def test_grades_that_do_not_fit_are_refused(a: list[int], b: list[int]) -> None:
    with pytest.raises(ValueError, match="grades"):
        kappa(a, b, 2)


def test_agreement_counts_equal_and_near_grades() -> None:
    assert agreement([0, 3, 5, 2], [0, 4, 3, 2]) == 0.5
    assert agreement([0, 3, 5, 2], [0, 4, 3, 2], within=1) == 0.75
    assert agreement([], []) is None
