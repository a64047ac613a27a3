"""Sharing changes what is computed, not what comes out: logits to 1e-4, and each position of a medium once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.llava import packing
from models.llava.model import LlavaModel
from models.llava.packing import packs, visibility
from models.llava.prompts import IMAGE
from models.llava.sharing import SharedFusion, answer, split_at_medium
from tests.support.llava_tiny import GRID, SIDE, tiny_model

VARIANTS: dict[str, dict[str, Any]] = {
    "mini": {},
    "mini of four tokens, high resolution": {"compressor_size": 2, "resolution_ratio": 2},
    "without pre-fusion": {"prefusion_layer_num": 0},
    "identity": {"compressor_size": None},
}
BEFORE = [1, 9, 0, 11]
"""With a token of id 0, which pre-fusion does not see and the language model does."""
AFTER = [[5, 6, 7], [8], [20, 0, 21, 22, 23, 24], [5, 6, 7, 30]]
NEW = 4


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def model(request: pytest.FixtureRequest) -> LlavaModel:
    return tiny_model(**request.param)


def rows() -> list[list[int]]:
    return [[*BEFORE, IMAGE, *ids] for ids in AFTER]


def pictures(model: LlavaModel, frames: int) -> Tensor:
    parts = 1 if model.config.resolution_ratio == 1 else model.config.resolution_ratio**2 + 1
    return torch.randn(frames, parts, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def never(row: int, tokens: Sequence[int]) -> bool:
    return len(tokens) == NEW


def shared(model: LlavaModel, pixels: Tensor, chunk: int) -> tuple[list[list[int]], dict[int, list[Tensor]]]:
    """Tokens, and logits of every step, by question."""
    parts = split_at_medium(rows())
    assert parts is not None
    fusion = SharedFusion(model, *parts)
    for some in pixels.split(chunk):
        fusion.add(some)
    steps: list[tuple[tuple[int, ...], Tensor]] = []
    with torch.inference_mode():
        tokens = answer(model.lm, fusion.shared(), fusion.questions(), never, steps)
    logits: dict[int, list[Tensor]] = {row: [] for row in range(len(AFTER))}
    for members, step in steps:
        for member, one in zip(members, step, strict=True):
            logits[member].append(one)
    return tokens, logits


def check(model: LlavaModel, pixels: Tensor, tokens: list[list[int]], logits: dict[int, list[Tensor]]) -> None:
    """Each question alone, the whole way, says the same."""
    for row, ids in enumerate(rows()):
        medium = pixels[None] if len(pixels) > 1 else pixels
        alone = model.generate(torch.tensor([ids]), medium, max_new_tokens=NEW, keep_logits=True)
        for step, one in enumerate(alone.step_logits):
            torch.testing.assert_close(logits[row][step], one[0], atol=1e-4, rtol=0)
        assert tokens[row] == alone.tokens[0]


@pytest.mark.parametrize(("frames", "chunk"), [(1, 1), (5, 2), (5, 5)])
def test_shared_equals_one_by_one(model: LlavaModel, frames: int, chunk: int) -> None:
    pixels = pictures(model, frames)
    check(model, pixels, *shared(model, pixels, chunk))


def test_answers_differ_by_question_and_picture(model: LlavaModel) -> None:
    _, first = shared(model, pictures(model, 1), 1)
    _, second = shared(model, -pictures(model, 1), 1)
    assert (first[0][0] - first[1][0]).abs().max() > 1e-2
    assert (first[0][0] - second[0][0]).abs().max() > 1e-2


def test_many_questions_are_packed_into_several_rows(model: LlavaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TOKENS", 5)
    pixels = pictures(model, 3)
    check(model, pixels, *shared(model, pixels, 2))


def test_a_long_beginning_is_read_in_parts(model: LlavaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.llava.sharing.PREFILL_POSITIONS", 3)
    pixels = pictures(model, 5)
    check(model, pixels, *shared(model, pixels, 5))


def test_questions_end_at_different_lengths_and_the_others_go_on() -> None:
    model = tiny_model()
    pixels = pictures(model, 1)
    fusion = SharedFusion(model, BEFORE, AFTER)
    fusion.add(pixels)
    limits = [4, 1, 3, 2]
    tokens = answer(model.lm, fusion.shared(), fusion.questions(), lambda row, new: len(new) == limits[row])
    assert [len(one) for one in tokens] == limits
    whole, _ = shared(model, pixels, 1)
    assert tokens == [one[:limit] for one, limit in zip(whole, limits, strict=True)]


class Rows:
    """Counts the positions that go through modules."""

    def __init__(self, module: nn.Module) -> None:
        self.count = 0
        module.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        self.count += hidden.shape[0] * (hidden.shape[1] if hidden.dim() == 3 else 1)


@pytest.mark.parametrize("frames", [1, 6])
def test_each_position_of_a_medium_is_computed_once(frames: int) -> None:
    model = tiny_model()
    tower = Rows(model.tower.clip.embeddings)
    fused = Rows(model.reducer.prefusion.layers[0])  # type: ignore[union-attr,index,arg-type]
    read = Rows(model.lm.model.layers[0])
    shared(model, pictures(model, frames), 2)
    asked = sum(map(len, AFTER))
    hidden = (BEFORE + [one for ids in AFTER for one in ids]).count(0)
    assert tower.count == frames
    assert fused.count == frames * (GRID**2 + 1 + len(BEFORE) + asked - hidden)
    assert read.count == len(BEFORE) + frames + asked + len(AFTER) * (NEW - 1)


@pytest.mark.parametrize(
    "prompts",
    [
        [[1, IMAGE, 5], [2, IMAGE, 5]],
        [[1, IMAGE, 5], [1, 1, IMAGE, 5]],
        [[1, 5], [1, IMAGE, 5]],
        [[1, IMAGE, IMAGE, 5]],
        [[1, IMAGE], [1, IMAGE, 5]],
    ],
)
def test_prompts_that_share_no_beginning_are_not_shared(prompts: list[list[int]]) -> None:
    assert split_at_medium(prompts) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 12))
def test_packs_hold_every_token_once_in_order(lengths: list[int], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "PACK_TOKENS", size)
        found = list(packs(lengths, torch.device("cpu")))
    assert [member for pack in found for member in pack.members] == list(range(len(lengths)))
    assert torch.cat([pack.source for pack in found]).tolist() == list(range(sum(lengths)))
    for pack in found:
        assert len(pack.owner) <= size or len(pack.members) == 1
        assert pack.owner.tolist() == [member for member in pack.members for _ in range(lengths[member])]


def test_a_token_sees_what_is_shared_its_own_question_so_far_and_itself() -> None:
    keys = torch.tensor([0, 0, 1, 0, 1])
    seen = (visibility(keys[3:], keys, 2, torch.float32)[0, 0] == 0).int().tolist()
    assert seen == [[1, 1, 1, 1, 0, 1, 0], [1, 1, 0, 0, 1, 0, 1]]
