from __future__ import annotations

import pytest
import torch

from harness.errors import UnknownName, UserError
from harness.profiler.shapes import paper_rows, shape_names, shape_of
from models import presets


def test_every_name_has_a_shape() -> None:
    for name in shape_names():
        assert shape_of(name).name == name


def test_every_built_in_preset_of_the_family_has_a_shape() -> None:
    family = [name for name, one in presets().items() if one.adapter.startswith("models.llava.") and not one.reducer]
    assert set(family) <= set(shape_names())


def test_overrides_and_ablations_are_the_same_shape() -> None:
    for layers in (1, 2, 3):
        by_name = shape_of(f"llava-mini-7b-prefusion-{layers}")
        by_override = shape_of("llava-mini-7b", {"prefusion_layers": str(layers)})
        assert by_name.config == by_override.config
        assert by_name.prefusion_layers == layers


def test_high_resolution_shows_four_tiles_and_the_whole() -> None:
    shape = shape_of("llava-mini-hd")
    assert (shape.resolution, shape.crops, shape.patches, shape.compressed_patches) == (672, 5, 2880, 2304)
    assert shape.vision_tokens == 64


def test_without_compression_all_patches_are_vision_tokens() -> None:
    shape = shape_of("llava-mini-7b", {"compression": "none"})
    assert (shape.vision_tokens, shape.prefusion_layers) == (576, 0)
    assert shape.config.llama == shape_of("llava-v1.5-7b").config.llama


def test_shapes_of_shipped_models_are_those_of_their_checkpoints() -> None:
    shape = shape_of("llava-mini-tiny", {"vision_tokens": "4"})
    assert (shape.grid, shape.vision_tokens, shape.prefusion_layers) == (6, 4, 2)
    assert shape.vision.num_hidden_layers == shape.tower["num_hidden_layers"]


def test_each_row_of_the_papers_cost_tables_has_its_shape() -> None:
    rows = paper_rows()
    for table in ("Table 1:", "Table 7:", "Table 8:", "Table 13:", "Table 14:"):
        assert any(row.startswith(table) for row in rows), table
    layers = [shape_of(rows[f"Table 7: LLaVA-Mini, {n} pre-fusion layer{'s' * (n > 1)}"]) for n in (1, 2, 3, 4)]
    assert [shape.prefusion_layers for shape in layers] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"vision_tokens": "5"}, "4 and 9"),
        ({"vision_tokens": "many"}, "whole number"),
        ({"prefusion_layers": "-1"}, "whole number"),
        ({"resolution": "500"}, "multiple of the tower's 336"),
        ({"compression": "none", "vision_tokens": "4"}, "cannot be set"),
    ],
)
def test_impossible_values_say_what_is_possible(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        shape_of("llava-mini-7b", overrides)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [("mqt-7b-2", 2), ("mqt-7b-36", 36), ("mqt-7b-256", 256), ("mqt-tiny", 16), ("tokenpacker-7b-144", 144)],
)
def test_tokens_of_baselines_are_those_of_their_reducers(name: str, tokens: int) -> None:
    from models.llava.reducers.table import build_reducer

    shape = shape_of(name)
    with torch.device("meta"):
        reducer = build_reducer(shape.config)
    assert shape.vision_tokens == reducer.token_count(shape.patches) == tokens
    with pytest.raises(UserError, match="has one shape"):
        shape_of(name, {"vision_tokens": "4"})


def test_where_the_picture_decides_no_cost_is_made_up() -> None:
    for name in ("prumerge-7b", "prumerge-tiny"):
        assert name not in shape_names()
        with pytest.raises(UserError, match="reducer prumerge decides"):
            shape_of(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("video-chatgpt-7b", "a video of any length has 356 tokens"),
        ("llama-vid-7b-video", "every question has its own tokens"),
        ("voco-llama-7b", "text sees its 1 or 2 VoCo tokens alone"),
    ],
)
def test_what_is_not_so_many_tokens_a_picture_is_said(name: str, why: str) -> None:
    with pytest.raises(UserError, match=f"{why}.* A run's responses hold their number"):
        shape_of(name)


def test_a_baseline_has_no_compressor_to_change() -> None:
    for overrides in ({"prefusion_layers": "2"}, {"compression": "query"}):
        with pytest.raises(UserError, match="Start from a LLaVA-Mini shape"):
            shape_of("llava-v1.5-7b", overrides)


@pytest.mark.parametrize(
    ("name", "overrides", "near"),
    [
        ("llava-mini-7", {}, "llava-mini-7b"),
        ("llava-mini-7b", {"prefusion_layer": "2"}, "prefusion_layers"),
        ("llava-mini-7b", {"compression": "average_pooling"}, "average-pooling"),
    ],
)
def test_unknown_names_name_the_nearest(name: str, overrides: dict[str, str], near: str) -> None:
    with pytest.raises(UnknownName) as caught:
        shape_of(name, overrides)
    assert caught.value.nearest == near
