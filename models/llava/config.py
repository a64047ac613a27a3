"""The public `config.json` of LLaVA-family checkpoints, read by us.

transformers takes `model_type: llava` for its own class and drops every `mm_*` field, so the file is plain JSON here.
Fields and defaults are those of the released code (LLaVA-Mini 47da113); LLaVA-1.5 has the same without compressor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import LlamaConfig

FAMILIES = ("llava_mini_llama", "llava_llama", "llava")
_LLAMA_FIELDS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "attention_bias", "mlp_bias",
    "bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings", "initializer_range", "head_dim",
)  # fmt: skip
_PROJECTOR = re.compile(r"linear|identity|mlp\d+x_gelu")


@dataclass(frozen=True, slots=True)
class LlavaConfig:
    """What decides the shape and behaviour of a LLaVA-family model.

    `compressor_size` C: C*C compressed tokens an image; None: no compressor and no pre-fusion (LLaVA-1.5).
    `max_length`: hard cut of the language model's sequence (`tokenizer_model_max_length`): the tail, i.e. the
    question, is lost.
    `resolution_ratio` n: images are split in n x n tiles plus the whole image when n > 1. Used by preprocessing only.
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

    @property
    def vision_tokens(self) -> int | None:
        """Tokens of one image in the language model, where that is fixed by the compressor."""
        return None if self.compressor_size is None else self.compressor_size**2

    def llama_config(self) -> LlamaConfig:
        """The backbone's configuration for transformers' own Llama classes."""
        from transformers import LlamaConfig

        return LlamaConfig(**self.llama, attn_implementation="sdpa")


def parse_config(raw: Mapping[str, Any], where: str) -> LlavaConfig:
    """Reads a config; `where` names the file. Raises CheckpointError for a family or setting we do not have."""
    family = raw.get("model_type")
    if family not in FAMILIES:
        raise CheckpointError(
            f"{where}: model_type is {family!r}; this adapter reads {', '.join(FAMILIES)}. "
            "Choose the preset of that model."
        )
    for key in ("mm_vision_tower", "mm_hidden_size", "hidden_size", "num_hidden_layers", "vocab_size"):
        if raw.get(key) is None:
            raise CheckpointError(f"{where}: '{key}' is missing, so this is no checkpoint of a LLaVA-family model.")
    projector = raw.get("mm_projector_type", "linear")
    if not _PROJECTOR.fullmatch(projector):
        raise CheckpointError(
            f"{where}: mm_projector_type {projector!r} is unknown (linear, identity, mlp2x_gelu, ..)."
        )
    for key, wrong in (("image_aspect_ratio", "anyres"), ("s2", True), ("mm_use_im_start_end", True)):
        if raw.get(key, False) == wrong:
            raise CheckpointError(
                f"{where}: {key} = {wrong!r} belongs to another model family and is not supported here."
            )
    size = raw.get("compressor_size")
    return LlavaConfig(
        llama={key: raw[key] for key in _LLAMA_FIELDS if raw.get(key) is not None},
        vision_tower=raw["mm_vision_tower"],
        vision_width=raw["mm_hidden_size"],
        projector=projector,
        select_layer=raw.get("mm_vision_select_layer", -2),
        select_feature=raw.get("mm_vision_select_feature", "patch"),
        compressor_size=size,
        prefusion_layers=raw.get("prefusion_layer_num", 4) if size is not None else 0,
        resolution_ratio=raw.get("resolution_ratio", 1),
        pad_to_square=raw.get("image_aspect_ratio") == "pad",
        padding_side=raw.get("tokenizer_padding_side", "right"),
        max_length=raw.get("tokenizer_model_max_length"),
        raw=dict(raw),
    )


def read_config(folder: Path) -> LlavaConfig:
    """`folder/config.json`. Raises CheckpointError."""
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: holds no config.json, so it is no checkpoint folder.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: is not valid JSON ({error}). Download the checkpoint again.") from error
    return parse_config(raw, str(path))
