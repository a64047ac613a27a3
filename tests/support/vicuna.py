"""LLaVA models with the shapes of Vicuna-7B and CLIP ViT-L/336 on the meta device: no weights, no memory."""

from __future__ import annotations

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from models.llava.checkpoint import build
from models.llava.config import parse_config
from models.llava.model import LlavaModel
from models.llava.tower import ClipTower

VICUNA = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "mm_hidden_size": 1024,
    "mm_projector_type": "mlp2x_gelu",
}
CLIP = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
MINI = {"model_type": "llava_mini_llama", "compressor_size": 1, "prefusion_layer_num": 4}
BASELINE = {"model_type": "llava_llama"}


def vicuna_7b(head: dict[str, object]) -> LlavaModel:
    """`head`: MINI or BASELINE; fp16."""
    with torch.device("meta"):
        tower = ClipTower(CLIPVisionModel(CLIPVisionConfig(**CLIP, attn_implementation="sdpa")))
        return build(parse_config({**VICUNA, **head}, "Vicuna-7B"), tower).half().eval()
