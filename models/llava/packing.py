"""Questions about one medium side by side in one row: each sees what comes before all of them, and itself.

What they share is computed once and stands in a key/value cache once; nothing is expanded to a row a question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PACK_TOKENS = 2048
"""Tokens of questions in one row; a longer row spends more on masked attention than another row costs."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Some questions in a row. `members`: their indices; `owner` [N]: the question of each token; `place` [N]: its
    position within the question; `source` [N]: its index in the questions' tokens laid end to end."""

    members: tuple[int, ...]
    owner: Tensor
    place: Tensor
    source: Tensor

    def ends(self) -> Tensor:
        """Where each member's last token stands."""
        changes = torch.ones_like(self.owner, dtype=torch.bool)
        changes[:-1] = self.owner[1:] != self.owner[:-1]
        return torch.nonzero(changes).flatten()


def packs(lengths: Sequence[int], device: torch.device) -> Iterator[Pack]:
    """All questions, in order, in rows of at most PACK_TOKENS; a longer question has a row of its own."""
    first = 0
    while first < len(lengths):
        last, size = first, 0
        while last < len(lengths) and (last == first or size + lengths[last] <= PACK_TOKENS):
            size += lengths[last]
            last += 1
        members = range(first, last)
        some = torch.tensor([lengths[index] for index in members], device=device)
        yield Pack(
            tuple(members),
            torch.arange(first, last, device=device).repeat_interleave(some),
            torch.cat([torch.arange(lengths[index], device=device) for index in members]),
            torch.arange(size, device=device) + sum(lengths[:first]),
        )
        first = last


def visibility(queries: Tensor, keys: Tensor, shared: int, dtype: torch.dtype) -> Tensor:
    """The mask of a row's last tokens [1, 1, Q, shared + K], added to attention scores.

    `queries` [Q] and `keys` [K]: owners of the tokens; the queries are the last Q keys. `shared`: keys before them that
    all may see. A token sees those of its own question that stand before it, and itself.
    """
    order = torch.arange(len(keys), device=keys.device)
    own = (queries[:, None] == keys[None]) & (order[None] <= order[len(keys) - len(queries) :, None])
    mask = torch.zeros(1, 1, len(queries), shared + len(keys), dtype=dtype, device=keys.device)
    mask[0, 0, :, shared:].masked_fill_(~own, torch.finfo(dtype).min)
    return mask
