"""Chunks on their way to the tower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.media.chunks import Chunk
from harness.model import ReadyGroup
from models.llava.tower import ClipTower

FRAMES_AT_ONCE = 16


def pixels_of(groups: Sequence[ReadyGroup], tower: ClipTower, dtype: torch.dtype) -> Iterator[tuple[Tensor, list[int]]]:
    """Normalised pictures of all chunks in order, some at a time, each with its group's index. Raises MediaError."""

    def normalised() -> Tensor:
        return tower.normalise(torch.from_numpy(np.concatenate(waiting)), dtype)

    waiting: list[Chunk] = []
    owners: list[int] = []
    for index, ready in enumerate(groups):
        for chunk in ready.chunks:
            waiting.append(chunk)
            owners += [index] * len(chunk)
            if len(owners) >= FRAMES_AT_ONCE:
                yield normalised(), owners
                waiting, owners = [], []
    if owners:
        yield normalised(), owners
