"""The tower gives the hidden states of transformers' CLIPVisionModel and runs no block too many."""

from __future__ import annotations

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from models.llava.tower import ClipTower, FeatureRequest


@pytest.fixture(scope="module")
def tower() -> ClipTower:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, image_size=28, patch_size=14
    )
    return ClipTower(CLIPVisionModel(config).eval())


@pytest.mark.parametrize("layers", [(-2,), (-1,), (0,), (1, 3, 4), (-2, -1)])
@pytest.mark.parametrize("keep_class", [False, True])
def test_hidden_states_are_those_of_transformers(tower: ClipTower, layers: tuple[int, ...], keep_class: bool) -> None:
    pixels = torch.randn(2, 3, 28, 28)
    features = tower(pixels, FeatureRequest(layers, keep_class=keep_class))
    with torch.no_grad():
        states = tower.clip(pixels, output_hidden_states=True).hidden_states
    assert list(features.hidden) == list(layers)
    for layer in layers:
        expected = states[layer] if keep_class else states[layer][:, 1:]
        torch.testing.assert_close(features.hidden[layer], expected)


def test_blocks_after_the_last_wanted_layer_do_not_run(tower: ClipTower) -> None:
    ran: list[int] = []
    hooks = [
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
        for index, block in enumerate(tower.clip.encoder.layers)
    ]
    tower(torch.randn(1, 3, 28, 28), FeatureRequest((2,)))
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1]


def test_last_queries_and_keys_are_raw_projections_of_the_last_block(tower: ClipTower) -> None:
    seen: dict[str, torch.Tensor] = {}
    attention = tower.clip.encoder.layers[-1].self_attn
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for name, module in (("q", attention.q_proj), ("k", attention.k_proj))
    ]
    pixels = torch.randn(1, 3, 28, 28)
    with torch.no_grad():
        tower.clip(pixels)
    for hook in hooks:
        hook.remove()
    features = tower(pixels, FeatureRequest((-2,), last_qk=True))
    torch.testing.assert_close(features.q, seen["q"])
    torch.testing.assert_close(features.k, seen["k"])


def test_tower_never_trains(tower: ClipTower) -> None:
    features = tower(torch.randn(1, 3, 28, 28, requires_grad=True), FeatureRequest()).only()
    assert not features.requires_grad
    assert not any(parameter.requires_grad for parameter in tower.parameters())
