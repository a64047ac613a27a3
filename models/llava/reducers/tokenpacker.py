"""TokenPacker: a coarse map of the picture asks the fine one, cell by cell.

Takes the projector's place; (g / s)^2 tokens of g * g patches. Keys and values come from four layers of the tower.
(Li et al. 2024; layout of sunshine-lwt/TokenPacker-7b-144token.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.errors import CheckpointError
from models.llava.config import LlavaConfig
from models.llava.reducers import Encoded, VisualReducer
from models.llava.tower import FeatureRequest, VisualFeatures

LEVELS = (12, 16, 22, 23)
"""Hidden states of CLIP ViT-L; the last is the one that the coarse map is made of."""
SCALES = (2, 3, 4)
HEAD_WIDTH = 128


class TokenPacker(VisualReducer):
    """`config.options`: `scale` s, if config.json has no scale_factor; `levels`, if not ViT-L's; `heads`."""

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self.scale = config.options.get("scale", config.raw.get("scale_factor"))
        if self.scale not in SCALES:
            raise CheckpointError(
                f"scale_factor is {self.scale!r}, and the weights do not tell it: TokenPacker has {SCALES}."
            )
        width = config.vision_width
        heads = int(config.options.get("heads", max(1, width // HEAD_WIDTH)))
        self.request = FeatureRequest(tuple(config.options.get("levels", LEVELS)))
        self.projector = Packer(width, config.llama["hidden_size"], heads)

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        levels = [features.hidden[layer] for layer in self.request.layers]
        tokens = self.projector(levels[-1], torch.cat(levels, dim=-1), self.scale)
        return Encoded(tokens.unflatten(0, (-1, parts)).flatten(1, 2))

    def token_count(self, patches: int) -> int:
        return patches // self.scale**2


class Packer(nn.Module):
    """The released module; parameter names are its own."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.q_proj_1 = nn.Linear(width, width, bias=False)
        self.k_proj_1, self.v_proj_1 = (_mlp(len(LEVELS) * width, width) for _ in range(2))
        self.ln_q_1, self.ln_k_1, self.ln_v_1 = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))
        self.clip_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = _mlp(width, hidden)

    def forward(self, patches: Tensor, levels: Tensor, scale: int) -> Tensor:
        """[b, g*g, D] and [b, g*g, 4 D] -> [b, (g/scale)^2, H] in raster order."""
        grid = math.isqrt(patches.shape[1])
        if grid % scale:
            raise CheckpointError(f"{grid} patches a side cannot be packed by {scale}.")
        fine = patches.float().transpose(1, 2).unflatten(2, (grid, grid))
        coarse = functional.interpolate(fine, (grid // scale, grid // scale), mode="bilinear", align_corners=False)
        query = self.ln_q_1(self.q_proj_1(coarse.flatten(2).transpose(1, 2).to(patches.dtype)))
        keys, values = self.ln_k_1(self.k_proj_1(levels)), self.ln_v_1(self.v_proj_1(levels))
        packed, _ = self.clip_attn(
            query.flatten(0, 1)[:, None], cells(keys, scale), cells(values, scale), need_weights=False
        )
        return self.mlp(packed[:, 0].unflatten(0, (len(patches), -1)))


def cells(features: Tensor, scale: int) -> Tensor:
    """[b, g*g, D] -> the scale * scale fine patches of every coarse cell, row by row [b * (g/scale)^2, scale^2, D]."""
    grid = math.isqrt(features.shape[1])
    coarse = grid // scale
    windows = features.unflatten(1, (coarse, scale, coarse, scale)).transpose(2, 3)
    return windows.reshape(-1, scale * scale, features.shape[2])


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
