"""Published layouts of reducers load key by key, LoRA included; wrong families and impossible wishes are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModel

from harness.errors import CheckpointError, UnknownName, UserError
from models.llava.checkpoint import build, load, save
from models.llava.config import parse_config, read_config
from models.llava.model import LlavaModel
from models.llava.tower import ClipTower
from tests.support.llava_tiny import SIDE, questions, raw_config, tiny_tower

MQT = {"most": 16, "heads": 2, "tokens": 9}
PACKER = {"levels": [0, 1, 2, 3], "heads": 2, "scale": 2}
OPTIONS: dict[str, dict[str, Any]] = {"mqt": MQT, "tokenpacker": PACKER, "prumerge": {}}


def _model(reducer: str = "", **options: Any) -> LlavaModel:
    torch.manual_seed(0)
    raw = raw_config(compressor_size=None)
    return build(parse_config(raw, "tiny", reducer, {**OPTIONS.get(reducer, {}), **options}), tiny_tower()).eval()


def _saved(folder: Path, reducer: str = "") -> Path:
    save(_model(reducer), folder)
    return folder


def _loaded(folder: Path, reducer: str, **options: Any) -> LlavaModel:
    return load(folder, config=read_config(folder, reducer, {**OPTIONS[reducer], **options}))


@torch.no_grad()
def _logits(model: LlavaModel) -> torch.Tensor:
    pixels = torch.randn(1, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    return model(questions(6), pixels).logits


@pytest.mark.parametrize("reducer", ["mqt", "tokenpacker", "prumerge"])
def test_saved_model_comes_back_the_same(tmp_path: Path, reducer: str) -> None:
    folder = _saved(tmp_path, reducer)
    assert torch.equal(_logits(_loaded(folder, reducer)), _logits(_model(reducer)))


@pytest.mark.parametrize(
    ("reducer", "keys"),
    [
        ("mqt", {"model.query_abstractor.pos_embed", "model.query_abstractor.query", "model.query_abstractor.proj",
                 "model.query_abstractor.attn.in_proj_weight", "model.query_abstractor.ln_q.weight"}),
        ("tokenpacker", {"model.mm_projector.q_proj_1.weight", "model.mm_projector.k_proj_1.0.weight",
                         "model.mm_projector.clip_attn.in_proj_bias", "model.mm_projector.mlp.2.bias"}),
    ],
)  # fmt: skip
def test_keys_are_the_published_ones(tmp_path: Path, reducer: str, keys: set[str]) -> None:
    assert keys <= load_file(_saved(tmp_path, reducer) / "model.safetensors").keys()


@pytest.mark.parametrize(
    ("given", "asked", "family"),
    [("mqt", "tokenpacker", "MQT-LLaVA"), ("tokenpacker", "mqt", "TokenPacker"), ("", "mqt", "LLaVA-1.5"),
     ("mqt", "prumerge", "MQT-LLaVA")],
)  # fmt: skip
def test_weights_of_another_family_are_named(tmp_path: Path, given: str, asked: str, family: str) -> None:
    with pytest.raises(CheckpointError, match=f"missing.*extra.*By their keys they are of {family}"):
        _loaded(_saved(tmp_path, given), asked)


def test_llava_mini_takes_no_other_reducer() -> None:
    with pytest.raises(CheckpointError, match="LLaVA-Mini checkpoint, which the reducer 'prumerge'"):
        parse_config(raw_config(), "here", "prumerge")


def test_any_number_of_tokens_from_one_checkpoint(tmp_path: Path) -> None:
    folder = _saved(tmp_path, "mqt")
    pixels = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    everything = None
    for tokens in (16, 9, 2, 1):
        model = _loaded(folder, "mqt", tokens=tokens)
        with torch.no_grad():
            encoded = model.reducer.encode(model.tower(pixels, model.reducer.request), parts=1).tokens
        everything = encoded if everything is None else everything
        assert model.reducer.token_count(16) == encoded.shape[1] == tokens
        torch.testing.assert_close(encoded, everything[:, :tokens], rtol=0, atol=1e-6)


@pytest.mark.parametrize("tokens", [0, 17])
def test_more_tokens_than_a_reducer_has_are_refused(tokens: int) -> None:
    with pytest.raises(UserError, match=f"asked for {tokens} vision tokens; this model has 1 to 16"):
        _model("mqt", tokens=tokens)


def test_tokenpacker_needs_its_scale() -> None:
    with pytest.raises(CheckpointError, match="scale_factor is 5"):
        _model("tokenpacker", scale=5)


def test_pictures_in_slices_are_refused() -> None:
    raw = raw_config(compressor_size=None, image_aspect_ratio="slice", patch_num=9)
    with pytest.raises(CheckpointError, match="HD checkpoints cut pictures into tiles, which is not done here"):
        parse_config(raw, "here", "tokenpacker", PACKER)


def test_unknown_reducer_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="prumerge"):
        _model("prumrge")


def _adapter(folder: Path, base: Path, **settings: Any) -> dict[str, torch.Tensor]:
    """A LoRA of every query projection, and another projector; returns the weights that merging must give."""
    generator = torch.Generator().manual_seed(7)
    merged = load_file(base / "model.safetensors")
    lora, whole = {}, {}
    for key, tensor in list(merged.items()):
        if key.endswith("q_proj.weight"):
            a, b = torch.randn(2, tensor.shape[1], generator=generator), torch.randn(tensor.shape[0], 2)
            stem = f"base_model.model.{key.removesuffix('.weight')}"
            lora |= {f"{stem}.lora_A.weight": a, f"{stem}.lora_B.weight": b}
            merged[key] = tensor + 4 / 2 * b @ a
        if key.startswith("model.mm_projector."):
            whole[f"base_model.model.{key}"] = merged[key] = torch.randn(tensor.shape, generator=generator)
    folder.mkdir()
    save_file(lora, folder / "adapter_model.safetensors")
    torch.save(whole, folder / "non_lora_trainables.bin")
    described = {"r": 2, "lora_alpha": 4, "base_model_name_or_path": base.name, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(described))
    shutil.copy(base / "config.json", folder)
    shutil.copytree(base / "vision_tower", folder / "vision_tower")
    return merged


def test_lora_is_merged_into_its_base(tmp_path: Path) -> None:
    base = _saved(tmp_path / "base")
    merged = _adapter(tmp_path / "lora", base)
    model = _loaded(tmp_path / "lora", "prumerge")
    got = dict(model.lm.named_parameters()) | dict(model.reducer.named_parameters(prefix="model"))
    for key, tensor in merged.items():
        own = key.replace("model.mm_projector.", "model.projector.")
        torch.testing.assert_close(got[own].detach(), tensor, rtol=1e-6, atol=1e-6)
    assert not torch.equal(_logits(model), _logits(_loaded(base, "prumerge")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"use_dora": True}, "use_dora is not supported"), ({"r": 0}, "r is 0"),
     ({"base_model_name_or_path": None}, "its base is not known")],
)  # fmt: skip
def test_adapter_that_cannot_be_merged_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    _adapter(tmp_path / "lora", _saved(tmp_path / "base"), **settings)
    with pytest.raises(CheckpointError, match=message):
        _loaded(tmp_path / "lora", "prumerge")


def test_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    base = _saved(tmp_path / "base")
    _adapter(tmp_path / "lora", base)
    weights = load_file(base / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "layers.1." not in k}, base / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"1 layers of the adapter are not in its base"):
        _loaded(tmp_path / "lora", "prumerge")


def test_tower_of_another_depth_lacks_tokenpackers_layers() -> None:
    clip = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=7
    )
    model = _model("tokenpacker")
    with pytest.raises(CheckpointError, match="hidden state"):
        build(model.config, ClipTower(CLIPVisionModel(clip)))
