"""The public `config.json` of LLaVA-family checkpoints, read by us.

transformers takes `model_type: llava` for its own class and drops every `mm_*` field, so the file is plain JSON here.
Fields and defaults are those of the released code (LLaVA-Mini 47da113); LLaVA-1.5 has the same without compressor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import CheckpointError
from models.weights import read_json

if TYPE_CHECKING:
    from transformers import LlamaConfig

FAMILIES = ("llava_mini_llama", "llava_llama", "llava")
_LLAMA_FIELDS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "attention_bias", "mlp_bias",
    "bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings", "initializer_range", "head_dim",
)  # fmt: skip
_NEEDED = {
    "mm_vision_tower": str,
    "mm_hidden_size": int,
    "hidden_size": int,
    "intermediate_size": int,
    "num_hidden_layers": int,
    "num_attention_heads": int,
    "vocab_size": int,
}
_ALLOWED: Mapping[str, Callable[[Any], bool]] = {
    "compressor_size": lambda size: isinstance(size, int) and size > 0,
    "prefusion_layer_num": lambda layers: isinstance(layers, int) and layers >= 0,
    "resolution_ratio": lambda n: isinstance(n, int) and n > 0,
    "mm_vision_select_layer": lambda layer: isinstance(layer, int),
    "mm_vision_select_feature": lambda feature: feature in ("patch", "cls_patch"),
    "tokenizer_padding_side": lambda side: side in ("left", "right"),
    "tokenizer_model_max_length": lambda length: isinstance(length, int) and length > 0,
    "image_aspect_ratio": lambda kind: not str(kind).startswith("anyres"),
    "mm_use_im_start_end": lambda on: not on,
    "s2": lambda on: not on,
}
OWN_PROJECTION = ("mqt", "tokenpacker", "video-chatgpt")
"""Reducers that stand in the projector's place, so that mm_projector_type means nothing."""
HEADS = 8
"""Of the compressor, whatever its width."""
_PROJECTOR = re.compile(r"linear|identity|mlp\d+x_gelu")


@dataclass(frozen=True, slots=True)
class LlavaConfig:
    """What decides the shape and behaviour of a LLaVA-family model.

    `compressor_size` C: C*C compressed tokens an image; None: no compressor and no pre-fusion (LLaVA-1.5).
    `max_length`: hard cut of the language model's sequence (`tokenizer_model_max_length`): the tail, i.e. the
    question, is lost.
    `resolution_ratio` n: images are split in n x n tiles plus the whole image when n > 1. Used by preprocessing only.
    `reducer`: one of `models.llava.reducers.table.REDUCERS`, set up by `options`; "": as `compressor_size` says.
    """

    llama: Mapping[str, Any]
    vision_tower: str
    vision_width: int
    projector: str = "linear"
    select_layer: int = -2
    select_feature: Literal["patch", "cls_patch"] = "patch"
    compressor_size: int | None = None
    prefusion_layers: int = 0
    resolution_ratio: int = 1
    pad_to_square: bool = False
    padding_side: Literal["left", "right"] = "right"
    max_length: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    reducer: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vision_tokens(self) -> int | None:
        """Tokens of one image in the language model, where that is fixed by the compressor."""
        return None if self.compressor_size is None else self.compressor_size**2

    def llama_config(self) -> LlamaConfig:
        """The backbone's configuration for transformers' own Llama classes."""
        from transformers import LlamaConfig

        return LlamaConfig(**self.llama, attn_implementation="sdpa")


