"""PruMerge on a model: each picture alone decides, and questions share its tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models import load_model
from models.llava.checkpoint import build
from models.llava.config import parse_config
from models.llava.model import LlavaModel
from models.llava.reducers import Ragged
from models.llava.reducers.prumerge import class_attention, outlier_share, reduce
from tests.support.llava_tiny import GRID, SIDE, questions, raw_config, tiny_tower


def _model(reducer: str) -> LlavaModel:
    torch.manual_seed(0)
    config = parse_config(raw_config(compressor_size=None), "tiny", reducer)
    return build(config, tiny_tower()).eval()


def _pictures(count: int) -> Tensor:
    return torch.randn(count, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4))


def _peaked(count: int, patches: int = 40, width: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Features whose class token looks at `count` patches, the last first."""
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(1, patches, width, generator=generator)
    q, k = torch.zeros(1, 1 + patches, width), torch.randn(1, 1 + patches, width, generator=generator) * 1e-3
    q[0, 0, 0] = 10
    k[0, patches - count + 1 :, 0] = 1 + torch.arange(count) / 10
    return hidden, q, k


@pytest.mark.parametrize("reducer", ["prumerge", "prumerge-plus"])
@torch.no_grad()
def test_tokens_of_a_picture_do_not_depend_on_the_others(reducer: str) -> None:
    model, pictures = _model(reducer), _pictures(4)
    request = model.reducer.request
    together = model.reducer.encode(model.tower(pictures.flatten(0, 1), request), parts=1)
    assert isinstance(together, Ragged)
    for index, picture in enumerate(pictures):
        alone = model.reducer.encode(model.tower(picture, request), parts=1).tokens[0]
        torch.testing.assert_close(together.tokens[index], alone, rtol=0, atol=1e-5)
        assert 1 <= len(alone) <= GRID**2 + 1


@torch.no_grad()
def test_pictures_with_different_numbers_of_tokens_go_through_one_forward() -> None:
    model, pictures, ids = _model("prumerge"), _pictures(3), questions(4, 4, 4)
    fusion = model.fuse(ids, pictures)
    both = model.generate(ids, pictures, max_new_tokens=3)
    alone = [model.generate(ids[row : row + 1], pictures[row : row + 1], max_new_tokens=3) for row in range(3)]
    assert both.tokens == [one.tokens[0] for one in alone]
    inputs = model.assemble(fusion, ids)
    assert inputs.vision == tuple(len(fusion.visual(row)) for row in range(3))


def test_as_many_tokens_as_there_are_outliers_and_one() -> None:
    hidden, q, k = _peaked(5)
    indices, tokens = reduce(hidden, q, k, plus=False)
    assert indices.tolist() == [[39, 38, 37, 36, 35]]
    assert tokens.shape == (1, 6, 8)


def test_plus_adds_patches_from_all_over_and_keeps_the_chosen_first() -> None:
    hidden, q, k = _peaked(5)
    share = outlier_share(class_attention(q, k))
    step = int(1 / share) // 3
    expected = [39, 38, 37, 36, 35, *(index for index in range(0, 39, step) if index < 35)]
    assert reduce(hidden, q, k, plus=True)[0].tolist() == [expected]


@pytest.mark.parametrize("plus", [False, True])
def test_without_outliers_everything_is_merged_into_one_token(plus: bool) -> None:
    hidden, q, k = torch.ones(1, 40, 8), torch.zeros(1, 41, 8), torch.ones(1, 41, 8)
    indices, tokens = reduce(hidden, q, k, plus)
    assert indices.shape == (1, 0)
    torch.testing.assert_close(tokens, torch.full((1, 1, 8), 40 / 41))


def test_shipped_preset_is_another_model_than_the_one_whose_weights_it_has() -> None:
    with_reducer, without = (load_model(name, device="cpu") for name in ("prumerge-tiny", "llava-v1.5-tiny"))
    assert with_reducer.card.digest == without.card.digest
    assert with_reducer.card.settings["reducer"] == "prumerge"
    assert with_reducer.card.settings != without.card.settings
