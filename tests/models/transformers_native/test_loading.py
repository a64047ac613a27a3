"""Checkpoints that do not fit, each with one clear message; and what a model's card says."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import models
from harness.errors import CheckpointError, NotAvailable, UnknownName, UserError
from models import check_model, load_model, presets
from models.transformers_native import load
from models.transformers_native.families import FAMILIES
from tests.support.golden import PROJECT
from tests.support.native_tiny import PRESETS, write_native

NATIVE = [name for name, preset in presets().items() if preset.adapter == "models.transformers_native:load"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_native(tmp_path_factory.mktemp("llava"), "llava")


def _copy(folder: Path, to: Path, **config: Any) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())
    raw = json.loads((folder / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**raw, **config}))
    return to


@pytest.mark.parametrize("name", NATIVE)
def test_every_preset_names_a_family_and_takes_videos_only_where_the_family_does(name: str) -> None:
    preset = presets()[name]
    family = FAMILIES[preset.options["family"]]
    assert preset.how == models.TRANSFORMERS
    assert preset.weights
    assert ("video" in preset.modalities) == bool(family.video)


def test_weights_of_another_family_are_named_with_their_presets(folder: Path, tmp_path: Path) -> None:
    says = "this is a llava checkpoint; the preset qwen2-vl-7b wants qwen2_vl. .*--model llava-hf-1.5-7b"
    for step in (check_model, load_model):
        with pytest.raises(CheckpointError, match=says):
            step("qwen2-vl-7b", checkpoint=str(folder))
    other = _copy(folder, tmp_path / "other", model_type="bert")
    with pytest.raises(CheckpointError, match=r"this is a bert checkpoint.*No preset here reads that family"):
        check_model("llava-hf-1.5-7b", str(other))


def test_original_layout_of_llava_is_sent_to_the_built_in_preset(folder: Path, tmp_path: Path) -> None:
    original = _copy(folder, tmp_path / "original", mm_vision_tower="openai/clip-vit-large-patch14-336")
    with pytest.raises(CheckpointError, match=r"LLaVA's own layout.*--model llava-v1.5-7b"):
        check_model("llava-hf-1.5-7b", str(original))


def test_code_of_a_checkpoint_is_not_run_unless_a_preset_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    auto_map = {"AutoModelForImageTextToText": "own.LlavaForConditionalGeneration"}
    strange = _copy(folder, tmp_path / "strange", auto_map=auto_map)
    own_keys = load_model("llava-hf-1.5-7b", checkpoint=str(folder), device="cpu").model.state_dict()
    save_file(own_keys, strange / "model.safetensors", {"format": "pt"})  # no stock renaming for strange code
    ran = tmp_path / "ran"
    (strange / "own.py").write_text(
        "from pathlib import Path\n"
        "import transformers\n"
        f"Path({str(ran)!r}).touch()\n"
        "class LlavaForConditionalGeneration(transformers.LlavaForConditionalGeneration):\n"
        "    own = True\n"
    )
    with pytest.raises(CheckpointError, match=r"auto_map: AutoModelFor.*with all your rights.*trust_remote_code=true"):
        load_model("llava-hf-1.5-7b", checkpoint=str(strange), device="cpu")
    assert not ran.exists()
    preset = presets()["llava-hf-1.5-7b"]
    trusting = replace(preset, options={**preset.options, "trust_remote_code": True})
    model = load(trusting, str(strange), "cpu", None, "pyav")
    assert ran.exists()
    assert model.model.own
    assert model.card.settings["trust_remote_code"] is True
    assert "code from the checkpoint's folder was run" in model.card.notes[0]
    before = model.card.digest
    (strange / "own.py").write_text((strange / "own.py").read_text() + "# changed\n")
    assert load(trusting, str(strange), "cpu", None, "pyav").card.digest != before


def test_pickled_weights_are_read_as_tensors_only(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "pickled", "llava", safe=False)
    loaded = load_model("llava-hf-1.5-7b", checkpoint=str(folder), device="cpu")
    assert loaded.card.settings["family"] == "llava"

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return print, ("the pickle ran",)

    with (folder / "pytorch_model.bin").open("wb") as file:
        torch.save({"weight": Evil()}, file, pickle_module=pickle)
    with pytest.raises(CheckpointError, match=r"cannot be loaded as LlavaForConditionalGeneration"):
        load_model("llava-hf-1.5-7b", checkpoint=str(folder), device="cpu")


@pytest.mark.parametrize("family", ["llava", "llava_next", "llava_onevision", "video_llava"])
def test_towers_named_as_in_the_published_files_are_loaded(family: str, tmp_path: Path) -> None:
    """transformers 4 wrote `vision_tower.vision_model.`, which those on the hub have."""
    folder = write_native(tmp_path / "new", family)
    tensors = load_file(folder / "model.safetensors")
    names = {key: re.sub(r"^((vision|image|video)_tower)\.", r"\1.vision_model.", key) for key in tensors}
    assert names.keys() != set(names.values())
    old = _copy(folder, tmp_path / "old")
    save_file({names[key]: one for key, one in tensors.items()}, old / "model.safetensors", {"format": "pt"})
    new, same = (load_model(PRESETS[family], checkpoint=str(one), device="cpu").model for one in (folder, old))
    for key, one in new.state_dict().items():
        assert torch.equal(one, same.state_dict()[key]), key


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    for name, says in (
        ("model.safetensors", "holds no weights"),
        ("preprocessor_config.json", "holds no preprocessor_config.json"),
        ("config.json", "holds no config.json"),
        ("tokenizer.json", "no usable tokenizer"),
    ):
        broken = _copy(folder, tmp_path / name)
        (broken / name).unlink()
        with pytest.raises(CheckpointError, match=says):
            load_model("llava-hf-1.5-7b", checkpoint=str(broken), device="cpu")


def test_weights_that_do_not_fill_the_model_are_refused(folder: Path, tmp_path: Path) -> None:
    broken = _copy(folder, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    gone = next(key for key in tensors if "multi_modal_projector" in key)
    save_file({key: one for key, one in tensors.items() if key != gone}, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 missing .*multi_modal_projector"):
        load_model("llava-hf-1.5-7b", checkpoint=str(broken), device="cpu")


def test_settings_that_are_not_understood_are_named(folder: Path, tmp_path: Path) -> None:
    broken = _copy(folder, tmp_path / "broken")
    (broken / "preprocessor_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json: not understood"):
        load_model("llava-hf-1.5-7b", checkpoint=str(broken), device="cpu")
    preset = presets()["llava-hf-1.5-7b"]
    with pytest.raises(UnknownName, match="Did you mean 'prompt'"):
        load(replace(preset, options={"family": "llava", "promt": "x"}), str(folder), "cpu", None, "pyav")
    with pytest.raises(UnknownName, match="Did you mean 'llava'"):
        load(replace(preset, options={"family": "lava"}), str(folder), "cpu", None, "pyav")
    with pytest.raises(UserError, match="--device"):
        load(preset, str(folder), "cuda:99", None, "pyav")


def test_weights_that_are_not_there_come_with_a_command(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="there is no folder"):
        load_model("llava-hf-1.5-7b", checkpoint=str(tmp_path / "nowhere"))


def test_card_says_all_that_decides_an_answer(folder: Path, tmp_path: Path) -> None:
    card = load_model("llava-hf-1.5-7b", checkpoint=str(folder), device="cpu").card
    assert card.settings["family"] == "llava"
    assert card.settings["prompts"]["image"] == "USER: <image>\n{question} ASSISTANT:"
    assert card.settings["prompts"]["text"] == "USER: {question} ASSISTANT:"
    assert card.settings["image"]["way"] == "crop"
    assert card.settings["trust_remote_code"] is False
    assert json.loads(json.dumps(dict(card.settings)))
    assert "transformers" in card.version
    other = _copy(folder, tmp_path / "other")
    (other / "preprocessor_config.json").write_text(
        json.dumps({**json.loads((folder / "preprocessor_config.json").read_text()), "image_mean": [0.5, 0.5, 0.5]})
    )
    assert load_model("llava-hf-1.5-7b", checkpoint=str(other), device="cpu").card.digest != card.digest


def test_workers_import_neither_torch_nor_transformers() -> None:
    code = (
        "import pickle, sys; from models.transformers_native.pictures import NativePreparer, Picturing;"
        "pickle.loads(pickle.dumps(NativePreparer(Picturing('square', crop=(28, 28)))));"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'torchvision')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0
