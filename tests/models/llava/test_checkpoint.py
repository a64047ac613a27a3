"""Checkpoints load as the public layout has them, come back as they were saved, and say what does not fit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPVisionModel

from harness.errors import CheckpointError, NotAvailable
from models.llava.checkpoint import load, load_tower, save
from models.llava.model import LlavaModel
from models.llava.processor import Processor, write_processor
from models.llava.tower import FeatureRequest
from tests.support.golden import golden_path
from tests.support.llava_golden import case, case_names
from tests.support.llava_tiny import SIDE, questions, tiny_model, tiny_tower

VARIANTS = [{}, {"compressor_size": 2, "tie_word_embeddings": True}, {"compressor_size": None}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tiny_model(), tmp_path / "model")
    return tmp_path / "model"


def _weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def _logits(model: LlavaModel) -> Tensor:
    pixels = torch.randn(1, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return model(questions(6), pixels).logits


@pytest.mark.parametrize("changes", VARIANTS)
def test_saved_model_comes_back_the_same(tmp_path: Path, changes: dict[str, int]) -> None:
    model = tiny_model(**changes)
    save(model, tmp_path)
    assert torch.equal(_logits(load(tmp_path)), _logits(model))
    assert load(tmp_path).config.raw == model.config.raw
    assert load(tmp_path).tower.processor == model.tower.processor


def test_model_can_be_saved_over_the_folder_it_was_loaded_from(folder: Path) -> None:
    before = _logits(load(folder))
    save(load(folder), folder)
    assert torch.equal(_logits(load(folder)), before)


def test_half_precision_file_halves_and_loads_in_any_precision(folder: Path, tmp_path: Path) -> None:
    save(load(folder), tmp_path / "half", torch.float16)
    sizes = [sum(file.stat().st_size for file in path.rglob("*.safetensors")) for path in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        model = load(tmp_path / "half", dtype, tower_dtype=torch.float32)
        assert {parameter.dtype for parameter in model.lm.parameters()} == {dtype}
        assert {parameter.dtype for parameter in model.reducer.parameters()} == {dtype}
        assert {parameter.dtype for parameter in model.tower.parameters()} == {torch.float32}
        assert model.lm.model.rotary_emb.inv_freq.dtype is torch.float32


@pytest.mark.golden
def test_public_keys_are_the_released_ones(tmp_path: Path) -> None:
    for checkpoint in {case(name).meta["checkpoint"] for name in case_names("logits")}:
        shapes = json.loads(golden_path("llava_mini", checkpoint, "state_dict_shapes.json").read_text())
        save(load(golden_path("llava_mini", checkpoint)), tmp_path / checkpoint)
        saved = {key: list(tensor.shape) for key, tensor in _weights(tmp_path / checkpoint).items()}
        assert saved == {key: shape for key, shape in shapes.items() if "vision_tower" not in key}


def test_sharded_checkpoint_loads_as_the_whole(folder: Path) -> None:
    expected, tensors = _logits(load(folder)), _weights(folder)
    (folder / "model.safetensors").unlink()
    keys = sorted(tensors)
    shards = {f"model-0000{index + 1}-of-00003.safetensors": keys[index::3] for index in range(3)}
    for name, held in shards.items():
        save_file({key: tensors[key] for key in held}, folder / name)
    index = {"weight_map": {key: name for name, held in shards.items() for key in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(_logits(load(folder)), expected)
    (folder / next(iter(shards))).unlink()
    with pytest.raises(CheckpointError, match=r"1 of 3 weight files are missing: model-00001"):
        load(folder)


def test_original_llava_files_load(tmp_path: Path) -> None:
    """LLaVA-1.5 as published: pickled shards with an index, model_type llava, rotary tables and tower copies inside."""
    model = tiny_model(compressor_size=None)
    save(model, tmp_path)
    tensors = _weights(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    tensors["model.vision_tower.vision_tower.vision_model.embeddings.class_embedding"] = torch.ones(16)
    keys = sorted(tensors)
    for index in range(2):
        torch.save(
            {key: tensors[key] for key in keys[index::2]}, tmp_path / f"pytorch_model-0000{index + 1}-of-00002.bin"
        )
    weight_map = {key: f"pytorch_model-0000{place % 2 + 1}-of-00002.bin" for place, key in enumerate(keys)}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    config = {**model.config.raw, "model_type": "llava", "image_aspect_ratio": "pad"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = load(tmp_path)
    assert torch.equal(_logits(loaded), _logits(model))
    assert loaded.config.pad_to_square


def test_pickle_that_holds_more_than_tensors_is_not_run(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"model.norm.weight": torch.ones(32), "more": Path("x")}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        load(folder)


def test_tower_beside_the_checkpoint_is_found(folder: Path) -> None:
    expected = _logits(load(folder))
    shutil.move(folder / "vision_tower", folder.parent / "vision_tower")
    assert torch.equal(_logits(load(folder)), expected)


def test_missing_and_extra_keys_are_listed(folder: Path) -> None:
    tensors = _weights(folder)
    gone = [key for key in tensors if ".layers.1." in key and "lm" not in key and "prefusion" not in key]
    kept = {key: tensor for key, tensor in tensors.items() if key not in gone}
    save_file({**kept, "model.resampler.query": torch.ones(2)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    message = str(caught.value)
    assert f"{len(gone)} missing ({sorted(gone)[0]}" in message
    assert "1 extra (model.resampler.query)" in message
    assert str(folder) in message
    assert "Take config.json and the weights from the same checkpoint" in message


def test_weights_of_another_shape_are_listed(folder: Path) -> None:
    save_file({**_weights(folder), "model.norm.weight": torch.ones(31)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=re.escape("1 of another shape (model.norm.weight [31] for [32])")):
        load(folder)


def test_cut_off_download_is_named(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load(folder)


@pytest.mark.parametrize("half", ["whole CLIP", "tower alone"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_tower_loads_from_every_layout_it_is_published_in(tmp_path: Path, half: str, form: str) -> None:
    """CLIP's own repository holds the text model too, and for 336 pixels only a pickle of tensors."""
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        vision_config=tiny_tower().clip.config.to_dict(),
        projection_dim=16,
    )
    clip = CLIPModel(config).eval()
    part = clip if half == "whole CLIP" else clip.vision_model
    part.save_pretrained(tmp_path)
    write_processor(Processor(SIDE, SIDE), tmp_path)
    if form == "bin":
        tensors = load_file(tmp_path / "model.safetensors")
        position_ids = {"vision_model.embeddings.position_ids": torch.arange(17)[None]}
        torch.save({**tensors, **position_ids}, tmp_path / "pytorch_model.bin")
        (tmp_path / "model.safetensors").unlink()
    pixels = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = clip.vision_model(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    got = load_tower(tmp_path, torch.float32)(pixels, FeatureRequest((-2,))).only()
    assert torch.equal(got, expected)


def test_saved_tower_is_one_that_transformers_reads(folder: Path) -> None:
    native = CLIPVisionModel.from_pretrained(folder / "vision_tower").state_dict()
    ours = load(folder).tower.clip.state_dict()
    assert native.keys() == ours.keys()
    assert all(torch.equal(native[key], ours[key]) for key in ours)


def test_tower_without_all_its_weights_is_refused(folder: Path) -> None:
    path = folder / "vision_tower" / "model.safetensors"
    tensors = load_file(path)
    save_file({key: tensor for key, tensor in tensors.items() if "layers.0.mlp" not in key}, path)
    with pytest.raises(CheckpointError, match=r"vision_tower: .* 4 missing"):
        load(folder)


def test_tower_and_its_preprocessing_must_agree_on_the_size(folder: Path) -> None:
    path = folder / "vision_tower" / "preprocessor_config.json"
    raw = json.loads(path.read_text())
    raw["size"]["shortest_edge"] = raw["crop_size"]["height"] = SIDE * 2
    path.write_text(json.dumps(raw))
    with pytest.raises(CheckpointError, match=f"{SIDE * 2} pixels"):
        load(folder)


def test_unreachable_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotAvailable) as caught:
        load("no-such-owner/no-such-model")
    for words in (
        "hf download no-such-owner/no-such-model",
        "--checkpoint DIR",
        "run-eval --model llava-mini-tiny --tasks gqa,mlvu --data sample",
    ):
        assert words in str(caught.value)


def test_unreachable_tower_says_where_to_put_it(folder: Path) -> None:
    shutil.rmtree(folder / "vision_tower")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "mm_vision_tower": "no-such-owner/no-such-tower"}))
    with pytest.raises(NotAvailable, match=re.escape(str(folder / "no-such-owner" / "no-such-tower"))):
        load(folder)


@pytest.mark.parametrize("place", ["/no/such/folder", "./no-such-folder"])
def test_absent_folder_is_named(place: str) -> None:
    with pytest.raises(NotAvailable, match=re.escape(place)):
        load(place)
