"""What a config may say, and what is refused rather than half obeyed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import CheckpointError, UserError
from models.llava.config import parse_config, read_config
from tests.support.llava_tiny import raw_config


def test_absent_fields_mean_what_they_mean_in_the_released_code() -> None:
    raw = raw_config()
    del raw["prefusion_layer_num"], raw["mm_projector_type"]
    config = parse_config(raw, "config.json")
    assert (config.prefusion_layers, config.projector, config.resolution_ratio) == (4, "linear", 1)
    assert (config.max_length, config.padding_side, config.select_feature) == (None, "right", "patch")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "llava_next"}, "llava_next"),
        ({"model_type": "llava", "text_config": {}}, "llava-hf"),
        ({"mm_vision_tower": None}, "mm_vision_tower"),
        ({"mm_projector_type": "mlp2x_relu"}, "mlp2x_relu"),
        ({"mm_projector_type": "identity"}, "identity"),
        ({"image_aspect_ratio": "anyres_max_9"}, "anyres_max_9"),
        ({"mm_vision_select_feature": "cls"}, "'cls'"),
        ({"mm_vision_select_feature": "cls_patch"}, "square of patches"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end"),
        ({"s2": True}, "s2"),
        ({"mm_hidden_size": 20}, "8 heads"),
        ({"compressor_size": 0}, "compressor_size"),
        ({"compressor_size": None}, "compressor_size"),
        ({"resolution_ratio": 0}, "resolution_ratio"),
        ({"tokenizer_padding_side": "both"}, "both"),
        ({"hidden_size": "large"}, "hidden_size"),
    ],
)
def test_setting_that_cannot_be_honoured_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        parse_config({**raw_config(), **changes}, "here/config.json")
    assert says in str(caught.value)
    assert "here/config.json" in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", '"llava"'])
def test_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        read_config(tmp_path)


def test_folder_without_config_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        read_config(tmp_path)
