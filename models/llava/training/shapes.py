"""The tiny models: one shape, and what sets them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.llava.config import LlavaConfig, parse_config

TINY_MODELS = ("llava-mini-tiny", "llava-v1.5-tiny", "llava-mini-tiny-noprefusion", "mqt-tiny")
TINY_REDUCERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {"mqt-tiny": ("mqt", {"most": 16})}
"""Reducer and options where config.json does not tell; those of the model's preset."""

_SHARED: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "mm_vision_tower": "vision_tower",
    "mm_hidden_size": 128,
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -1,
    "mm_vision_select_feature": "patch",
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "image_aspect_ratio": "square",
    "tokenizer_padding_side": "right",
}


def tiny_config(name: str, vocabulary: int) -> dict[str, Any]:
    """The public `config.json` of a tiny model. Raises ValueError for any other name."""
    shared = {**_SHARED, "vocab_size": vocabulary}
    mini = {"model_type": "llava_mini_llama", "architectures": ["LlavaMiniLlamaForCausalLM"], "compressor_size": 1}
    match name:
        case "llava-mini-tiny":
            return {**shared, **mini, "prefusion_layer_num": 2, "resolution_ratio": 1}
        case "llava-mini-tiny-noprefusion":
            return {**shared, **mini, "prefusion_layer_num": 0, "resolution_ratio": 1}
        case "llava-v1.5-tiny" | "mqt-tiny":
            return {**shared, "model_type": "llava_llama", "architectures": ["LlavaLlamaForCausalLM"]}
    raise ValueError(f"no tiny model is named {name!r}: choose one of {', '.join(TINY_MODELS)}")


def parsed_tiny(name: str, vocabulary: int) -> LlavaConfig:
    """The configuration with the reducer that the model's preset has."""
    return parse_config(tiny_config(name, vocabulary), name, *TINY_REDUCERS.get(name, ()))
