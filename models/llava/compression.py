"""Query-based compression of one image's patches into C*C tokens (LLaVA-Mini section 4.1, as released).

Unlike the paper's text, the released module works on CLIP features before the projector, with a full 8-head attention.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.llava.config import HEADS


def sincos_positions(width: int, side: int) -> Tensor:
    """2-D sine-cosine table [side*side, width], row-major: the first half of the channels encodes x, the second y."""
    rates = 1.0 / 10000 ** (torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angles = [axis.reshape(-1, 1).double() * rates for axis in (x, y)]
    return torch.cat([part for a in angles for part in (a.sin(), a.cos())], dim=1).float()


def resize_positions(table: Tensor, side: int) -> Tensor:
    """A [C*C, D] table interpolated to [side*side, D]: bicubic in fp32, the table itself where the sides agree."""
    own = math.isqrt(len(table))
    if own == side:
        return table
    image = table.float().T.reshape(1, -1, own, own)
    resized = nn.functional.interpolate(image, size=(side, side), mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].T.to(table.dtype)


class Compression(nn.Module):
    """C*C learned queries attend to the patches of a square image. No residual, no output norm."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(size * size, width) * 0.02)
        self.pos_embed = nn.Parameter(sincos_positions(width, size))
        self.attn = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.ln_q = nn.LayerNorm(width, eps=1e-5)
        self.ln_kv = nn.LayerNorm(width, eps=1e-5)

    def forward(self, features: Tensor) -> Tensor:
        """[b, M, D] with M a square number -> [b, C*C, D]."""
        return self.attend(features, weights=False)[0]

    def attend(self, features: Tensor, weights: bool = True) -> tuple[Tensor, Tensor | None]:
        """The output and, with `weights`, the head-averaged attention map [b, C*C, M]. Values carry no position."""
        values = self.ln_kv(features)
        keys = values + resize_positions(self.pos_embed, math.isqrt(features.shape[1]))
        queries = (self.ln_q(self.query) + self.pos_embed).expand(len(features), -1, -1)
        out, attention = self.attn(queries, keys, values, need_weights=weights)
        return out, attention
