"""Video-ChatGPT: a video as 100 averages over space and one average over time, through one linear layer.

Works on a whole clip, so frames of a video are pooled together. (Maaz et al. 2024; layout of MBZUAI/Video-ChatGPT-7B.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.llava.config import LlavaConfig
from models.llava.reducers import Encoded, VisualReducer
from models.llava.tower import FeatureRequest, VisualFeatures

FRAMES = 100
"""Temporal tokens, whatever the clip's length: shorter clips get zeros, which the projection turns into its bias."""


class VideoChatGpt(VisualReducer):
    """The pictures of one call are the frames of one clip, at most `FRAMES`."""

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self.request = FeatureRequest((config.select_layer,))
        self.projector = nn.Linear(config.vision_width, config.llama["hidden_size"])

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        pooled = pool(features.only()).to(self.projector.weight.dtype)
        return Encoded(self.projector(pooled)[None])

    def token_count(self, patches: int) -> int:
        """Of a clip: one token a frame and one a patch."""
        return FRAMES + patches


def pool(features: Tensor) -> Tensor:
    """Patches of a clip's frames [T, P, D] -> [100 + P, D] in half precision, as released. Raises ValueError."""
    if len(features) > FRAMES:
        raise ValueError(f"Video-ChatGPT pools at most {FRAMES} frames; there are {len(features)}.")
    temporal = functional.pad(features.mean(1), (0, 0, 0, FRAMES - len(features)))
    return torch.cat([temporal, features.mean(0)]).half()
