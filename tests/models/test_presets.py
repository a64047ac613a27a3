"""Models by name: what the file of presets may say, and what a name gets."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import models
from harness.errors import CheckpointError, UnknownName, UserError
from harness.registry import Registry
from models import BUILT_IN, WAYS, Preset, load_model, preset_of, presets
from models.llava.adapter import LlavaAdapter
from models.llava.config import read_config
from models.llava.prompts import CONVERSATIONS
from tests.support.golden import PROJECT
from tests.support.llava_tiny import write_checkpoint


def test_listing_models_imports_neither_torch_nor_transformers() -> None:
    code = "import models, sys; models.presets(); sys.exit(any(m in sys.modules for m in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


@pytest.mark.parametrize("name", sorted(presets()))
def test_preset_is_complete(name: str) -> None:
    preset = presets()[name]
    assert callable(Registry("model", {name: preset.adapter}).load(name))
    assert preset.how in WAYS
    assert (preset.conversation in CONVERSATIONS) == (preset.how == BUILT_IN)
    assert preset.description
    assert set(preset.modalities) <= {"image", "video"}
    assert preset.shipped == (preset.default_data == "sample")
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.weights = "other"  # type: ignore[misc]


def test_shipped_weights_lie_in_the_package() -> None:
    for preset in presets().values():
        location = preset.weights_location()
        if preset.shipped:
            assert location is not None
            assert Path(location).is_relative_to(Path(models.__file__).parent)
        else:
            assert location == preset.weights


def test_checkpoint_option_takes_the_place_of_the_presets_weights(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    model = load_model("llava-mini", checkpoint=str(folder), device="cpu", dtype="float32")
    assert isinstance(model, LlavaAdapter)
    assert (model.card.name, model.card.source) == ("llava-mini", str(folder))


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'llava-mini-tiny'"):
        load_model("llava-mini-tyni")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("m: {adapter: a, description: d, wieghts: x}", "Did you mean 'weights'"),
        ("m: {adapter: a}", "description"),
        ("m: {description: d}", "adapter"),
        ("m: nothing", "preset m .* no mapping"),
    ],
)
def test_mistake_in_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, says: str) -> None:
    (tmp_path / "presets.yaml").write_text(content)
    monkeypatch.setattr(models, "HERE", tmp_path)
    models._built_in.cache_clear()
    try:
        with pytest.raises(UserError, match=says):
            presets()
    finally:
        models._built_in.cache_clear()


def test_installed_package_adds_a_preset_but_cannot_replace_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Preset:
            return Preset(self.name, "theirs:load", "from a package")

    monkeypatch.setattr(models, "entry_points", lambda group: [Entry("theirs"), Entry("llava-mini")])
    assert presets()["theirs"].description == "from a package"
    assert presets()["llava-mini"].adapter != "theirs:load"


def test_an_ablation_takes_a_checkpoint_that_fits_and_no_other(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    layers = read_config(folder).prefusion_layers
    name = f"llava-mini-7b-prefusion-{layers}"
    assert load_model(name, checkpoint=str(folder), device="cpu", dtype="float32").card.name == name
    with pytest.raises(CheckpointError, match=rf"prefusion_layers {layers} instead of 3\..*--model llava-mini-7b"):
        load_model("llava-mini-7b-prefusion-3", checkpoint=str(folder))


def test_ablations_have_no_weights_and_second_names_have_those_of_the_first() -> None:
    for name, preset in presets().items():
        if preset.variant_of:
            expected = None if preset.expects else presets()[preset.variant_of].weights
            assert preset.weights == expected, name


def test_options_go_over_the_presets_own_where_its_adapter_takes_them() -> None:
    assert preset_of("mqt-tiny", {"tokens": 4}).options == {"most": 16, "tokens": 4}
    model = load_model("mqt-tiny", device="cpu", options={"tokens": 4})
    assert model.card.settings["vision_tokens"] == 4
    with pytest.raises(UserError, match="this model has 1 to 16"):
        load_model("mqt-tiny", device="cpu", options={"tokens": 17})
    with pytest.raises(UnknownName, match="Did you mean 'tokens'"):
        preset_of("mqt-tiny", {"token": 4})
    with pytest.raises(UserError, match="llava-mini-tiny has none to set"):
        preset_of("llava-mini-tiny", {"tokens": 4})
