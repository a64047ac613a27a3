"""Shapes of models without their weights: presets, the paper's ablations, and any of them with changes.

Published shapes are data (`models/shapes.yaml`); presets whose weights lie in the package are read from there. Nothing
here imports torch or transformers before `Shape.vision` is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.data.sources import load_json
from harness.errors import UnknownName, UserError
from harness.profiler.reducers import OWN_PROJECTION, why_uncounted
from models import Preset, presets
from models.llava.config import LlavaConfig, parse_config

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

COMPRESSIONS = ("query", "average-pooling", "none")
MQT_TOKENS = 256
TOWER = "openai/clip-vit-large-patch14-336"
_COMMON = {
    "mm_vision_tower": TOWER,
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
}
"""What all published models of the family share."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides a model's cost.

    `tower`: fields of CLIP's config. `compression`: "query" (attention, as released), "average-pooling" (Table 8;
    counted, but there is no such checkpoint), "none" (LLaVA-1.5), or the reducer that a baseline has instead.
    `overrides`: what was changed, for reports.
    """

    name: str
    config: LlavaConfig
    tower: Mapping[str, Any]
    compression: str
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def vision(self) -> CLIPVisionConfig:
        """CLIP's configuration. Imports transformers."""
        from transformers import CLIPVisionConfig

        return CLIPVisionConfig(**{name: value for name, value in self.tower.items() if name != "model_type"})

    @property
    def grid(self) -> int:
        """Patches along one side of the tower's picture."""
        return int(self.tower["image_size"] // self.tower["patch_size"])

    @property
    def crops(self) -> int:
        """Pictures through the tower for one image: r * r tiles and the whole image, or the image alone."""
        ratio = self.config.resolution_ratio
        return ratio**2 + 1 if ratio > 1 else 1

    @property
    def resolution(self) -> int:
        """Pixels along one side."""
        return int(self.tower["image_size"]) * self.config.resolution_ratio

    @property
    def patches(self) -> int:
        """Tower tokens of one image, all crops: V."""
        return self.crops * (self.grid**2 + (self.config.select_feature == "cls_patch"))

    @property
    def compressed_patches(self) -> int:
        """What the compressor looks at: the tiles' map, without the whole image where there are tiles: K."""
        return (self.config.resolution_ratio * self.grid) ** 2

    @property
    def vision_tokens(self) -> int:
        """Tokens of one image in the language model: C."""
        options = self.config.options
        if self.compression == "mqt":
            return int(options.get("tokens", options.get("most", MQT_TOKENS)))
        if self.compression == "tokenpacker":
            return int(self.patches // options.get("scale", self.config.raw.get("scale_factor")) ** 2)
        return self.config.vision_tokens or self.patches

    @property
    def prefusion_layers(self) -> int:
        return self.config.prefusion_layers


def shape_names() -> tuple[str, ...]:
    """Every name `shape_of` takes: presets that ship or are published, then the paper's ablations."""
    shapes = _published()
    closed = ("", *OWN_PROJECTION)
    shipped = [name for name, preset in presets().items() if preset.shipped and preset.reducer in closed]
    return (*shapes["models"], *shipped, *shapes["variants"])


def paper_rows() -> Mapping[str, str]:
    """Row of the paper's Tables 1, 6, 7, 8, 13, 14 and Figure 1 -> name of its shape."""
    shapes = _published()
    found = {**shapes["models"], **shapes["variants"]}
    return {row: name for name, entry in found.items() for row in entry.get("rows", ())}


def shape_of(preset: str, overrides: Mapping[str, str] = MappingProxyType({})) -> Shape:
    """The shape of a preset or ablation, changed by `overrides`; no weights are read.

    Keys: prefusion_layers, vision_tokens (a square number), compression, resolution, text or number alike.
    Raises UnknownName (preset, key, compression), UserError for a value that cannot be.
    """
    shapes = _published()
    if preset in shapes["variants"]:
        variant = shapes["variants"][preset]
        shape = shape_of(variant["of"], {**variant.get("set", {}), **overrides})
        return Shape(preset, shape.config, shape.tower, shape.compression, _texts(overrides))
    known = presets().get(preset)
    if known and known.reducer and known.reducer not in OWN_PROJECTION:
        raise UserError(
            f"the cost of {preset} has no closed form here: {why_uncounted(known.reducer)}. "
            "A run's responses hold their number."
        )
    if preset in shapes["models"]:
        raw, tower = _published_config(shapes, preset)
    elif known is None:
        raise UnknownName("model", preset, shape_names())
    elif (folder := known.weights_location()) and Path(folder).is_dir():
        raw = _read(Path(folder, "config.json"))
        tower = _read(Path(folder, raw["mm_vision_tower"], "config.json"))
    else:
        raise UserError(f"the shape of '{preset}' is not known here. Known: {', '.join(sorted(shape_names()))}.")
    if known and known.reducer:
        return _with_reducer(known, raw, tower, overrides)
    return _changed(preset, raw, tower, _texts(overrides))


def _with_reducer(
    preset: Preset, raw: Mapping[str, Any], tower: Mapping[str, Any], overrides: Mapping[str, str]
) -> Shape:
    """A baseline, whose reducer is what its preset says. Raises UserError for any change."""
    if overrides:
        raise UserError(f"{preset.name} has one shape; start from llava-mini-7b to change {', '.join(overrides)}.")
    config = parse_config(raw, f"shape {preset.name}", preset.reducer, preset.options)
    return Shape(preset.name, config, MappingProxyType(dict(tower)), preset.reducer)


def _changed(name: str, raw: Mapping[str, Any], tower: Mapping[str, Any], overrides: Mapping[str, str]) -> Shape:
    changes: dict[str, Callable[[dict[str, Any], str], None]] = {
        "prefusion_layers": lambda raw, text: raw.update(prefusion_layer_num=_count("prefusion_layers", text, 0)),
        "vision_tokens": lambda raw, text: raw.update(compressor_size=_side(text)),
        "resolution": lambda raw, text: raw.update(resolution_ratio=_ratio(text, tower["image_size"])),
        "compression": lambda raw, text: None,
    }
    for key in overrides:
        if key not in changes:
            raise UnknownName("shape setting", key, changes)
    raw = dict(raw)
    own = "query" if raw.get("compressor_size") else "none"
    compression = overrides.get("compression", own)
    if compression not in COMPRESSIONS:
        raise UnknownName("compression", compression, COMPRESSIONS)
    if compression == "none":
        if wrong := {"prefusion_layers", "vision_tokens"} & set(overrides):
            raise UserError(
                f"{name} without compression has all patches as vision tokens and no pre-fusion, so {wrong.pop()} "
                "cannot be set. Start from a LLaVA-Mini shape such as llava-mini-7b."
            )
        raw = {key: value for key, value in raw.items() if key not in ("compressor_size", "prefusion_layer_num")}
        raw["model_type"] = "llava_llama"
    elif own == "none":
        raise UserError(f"{name} has no compressor to change. Start from a LLaVA-Mini shape such as llava-mini-7b.")
    for key, text in overrides.items():
        changes[key](raw, text)
    return Shape(name, parse_config(raw, f"shape {name}"), MappingProxyType(dict(tower)), compression, overrides)


def _published_config(shapes: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    entry = shapes["models"][name]
    tower = shapes["towers"][TOWER]
    raw = {**_COMMON, "mm_hidden_size": tower["hidden_size"], **shapes["backbones"][entry["backbone"]]}
    return {**raw, **entry["config"]}, tower


def _count(key: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{key}={text}: give a whole number of at least {least}.")
    return int(text)


def _side(text: str) -> int:
    count = _count("vision_tokens", text, 1)
    side = math.isqrt(count)
    if side * side != count:
        raise UserError(
            f"vision_tokens={text}: the compressor makes a square of tokens; the nearest are {side**2} and "
            f"{(side + 1) ** 2}."
        )
    return side


def _ratio(text: str, picture: int) -> int:
    pixels = _count("resolution", text, picture)
    if pixels % picture:
        raise UserError(f"resolution={text}: give a multiple of the tower's {picture} pixels, e.g. {2 * picture}.")
    return pixels // picture


def _texts(overrides: Mapping[str, object]) -> Mapping[str, str]:
    return MappingProxyType({key: str(value) for key, value in overrides.items()})


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} is missing, so the model's shape is not known.")
    content: dict[str, Any] = load_json(path)
    return content


@lru_cache
def _published() -> Mapping[str, Any]:
    import yaml

    text = files("models").joinpath("shapes.yaml").read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content
