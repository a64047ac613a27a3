"""MQT-LLaVA: learned queries of which the first m serve alone, so one checkpoint gives any number of tokens.

The module takes the projector's place. Keys are positions only: pictures enter through the values, so the attention is
the same for every picture. (Hu et al. 2024; layout of gordonhu/MQT-LLaVA-7b.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from harness.errors import UserError
from models.llava.config import LlavaConfig
from models.llava.reducers import Encoded, VisualReducer
from models.llava.tower import FeatureRequest, VisualFeatures

MOST = 256
HEAD_WIDTH = 64


class Mqt(VisualReducer):
    """The first m of the abstractor's tokens. `config.options`: `tokens` m (default: all), `most` (256), `heads`."""

    key_prefixes: ClassVar[Mapping[str, str]] = {"model.query_abstractor.": "abstractor."}

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        most = int(config.options.get("most", MOST))
        heads = int(config.options.get("heads", max(1, config.vision_width // HEAD_WIDTH)))
        self._tokens = int(config.options.get("tokens", config.raw.get("num_visual_tokens") or most))
        self.request = FeatureRequest((config.select_layer,))
        self.abstractor = Abstractor(math.isqrt(most), config.vision_width, heads, config.llama["hidden_size"])
        self.abstractor.require(self._tokens)

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        tokens = self._any_number() if self.training else self._tokens
        return Encoded(self.abstractor(features.only(), tokens).unflatten(0, (-1, parts)).flatten(1, 2))

    def _any_number(self) -> int:
        """In training: a random even number, so that the first tokens learn to serve alone."""
        return min(self._tokens, 2 * int(torch.randint(1, max(2, self._tokens // 2 + 1), ())))

    def token_count(self, patches: int) -> int:
        return self._tokens


class Abstractor(nn.Module):
    """`side` * `side` queries over patches of `width`, projected to `hidden`. Parameter names are the released ones."""

    def __init__(self, side: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.side = side
        self.pos_embed = nn.Parameter(torch.tensor(positions(side, width)), requires_grad=False)
        self.query = nn.Parameter(torch.randn(side * side, width) * 0.02)
        self.proj = nn.Parameter(torch.randn(width, hidden) * width**-0.5)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_q, self.ln_k, self.ln_v = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))

    def forward(self, features: Tensor, tokens: int) -> Tensor:
        """Patches [b, P, D] -> the first `tokens` tokens [b, tokens, H]. Raises UserError for more than there are."""
        self.require(tokens)
        query = self.ln_q(self.query[:tokens] + self.pos_embed[:tokens].to(self.query.dtype))
        keys = self.ln_k(self._resized(math.isqrt(features.shape[1])))
        count = len(features)
        attended, _ = self.attn(
            query.expand(count, -1, -1), keys.expand(count, -1, -1), self.ln_v(features), need_weights=False
        )
        return attended @ self.proj

    def require(self, tokens: int) -> None:
        """That there are so many tokens. Raises UserError."""
        if not 1 <= tokens <= self.side**2:
            raise UserError(f"MQT was asked for {tokens} vision tokens; this model has 1 to {self.side**2}.")

    def _resized(self, grid: int) -> Tensor:
        """Positions of a finer map of patches, row by row [grid * grid, D]."""
        square = self.pos_embed.float().unflatten(0, (self.side, self.side)).permute(2, 0, 1)[None]
        resized = functional.interpolate(square, (grid, grid), mode="bicubic", align_corners=False)
        return resized[0].permute(1, 2, 0).flatten(0, 1).to(self.query.dtype)


def positions(side: int, width: int) -> NDArray[np.float32]:
    """Sine-cosine positions [side * side, width]: first half of the channels by column, second by row."""
    angles = np.arange(side)[:, None] / 10000.0 ** (np.arange(width // 4) / (width // 4))
    line = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    rows, columns = np.divmod(np.arange(side * side), side)
    return np.concatenate([line[columns], line[rows]], axis=1).astype(np.float16).astype(np.float32)
