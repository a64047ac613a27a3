"""Models with random weights: cost does not depend on what the weights say. On the meta device they take no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

    from models.llava.config import LlavaConfig
    from models.llava.model import LlavaModel


def fresh_model(config: LlavaConfig, clip: CLIPVisionConfig, device: torch.device, dtype: torch.dtype) -> LlavaModel:
    """A model in evaluation mode whose weights are made on `device` in `dtype`, attention by SDPA."""
    from transformers import CLIPVisionModel

    from models.llava.checkpoint import build
    from models.llava.tower import ClipTower

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # so that no float32 copy of 7B weights is ever made
    try:
        with torch.device(device), torch.random.fork_rng(devices=[]):
            clip._attn_implementation = "sdpa"
            model = build(config, ClipTower(CLIPVisionModel(clip)))
    finally:
        torch.set_default_dtype(before)
    return model.to(dtype).eval()
