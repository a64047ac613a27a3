"""What decode workers produce: chunks of prepared pictures or frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.types import FramePolicy, Media

Chunk: TypeAlias = NDArray[np.uint8]
"""A run of prepared pictures or frames, time first; the further axes are the model adapter's own."""


class Preparer(Protocol):
    """Turns a medium into chunks, on the CPU, in a worker process: small, picklable, quick to import (no torch).

    Lazy: frames of a long video are yielded a chunk at a time and never stand in memory together. Raises MediaError.
    """

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]: ...
