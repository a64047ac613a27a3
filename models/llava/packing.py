"""Questions about one medium side by side in one row: each sees what comes before all of them, and itself.

What they share is computed once and stands in a key/value cache once; nothing is expanded to a row a question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

PACK_TOKENS = 2048
"""Tokens of questions in one row; a longer row spends more on masked attention than another row costs."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Some questions in a row. `members`: their indices; `owner` [N]: the question of each token; `place` [N]: its
    position within the question; `source` [N]: its index in the questions' tokens laid end to end; `ends`: where each
    member's last token stands."""

    members: tuple[int, ...]
    owner: Tensor
    place: Tensor
    source: Tensor
    ends: Tensor


def packs(lengths: Sequence[int], device: torch.device) -> Iterator[Pack]:
    """All questions, in order, in rows of at most PACK_TOKENS; a longer question has a row of its own."""
    first = 0
    while first < len(lengths):
        last, size = first, 0
        while last < len(lengths) and (last == first or size + lengths[last] <= PACK_TOKENS):
            size += lengths[last]
            last += 1
        members, start = range(first, last), sum(lengths[:first])
        places = [place for member in members for place in range(lengths[member])]
        # Made of lists, so that nothing waits for a device and a device without values will do.
        yield Pack(
            tuple(members),
            torch.tensor([member for member in members for _ in range(lengths[member])], device=device),
            torch.tensor(places, device=device),
            torch.arange(start, start + size, device=device),
            torch.tensor([end - 1 for end in accumulate(lengths[first:last])], device=device),
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
