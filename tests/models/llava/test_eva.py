"""EVA-ViT-g from its published file: the right blocks, the right bias, positions of any grid."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness.errors import CheckpointError
from models.llava.checkpoint import load_eva
from models.llava.eva import DEPTH, eva_config, native_weights
from models.llava.tower import FeatureRequest, VisionTower
from tests.support.published import VID, eva_weights

REQUEST = FeatureRequest((-1,), keep_class=True)


def _saved(folder: Path, weights: dict[str, Tensor]) -> Path:
    torch.save(weights, folder / "eva_vit_g.pth")
    return folder / "eva_vit_g.pth"


def _loaded(path: Path, **options: int) -> VisionTower:
    return load_eva(path, torch.float32, {**VID, **options})


def _by_hand(weights: dict[str, Tensor], pixels: Tensor, heads: int) -> Tensor:
    """The architecture, written from its description."""
    w = {key: value.float() for key, value in weights.items()}
    x = functional.conv2d(pixels, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=7)
    x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1) + w["pos_embed"]
    for at in (f"blocks.{index}." for index in range(3)):
        normed = functional.layer_norm(x, x.shape[-1:], w[f"{at}norm1.weight"], w[f"{at}norm1.bias"], 1e-6)
        q, k, v = (normed @ w[f"{at}attn.qkv.weight"].T).chunk(3, -1)
        q, v = q + w[f"{at}attn.q_bias"], v + w[f"{at}attn.v_bias"]
        q, k, v = (one.unflatten(-1, (heads, -1)).transpose(1, 2) for one in (q, k, v))
        seen = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        x = x + seen.transpose(1, 2).flatten(2) @ w[f"{at}attn.proj.weight"].T + w[f"{at}attn.proj.bias"]
        normed = functional.layer_norm(x, x.shape[-1:], w[f"{at}norm2.weight"], w[f"{at}norm2.bias"], 1e-6)
        inner = functional.gelu(normed @ w[f"{at}mlp.fc1.weight"].T + w[f"{at}mlp.fc1.bias"])
        x = x + inner @ w[f"{at}mlp.fc2.weight"].T + w[f"{at}mlp.fc2.bias"]
    return x


def test_features_are_the_last_blocks_with_class_token_and_no_norm(tmp_path: Path) -> None:
    weights = eva_weights()
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    got = _loaded(_saved(tmp_path, weights))(pixels, REQUEST).only()
    torch.testing.assert_close(got, _by_hand(weights, pixels, heads=2), rtol=1e-4, atol=1e-4)


def test_larger_pictures_get_resized_positions(tmp_path: Path) -> None:
    tower = _loaded(_saved(tmp_path, eva_weights()), picture=42)
    assert tower.grid == 6
    assert tower(torch.zeros(1, 3, 42, 42), REQUEST).only().shape == (1, 37, 16)
    assert tower.processor.crop == 42


def test_fortieth_block_is_not_used() -> None:
    weights = eva_weights(width=2, blocks=DEPTH + 1)
    config = eva_config(weights, 28, 1, "here")
    assert config.num_hidden_layers == DEPTH
    kept = native_weights(weights, config)
    assert f"blocks.{DEPTH - 1}.norm1.weight" in kept
    assert not any(key.startswith(f"blocks.{DEPTH}.") for key in kept)


@pytest.mark.parametrize(
    ("lost", "says"),
    [("blocks.1.attn.v_bias", r"missing \(blocks.1.attn.qkv.bias\)"), ("pos_embed", "no EVA-ViT-g: pos_embed missing"),
     ("blocks.0.norm2.bias", r"missing \(blocks.0.norm2.bias\)")],
)  # fmt: skip
def test_what_a_file_lacks_is_named(tmp_path: Path, lost: str, says: str) -> None:
    weights = eva_weights()
    del weights[lost]
    with pytest.raises(CheckpointError, match=says):
        _loaded(_saved(tmp_path, weights))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no EVA-ViT-g: .*there are visual\.conv1"):
        _loaded(_saved(tmp_path, {"visual.conv1": torch.zeros(1)}))
    (tmp_path / "eva_vit_g.pth").write_bytes(b"not a file of tensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        _loaded(tmp_path / "eva_vit_g.pth")
