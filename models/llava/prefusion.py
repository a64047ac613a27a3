"""Modality pre-fusion: a few Llama blocks in which the text reads all patches before the language model sees any.

Sequence [vision | compressed | text], causal: vision does not see text, so its part does not depend on the question.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaConfig
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
        length = vision.shape[1]
        hidden = torch.cat([vision, text.embeds], dim=1)
        positions, mask = layout(length, text.visible)
        angles = self.rotary(hidden, positions)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=angles)
        fused = torch.where(text.visible[..., None], hidden[:, length:], text.embeds)
        return hidden[:, :length], fused


def layout(vision: int, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Position ids [B, S] and the mask of what may be seen, bool [B, 1, S, S], for V vision positions before the text.

    Positions count what is visible; hidden ones get 1, which nobody looks at.
    """
    seen = torch.cat([visible.new_ones(len(visible), vision), visible], dim=1)
    positions = (seen.cumsum(1) - 1).masked_fill(~seen, 1)
    causal = seen.new_ones(seen.shape[1], seen.shape[1]).tril()
    return positions, causal & seen[:, None, None, :]
