"""Visual tokens of a medium as they come, in one block of memory.

Many small tensors that outlive large ones would keep the allocator from giving the large ones' memory back.
"""

from __future__ import annotations

from torch import Tensor

FIRST = 64


class TokenBuffer:
    """Grows by doubling; holds copies, so that no slice keeps a large activation alive."""

    def __init__(self) -> None:
        self._block: Tensor | None = None
        self._tokens = 0
        self.pictures = 0
        """Pictures or frames so far."""

    def add(self, tokens: Tensor) -> None:
        """The next picture's tokens [K, H]."""
        self.pictures += 1
        needed = self._tokens + len(tokens)
        if self._block is None or needed > len(self._block):
            grown = tokens.new_empty(max(FIRST, 2 * needed), tokens.shape[1])
            if self._block is not None:
                grown[: self._tokens] = self._block[: self._tokens]
            self._block = grown
        self._block[self._tokens : needed] = tokens
        self._tokens = needed

    def tokens(self) -> Tensor:
        """All so far in order, [pictures * K, H]; a view. Raises ValueError before the first."""
        if self._block is None:
            raise ValueError("no picture has come yet")
        return self._block[: self._tokens]
