"""The CLIP vision tower: stops at the last layer that is asked for and keeps only the hidden states that are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPVisionModel

from models.llava.processor import Processor


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """What a reducer wants from the tower. `layers` index CLIP's hidden states (0: embeddings, -1: last block's
    output).

    `last_qk`: raw query and key projections of the last block, class token included (PruMerge).
    """

    layers: tuple[int, ...] = (-2,)
    keep_class: bool = False
    last_qk: bool = False


@dataclass(frozen=True, slots=True)
class VisualFeatures:
    """Tower output of b pictures: `hidden` by requested layer [b, N (+1 with class token), D]; `q`, `k` [b, 1+N, D]."""

    hidden: dict[int, Tensor]
    q: Tensor | None = None
    k: Tensor | None = None

    def only(self) -> Tensor:
        """The one requested layer, [b, N, D]."""
        (features,) = self.hidden.values()
        return features


class VisionTower(nn.Module, ABC):
    """What turns pictures into features. `processor`: what is done to pictures on the CPU."""

    def __init__(self, processor: Processor) -> None:
        super().__init__()
        self.processor = processor

    @property
    @abstractmethod
    def grid(self) -> int:
        """Patches along one side."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Blocks."""

    def normalise(self, pictures: Tensor, dtype: torch.dtype) -> Tensor:
        """uint8 [.., S, S, 3] of a preparer -> pixels [.., 3, S, S] on the tower's device."""
        device = next(self.parameters()).device
        mean, std = (torch.tensor(values, device=device) for values in (self.processor.mean, self.processor.std))
        pixels = (pictures.to(device).float() / 255 - mean) / std
        return pixels.movedim(-1, -3).contiguous().to(dtype)


class ClipTower(VisionTower):
    """transformers' CLIPVisionModel, frozen: runs in its own dtype, without gradient, as the released code does.

    `processor` None: CLIP's own for the tower's picture size.
    """

    def __init__(self, clip: CLIPVisionModel, processor: Processor | None = None) -> None:
        super().__init__(processor or Processor(clip.config.image_size, clip.config.image_size))
        self.clip = clip
        self.requires_grad_(False)

    @property
    def grid(self) -> int:
        return int(self.clip.config.image_size // self.clip.config.patch_size)

    @property
    def depth(self) -> int:
        return int(self.clip.config.num_hidden_layers)

    @torch.no_grad()
    def forward(self, pixels: Tensor, request: FeatureRequest) -> VisualFeatures:
        """Normalised pixels [b, 3, S, S] -> features in the dtype of `pixels`."""
        blocks = self.clip.encoder.layers
        wanted = {layer: layer % (len(blocks) + 1) for layer in request.layers}
        depth = max([*wanted.values(), len(blocks) - 1 if request.last_qk else 0])
        dtype = self.clip.embeddings.patch_embedding.weight.dtype
        hidden = self.clip.pre_layrnorm(self.clip.embeddings(pixels.to(dtype)))
        states = {0: hidden}
        for index, block in enumerate(blocks[:depth], start=1):
            hidden = block(hidden, attention_mask=None)
            if index in wanted.values() or index == len(blocks) - 1:
                states[index] = hidden
        first = 0 if request.keep_class else 1
        kept = {layer: states[index][:, first:].to(pixels.dtype) for layer, index in wanted.items()}
        if not request.last_qk:
            return VisualFeatures(kept)
        normed = blocks[-1].layer_norm1(states[len(blocks) - 1])
        attention = blocks[-1].self_attn
        return VisualFeatures(
            kept, attention.q_proj(normed).to(pixels.dtype), attention.k_proj(normed).to(pixels.dtype)
        )
