"""Visual tokens of a medium as they come, in one block of memory.

Many small tensors that outlive large ones would keep the allocator from giving the large ones' memory back.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class TokenBuffer:
    """Holds copies, so that no slice keeps a large activation alive, and not a byte more than the tokens have."""

    def __init__(self) -> None:
        self._block: Tensor | None = None
        self.pictures = 0
        """Pictures or frames so far."""

    def add(self, pictures: Sequence[Tensor] | Tensor) -> None:
        """The next pictures' tokens, [K_i, H] each. Best many at once: what is there is copied each time."""
        self.pictures += len(pictures)
        self._block = torch.cat([*(() if self._block is None else (self._block,)), *pictures])

    def tokens(self) -> Tensor:
        """All so far in order, [pictures * K, H]. Raises ValueError before the first."""
        if self._block is None:
            raise ValueError("no picture has come yet")
        return self._block
