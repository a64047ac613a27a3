"""When a number may stand beside the paper's, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.plan import TaskPlan
from harness.engine.verdict import verdict
from harness.types import Missing, Sample
from tests.support.fakes import Quiz

CARD = Quiz.card
PAPER, SIZE = CARD.paper["parrot"], CARD.full_size


def told(
    value: float | None = PAPER,
    ci95: tuple[float, float] | None = (PAPER - 1, PAPER + 1),
    n: int = SIZE,
    unusable: int = 0,
    task: Quiz | None = None,
) -> str:
    config = RunConfig("parrot", ("quiz",), {"quiz": DataSource("hub")}, Path("out"))
    samples = tuple(Sample(f"q{index}", "?", None, "") for index in range(n))
    plan = TaskPlan(
        task or Quiz(), CARD.prompts[0], samples, (), {f"q{index}": Missing("no item") for index in range(unusable)}
    )
    return verdict(CARD, config, plan, value, ci95)


def test_paper_inside_the_interval() -> None:
    assert told() == "within interval"
    assert told(ci95=(PAPER, PAPER + 3)) == "within interval"


@pytest.mark.parametrize(("difference", "shown"), [(-2.04, "-2.0"), (3.0, "+3.0")])
def test_paper_outside_the_interval_gives_the_difference(difference: float, shown: str) -> None:
    value = PAPER + difference
    assert told(value, (value - 0.5, value + 0.5)) == f"outside: ours - paper = {shown}"


@pytest.mark.parametrize(("n", "unusable"), [(SIZE, 0), (SIZE + 1, 1), (SIZE, 2)])
def test_whole_split_with_or_without_its_unusable_items_is_comparable(n: int, unusable: int) -> None:
    assert told(n=n, unusable=unusable) == "within interval"


@pytest.mark.parametrize(("n", "unusable"), [(SIZE - 1, 0), (SIZE + 1, 0), (SIZE + 1, 2)])
def test_other_samples_than_the_paper_has_are_not(n: int, unusable: int) -> None:
    assert told(n=n, unusable=unusable).startswith(f"not comparable: {n} of {SIZE} samples")


def test_withheld_headline_is_not_compared() -> None:
    assert told(None, None).startswith("not comparable: no headline")


class Reworded(Quiz):
    def prompt_note(self, prompt: str) -> str | None:
        return f"{prompt} in other words"


def test_a_prompt_that_is_not_the_papers_is_not_comparable() -> None:
    assert told(task=Reworded()) == f"not comparable: {CARD.prompts[0]} in other words"
