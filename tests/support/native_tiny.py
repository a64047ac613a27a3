"""Checkpoints of transformers' own classes, small enough for any test: random weights in the hub's layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRESETS = {
    "llava": "llava-hf-1.5-7b",
    "llava_next": "llava-next-mistral-7b",
    "llava_onevision": "llava-onevision-7b",
    "video_llava": "video-llava-7b",
    "qwen2_vl": "qwen2-vl-7b",
    "qwen2_5_vl": "qwen2.5-vl-7b",
    "blip-2": "blip2-opt-6.7b",
    "blip-2 t5": "blip2-flan-t5-xl",
    "instructblip": "instructblip-vicuna-7b",
    "instructblip t5": "instructblip-vicuna-7b",
    "idefics": "idefics-9b-instruct",
}
"""What runs each case: a family, and the language model where a BLIP has another than usual."""
VIDEOS = tuple(case for case in PRESETS if case.startswith(("llava_onevision", "video_llava", "qwen")))
SIDE, PATCH = 28, 14
GRIDS = [[28, 56], [56, 28], [56, 56]]
WORDS = (
    "what", "which", "color", "shape", "is", "the", "it", "red", "blue", "circle", "square", "?", ".", "a", "and",
    "USER", "ASSISTANT", ":", "Question", "Answer", "user", "assistant", "system", "yes", "no", "one", "two",
)  # fmt: skip
SPECIAL = (
    "<pad>", "<s>", "</s>", "<unk>", "<image>", "<video>", "<|im_start|>", "<|im_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<fake_token_around_image>", "<end_of_utterance>",
)  # fmt: skip
VOCABULARY = (*SPECIAL, *WORDS)
IMAGE, VIDEO = SPECIAL.index("<image>"), SPECIAL.index("<video>")
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

_TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": PATCH,
}
_TEXT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    **ENDS,
}
_QFORMER = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "encoder_hidden_size": 16,
    "pad_token_id": 0,
}
_LLAMA = {"model_type": "llama", **_TEXT}
_TEXTS: Mapping[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "opt": {
        "model_type": "opt",
        **{key: _TEXT[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")},
        "ffn_dim": 48,
        "word_embed_proj_dim": 32,
        "max_position_embeddings": 512,
        **ENDS,
    },
    "t5": {
        "model_type": "t5",
        "vocab_size": len(VOCABULARY),
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 0,
    },
}
_QWEN_IDS = {f"{kind}_token_id": SPECIAL.index(f"<|{kind}_pad|>") for kind in ("image", "video")} | {
    f"vision_{end}_token_id": SPECIAL.index(f"<|vision_{end}|>") for end in ("start", "end")
}
_QWEN_TOWER = {"depth": 2, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
_QWEN_TEXT = {**_TEXT, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}
_NEWER_TOWER = {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32, "window_size": 16}

CONFIGS: Mapping[str, dict[str, Any]] = {
    "llava": {"vision_config": {"model_type": "clip_vision_model", **_TOWER}, "text_config": _LLAMA},
    "llava_next": {
        "vision_config": {"model_type": "clip_vision_model", **_TOWER},
        "text_config": _LLAMA,
        "image_grid_pinpoints": GRIDS,
    },
    "llava_onevision": {
        "vision_config": {"model_type": "siglip_vision_model", **_TOWER},
        "text_config": {"model_type": "qwen2", **_TEXT},
        "image_grid_pinpoints": GRIDS,
        "vision_aspect_ratio": "anyres_max_9",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
    },
    "video_llava": {"vision_config": {"model_type": "clip_vision_model", **_TOWER}, "text_config": _LLAMA},
    "qwen2_vl": {
        "vision_config": {**_QWEN_TOWER, "embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2},
        "text_config": _QWEN_TEXT,
    },
    "qwen2_5_vl": {
        "vision_config": {**_QWEN_TOWER, **_NEWER_TOWER, "fullatt_block_indexes": [1], "tokens_per_second": 2},
        "text_config": _QWEN_TEXT,
    },
    "blip-2": {"vision_config": _TOWER, "qformer_config": _QFORMER, "text_config": _TEXTS["opt"]},
    "instructblip": {"vision_config": _TOWER, "qformer_config": _QFORMER, "text_config": _LLAMA},
    "idefics": {
        **{key: value for key, value in _TEXT.items() if key != "num_key_value_heads"},
        "vocab_size": len(VOCABULARY) - 2,
        "additional_vocab_size": 2,
        "cross_layer_interval": 1,
        "alpha_initializer": "ones",
        "use_resampler": True,
        "vision_config": {"embed_dim": 16, **{key: value for key, value in _TOWER.items() if key != "hidden_size"}},
        "perceiver_config": {
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
            "resampler_n_latents": 4,
        },
    },
}
PICTURES: Mapping[str, dict[str, Any]] = {
    "llava": {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}},
    "llava_next": {
        "size": {"shortest_edge": SIDE},
        "crop_size": {"height": SIDE, "width": SIDE},
        "image_grid_pinpoints": GRIDS,
    },
    "llava_onevision": {"size": {"height": SIDE, "width": SIDE}, "image_grid_pinpoints": GRIDS},
    "video_llava": {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}},
    "qwen2_vl": {"min_pixels": 64, "max_pixels": 1024},
    "qwen2_5_vl": {"min_pixels": 64, "max_pixels": 1024},
    "blip-2": {"size": {"height": SIDE, "width": SIDE}},
    "instructblip": {"size": {"height": SIDE, "width": SIDE}},
    "idefics": {"image_size": SIDE},
}

FRAMES = {"min_pixels": 64, "max_pixels": 512}
"""Of a Qwen's video."""


def write_native(folder: Path, model_type: str, text: str | None = None, safe: bool = True, **changes: Any) -> Path:
    """A checkpoint of a family. `text`: the language model of a BLIP; `safe` False: a pickle of tensors instead."""
    import torch
    import transformers

    from models.transformers_native.families import FAMILIES

    raw = {"model_type": model_type, **CONFIGS[model_type], **changes}
    if text is not None:
        raw["text_config"] = _TEXTS[text]
    if model_type.startswith("qwen"):
        raw |= _QWEN_IDS
    else:
        raw |= {"image_token_index": IMAGE, "video_token_index": VIDEO} if model_type != "idefics" else {}
    if "blip" in model_type:
        raw["num_query_tokens"] = 4
    family = FAMILIES[model_type]
    kind = getattr(transformers, family.class_name)
    torch.manual_seed(0)
    model = kind(kind.config_class.from_dict(raw))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:  # large, so that pictures and words change the answer
                parameter.normal_(0, 0.5 if "embed" in name else 0.3)
    model.save_pretrained(folder)
    if not safe:
        weights = folder / "model.safetensors"
        torch.save(dict(model.state_dict()), folder / "pytorch_model.bin")
        weights.unlink()
    write_words(folder)
    if family.sees == "queries":
        write_words(folder / "qformer_tokenizer")
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES[model_type]))
    if family.sees == "patches":
        (folder / "video_preprocessor_config.json").write_text(json.dumps(FRAMES))
    return folder


def write_words(folder: Path) -> None:
    """A word tokenizer with every family's special tokens."""
    from tokenizers import AddedToken, Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, model_max_length=512).save_pretrained(folder)
