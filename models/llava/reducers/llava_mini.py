"""LLaVA-Mini: compression to C*C tokens, and pre-fusion of the text with all patches.

High resolution (P = r*r tiles + the whole image): the tiles' features form one (r*g) x (r*g) map; the compressor sees
that map alone, pre-fusion sees [map | whole image | compressed | text].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from transformers import DynamicCache

from models.llava.compression import Compression
from models.llava.config import LlavaConfig
from models.llava.prefusion import PreFusion, SharedVision, TextContext
from models.llava.projector import build_projector
from models.llava.reducers import Encoded, FusingReducer, Reduction
from models.llava.tower import FeatureRequest, VisualFeatures


class LlavaMini(FusingReducer):
    """The released LLaVA-Mini head. The compressed tokens pass through pre-fusion too, before the language model."""

    key_prefixes: ClassVar[Mapping[str, str]] = {
        "model.mm_projector.": "projector.",
        "model.compressor.": "compressor.",
        "model.prefusion_layers.": "prefusion.layers.",
    }

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        if config.compressor_size is None:
            raise ValueError("LLaVA-Mini needs compressor_size in its config")
        self.request = FeatureRequest((config.select_layer,), keep_class=config.select_feature == "cls_patch")
        self.projector = build_projector(config.projector, config.vision_width, config.llama["hidden_size"])
        self.compressor = Compression(config.compressor_size, config.vision_width)
        self.prefusion = PreFusion(config.llama_config(), config.prefusion_layers)
        self.needs_text = config.prefusion_layers > 0

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        images = features.only().unflatten(0, (-1, parts))
        whole = self.projector(images[:, -1])
        if parts == 1:
            source, patches = images[:, 0], whole
        else:
            source = mosaic(images[:, :-1])
            patches = torch.cat([self.projector(source), whole], dim=1)
        return Encoded(self.projector(self.compressor(source)), patches)

    def fuse(self, encoded: Encoded, text: TextContext) -> Reduction:
        tokens = encoded.tokens.shape[1]
        assert encoded.patches is not None
        vision, fused = self.prefusion(torch.cat([encoded.patches, encoded.tokens], dim=1), text)
        return Reduction(vision[:, -tokens:], fused)

    def begin(self, encoded: Encoded) -> SharedVision:
        assert encoded.patches is not None
        vision = torch.cat([encoded.patches, encoded.tokens], dim=1)
        cache = DynamicCache()
        hidden = self.prefusion.blocks(vision, cache)
        return SharedVision(hidden[:, -encoded.tokens.shape[1] :], cache, vision.shape[1])

    def go_on(self, vision: SharedVision, text: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        return self.prefusion.blocks(text, vision.cache, positions, mask)

    def token_count(self, patches: int) -> int:
        return len(self.compressor.query)


def mosaic(tiles: Tensor) -> Tensor:
    """Features of r*r tiles in row-major order [m, r*r, g*g, D] -> one raster map [m, (r*g)*(r*g), D]."""
    r, g = math.isqrt(tiles.shape[1]), math.isqrt(tiles.shape[2])
    return tiles.unflatten(2, (g, g)).unflatten(1, (r, r)).transpose(2, 3).flatten(1, 4)
