"""A compiled language model: the same answers, few graphs, and a card that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from harness.engine.local import LocalExecutor
from harness.errors import UserError
from harness.media.workers import PreparePool
from harness.model import Model, ModelCard
from harness.types import Group, Image, Request, Response
from models import Preset
from models.llava.adapter import LlavaAdapter
from models.llava.loading import load
from tests.support.llava_tiny import write_checkpoint

WORDS = ("color", "shape", "red ?", "blue", "circle", "square", "what is the shape ?", "a")
MOST_GRAPHS = 8
"""torch gives up beyond so many, and runs the rest uncompiled."""


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    """Pictures with from one to eight questions, so that rows of every kind are read."""
    rng = np.random.default_rng(0)
    found = []
    for count in (1, 2, 3, 5, 8, 1, 1):
        name = f"p{len(found)}"
        PIL.Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / f"{name}.png")
        asked = tuple(Request(f"{name}-{at}", WORDS[at], 3 + at % 2) for at in range(count))
        found.append(Group(Image(name, tmp_path / f"{name}.png"), asked))
    return found


def _answers(adapter: LlavaAdapter, groups: list[Group]) -> dict[str, str]:
    with PreparePool(adapter.preparer(), 0, 60, 2**20) as pool:
        outcomes = list(LocalExecutor(adapter, pool, 10**6).run(groups))
    assert all(isinstance(one.result, Response) for one in outcomes)
    return {one.sample_id: one.result.text for one in outcomes if isinstance(one.result, Response)}


@pytest.mark.slow
def test_compiled_model_answers_the_same_with_few_graphs(tmp_path: Path, groups: list[Group]) -> None:
    folder = write_checkpoint(tmp_path / "model")
    adapter = load(Preset("tiny", "", "", str(folder), "bare"), None, "cpu", "float32", "pyav")
    plain, identity = _answers(adapter, groups), adapter.card
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    try:
        adapter.compile()
        assert _answers(adapter, groups) == plain
        assert 0 < counters["stats"]["unique_graphs"] < MOST_GRAPHS
    finally:
        torch._dynamo.reset()
    assert identity.settings | {"compiled": True} == adapter.card.settings


class Plain(Model):
    """An adapter that knows nothing of compiling."""

    card = ModelCard("plain", "", "float32", "1")

    def preparer(self) -> None: ...  # type: ignore[override]
    def cost_tokens(self, group: Group) -> int: ...  # type: ignore[empty-body]
    def respond(self, groups: object) -> None: ...  # type: ignore[override]


def test_adapter_that_cannot_be_compiled_says_so() -> None:
    with pytest.raises(UserError, match="plain cannot be compiled: leave --compile out"):
        Plain().compile()
