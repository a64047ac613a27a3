"""The page of costs on many GPUs is what its command computes, over the benchmarks that there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.profiler.flops import flops
from harness.profiler.shapes import shape_of
from results.scale.__main__ import tables
from results.scale.estimate import Machine, costs, published_utilisation, workload
from tasks import TASKS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "scale.md"


def test_page_holds_the_tables_that_the_command_prints() -> None:
    assert tables() in PAGE.read_text(encoding="utf-8"), "print them anew: python -m results.scale"


def test_workload_names_the_papers_eighteen() -> None:
    cards = {name: TASKS.load(name).card for name in TASKS}
    assert {one.task for one in workload()} == {name for name, card in cards.items() if card.grouped}
    assert all((one.frames > 1) == (cards[one.task].modality == "video") for one in workload())
    assert all(1 <= one.media <= one.questions for one in workload())


def test_single_question_costs_its_prefill() -> None:
    """Without an answer to decode, the shared way and the whole way are one."""
    work = replace(workload()[0], questions=1, media=1, answer_tokens=1)
    (cost,) = costs("llava-v1.5-7b", Machine(), [work])
    assert cost.flops == flops(shape_of("llava-v1.5-7b"), work.text_tokens, "executed").total
    assert cost.group_s == pytest.approx(cost.flops / (Machine().peak_flops * Machine().utilisation))


def test_many_gpus_wait_for_the_busiest() -> None:
    (cost,) = costs("llava-mini-7b", Machine(), [replace(workload()[0], questions=9, media=9)])
    assert cost.wall_s(1, 1.0) == pytest.approx(9 * cost.group_s)
    assert cost.wall_s(8, 1.0) == pytest.approx(2 * cost.group_s)


def test_assumed_utilisation_is_near_the_papers() -> None:
    assert abs(published_utilisation(Machine()) - Machine().utilisation) < 0.05