def parse_config(
    raw: Mapping[str, Any], where: str, reducer: str = "", options: Mapping[str, Any] = MappingProxyType({})
) -> LlavaConfig:
    """Reads a config; `where` names the file, `reducer` and `options` are the preset's.

    Raises CheckpointError for a family or setting we do not have.
    """
    reducer = reducer or ("tokenpacker" if raw.get("mm_projector_type") == "tokenpacker" else "")
    if problem := _problem(raw, reducer):
        raise CheckpointError(f"{where}: {problem}")
    size = raw.get("compressor_size")
    return LlavaConfig(
        llama={key: raw[key] for key in _LLAMA_FIELDS if raw.get(key) is not None},
        vision_tower=raw["mm_vision_tower"],
        vision_width=raw["mm_hidden_size"],
        projector=raw.get("mm_projector_type", "linear"),
        select_layer=raw.get("mm_vision_select_layer", -2),
        select_feature=raw.get("mm_vision_select_feature", "patch"),
        compressor_size=size,
        prefusion_layers=raw.get("prefusion_layer_num", 4) if size is not None else 0,
        resolution_ratio=raw.get("resolution_ratio", 1),
        pad_to_square=raw.get("image_aspect_ratio") == "pad",
        padding_side=raw.get("tokenizer_padding_side", "right"),
        max_length=raw.get("tokenizer_model_max_length"),
        raw=dict(raw),
        reducer=reducer,
        options=dict(options),
    )


def _problem(raw: Mapping[str, Any], reducer: str) -> str | None:
    """Why a config cannot be honoured, or None."""
    family = raw.get("model_type")
    if family == "llava" and "text_config" in raw:
        return "this is transformers' own LLaVA layout (llava-hf); take the original, e.g. liuhaotian/llava-v1.5-7b."
    if family not in FAMILIES:
        return f"model_type is {family!r}; this adapter reads {', '.join(FAMILIES)}. Choose the preset of that model."
    for key, kind in _NEEDED.items():
        if not isinstance(raw.get(key), kind):
            return f"'{key}' is {raw.get(key)!r}, so this is no checkpoint of a LLaVA-family model."
    projector = raw.get("mm_projector_type", "linear")
    if reducer and raw.get("compressor_size") is not None:
        return f"this is a LLaVA-Mini checkpoint, which the reducer '{reducer}' cannot be put on."
    if reducer in OWN_PROJECTION:
        projector = "linear"
    if not _PROJECTOR.fullmatch(projector):
        return f"mm_projector_type {projector!r} is unknown (linear, identity, mlp2x_gelu, ..)."
    if projector == "identity" and raw["mm_hidden_size"] != raw["hidden_size"]:
        return "mm_projector_type 'identity' needs equal mm_hidden_size and hidden_size."
    if raw.get("image_aspect_ratio") == "slice":
        return (
            "image_aspect_ratio is 'slice': TokenPacker's HD checkpoints cut pictures into tiles, which is not done "
            "here. Take one without, e.g. sunshine-lwt/TokenPacker-7b-144token."
        )
    size = raw.get("compressor_size")
    if family == "llava_mini_llama" and size is None:
        return "compressor_size is missing, without which LLaVA-Mini cannot see."
    if size is not None and raw.get("mm_vision_select_feature") == "cls_patch":
        return "the compressor needs a square of patches, so mm_vision_select_feature must be 'patch'."
    if size is not None and raw["mm_hidden_size"] % HEADS:
        return f"mm_hidden_size {raw['mm_hidden_size']} cannot be divided among the compressor's {HEADS} heads."
    for key, allowed in _ALLOWED.items():
        if key == "mm_use_im_start_end" and reducer == "video-chatgpt":
            continue  # of its base; its own prompt has marks of another name
        if raw.get(key) is not None and not allowed(raw[key]):
            return f"{key} = {raw[key]!r} is not supported here; it may belong to another model family."
    return None


def read_config(folder: Path, reducer: str = "", options: Mapping[str, Any] = MappingProxyType({})) -> LlavaConfig:
    """`folder/config.json`, as a preset's reducer has it. Raises UserError (unreadable), CheckpointError (not ours)."""
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder}: holds no config.json, so it is no checkpoint folder.")
    return parse_config(read_json(path), str(path), reducer, options)
