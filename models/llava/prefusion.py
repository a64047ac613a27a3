"""Modality pre-fusion: a few Llama blocks in which the text reads all patches before the language model sees any.

Sequence [vision | compressed | text], causal: vision does not see text, so its part does not depend on the question.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding


@dataclass(frozen=True, slots=True)
class TextContext:
    """Text rows: `embeds` [B, T, H] of max(id, 0), and `visible` bool [B, T].

    Invisible are the placeholder, any token of id 0 and, in training, answers: no position may look at them, they take
    no position, and they keep their embedding.
    """

    embeds: Tensor
    visible: Tensor

    def rows(self, index: Tensor) -> TextContext:
        return TextContext(self.embeds[index], self.visible[index])


@dataclass(frozen=True, slots=True)
class SharedVision:
    """m pictures after the visual part of pre-fusion: `visual` [m, K, H], keys and values of `length` positions."""

    visual: Tensor
    cache: DynamicCache
    length: int


class PreFusion(nn.Module):
    """`count` Llama decoder blocks without a final norm."""

    def __init__(self, config: LlamaConfig, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LlamaDecoderLayer(config, index) for index in range(count))
        self.rotary = LlamaRotaryEmbedding(config)

    def forward(self, vision: Tensor, text: TextContext) -> tuple[Tensor, Tensor]:
        """vision [B, V, H] (compressed tokens last) and text rows -> the same shapes, fused.

        Hidden text positions come back as their raw embedding. Without layers both come back unchanged.
        """
        if not self.layers:
            return vision, text.embeds
        # Hidden positions are seen by nobody and not counted, so they are left out: plain causal attention remains.
        order = torch.argsort(~text.visible, dim=1, stable=True)[:, : int(text.visible.sum(1).max())]
        place = order[..., None].expand(-1, -1, text.embeds.shape[2])
        hidden = self.blocks(torch.cat([vision, text.embeds.gather(1, place)], dim=1))
        length = vision.shape[1]
        fused = text.embeds.scatter(1, place, hidden[:, length:])
        return hidden[:, :length], torch.where(text.visible[..., None], fused, text.embeds)

    def blocks(
        self,
        hidden: Tensor,
        cache: DynamicCache | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The blocks over a sequence [B, L, H], by default a whole one, causal, nothing hidden.

        `cache`: keys and values of what came before, which grows. `positions` [L]; `mask` [1, 1, L, keys] is added.
        """
        if positions is None:
            positions = torch.arange(hidden.shape[1], device=hidden.device)
        angles = self.rotary(hidden, positions[None])
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=angles, past_key_values=cache)
        return hidden
