"""How many tokens a batch may hold: less after running out of memory, slowly more again."""

from __future__ import annotations

CALLS_BEFORE_GROWTH = 16


class Budget:
    """`tokens` of a batch. Halved when memory ran out, doubled after some calls that went well, never over the wish.

    One huge group therefore does not slow down the rest of a run. `low`: the least it has been, None if never halved.
    """

    def __init__(self, wished: int) -> None:
        self.tokens = self._wished = wished
        self.low: int | None = None
        self._good_calls = 0

    def shrink(self, cost: int) -> None:
        """A batch of `cost` tokens did not fit."""
        self.tokens = max(1, min(self.tokens, cost) // 2)
        self.low = self.tokens if self.low is None else min(self.low, self.tokens)
        self._good_calls = 0

    def fits(self) -> None:
        """A batch fitted."""
        self._good_calls += 1
        if self._good_calls >= CALLS_BEFORE_GROWTH:
            self.tokens = min(self._wished, self.tokens * 2)
            self._good_calls = 0
