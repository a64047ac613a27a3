"""Random-weight models of the shape on which sharing is measured: arithmetic decides, and a CPU can run them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from models.llava.checkpoint import build
from models.llava.config import parse_config
from models.llava.model import LlavaModel
from models.llava.prompts import IMAGE
from models.llava.tower import ClipTower

SHAPE = "CLIP 6 x 256 at 336 px (576 patches), language model 8 x 512, 4 pre-fusion layers, vocabulary 4,000, float32"
VOCABULARY = 4_000
BEFORE, AFTER, NEW_TOKENS = 25, 24, 4
"""Tokens of a prompt before and after the placeholder, and of an answer."""


def llava(mini: bool) -> LlavaModel:
    """LLaVA-Mini with one vision token, or LLaVA-1.5. Weights are scaled up so that picture and question matter."""
    torch.manual_seed(0)
    raw = {
        "model_type": "llava_mini_llama" if mini else "llava_llama",
        "vocab_size": VOCABULARY,
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "mm_vision_tower": "tower",
        "mm_hidden_size": 256,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        **({"compressor_size": 1, "prefusion_layer_num": 4} if mini else {}),
    }
    clip = CLIPVisionConfig(
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=4,
        image_size=336,
        patch_size=14,
    )
    model = build(parse_config(raw, "benchmark"), ClipTower(CLIPVisionModel(clip).eval()))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model.eval()


def prompts(count: int) -> list[list[int]]:
    """Ids of questions about one medium: the same beginning, then each its own words."""
    generator = torch.Generator().manual_seed(1)
    before = torch.randint(3, VOCABULARY, (BEFORE,), generator=generator).tolist()
    after = torch.randint(3, VOCABULARY, (count, AFTER), generator=generator).tolist()
    return [[*before, IMAGE, *ids] for ids in after]


def pictures(count: int) -> torch.Tensor:
    """Normalised pixels [count, 1, 3, 336, 336]."""
    return torch.randn(count, 1, 3, 336, 336, generator=torch.Generator().manual_seed(2))


def never(row: int, tokens: Sequence[int]) -> bool:
    """Answers end by their length alone."""
    return len(tokens) == NEW_TOKENS
