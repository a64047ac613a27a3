"""Video-ChatGPT: a video as 100 averages over space and one average over time, through one linear layer.

Works on a whole clip, so frames of a video are pooled together, as they come. (Maaz et al. 2024; layout of
MBZUAI/Video-ChatGPT-7B.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.llava.buffer import TokenBuffer
from models.llava.config import LlavaConfig
from models.llava.reducers import Encoded, VisualReducer
from models.llava.tower import FeatureRequest, VisualFeatures

FRAMES = 100
"""Temporal tokens, whatever the clip's length: shorter clips get zeros, which the projection turns into its bias."""


class VideoChatGpt(VisualReducer):
    """Frames are encoded as they are; what gathers them pools and projects."""

    spread: ClassVar[int | None] = FRAMES
    squeeze: ClassVar[bool | None] = True
    notes: ClassVar[tuple[str, ...]] = (
        "greedy decoding; the release samples at temperature 0.2",
        "the language model reads a video anew for each question, which stands before it in the prompt",
    )

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self.request = FeatureRequest((config.select_layer,))
        self.projector = nn.Linear(config.vision_width, config.llama["hidden_size"])

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        """Patches, not yet projected; of a frame of several parts the last, which is the whole."""
        return Encoded(features.only().unflatten(0, (-1, parts))[:, -1])

    def buffer(self) -> ClipPool:
        return ClipPool(self.projector)

    def token_count(self, patches: int) -> int:
        """Of a clip: one token a frame and one a patch."""
        return FRAMES + patches


class ClipPool(TokenBuffer):
    """Running averages of one clip's frames: a mean over patches a frame, and one sum over frames a patch."""

    def __init__(self, projector: nn.Linear | nn.Identity) -> None:
        super().__init__()
        self._projector = projector
        self._means: list[Tensor] = []
        self._sum: Tensor | None = None

    def add(self, pictures: Sequence[Tensor] | Tensor) -> None:
        """The next frames' patches, [P, D] each. Raises ValueError beyond `FRAMES`."""
        for patches in pictures:  # one by one, so that the sum's order is always that of time
            self.pictures += 1
            if self.pictures > FRAMES:
                raise ValueError(f"Video-ChatGPT pools at most {FRAMES} frames; there are more.")
            self._means.append(patches.mean(0))
            self._sum = patches.float() if self._sum is None else self._sum + patches.float()

    def tokens(self) -> Tensor:
        """The clip so far [100 + P, H], pooled in half precision as released. Raises ValueError before the first."""
        if self._sum is None:
            raise ValueError("no frame has come yet")
        temporal = functional.pad(torch.stack(self._means), (0, 0, 0, FRAMES - self.pictures))
        pooled = torch.cat([temporal, (self._sum / self.pictures).to(temporal.dtype)]).half()
        weight = next(self._projector.parameters(), None)
        return self._projector(pooled if weight is None else pooled.to(weight.dtype))


def pool(features: Tensor) -> Tensor:
    """Patches of a clip's frames [T, P, D] -> [100 + P, D] in half precision. Raises ValueError beyond `FRAMES`."""
    clip = ClipPool(nn.Identity())
    clip.add(features)
    return clip.tokens()
