"""LLaVA-PruMerge and PruMerge+: keep the patches that the class token attends to, merge the others into them.

Works on any LLaVA-1.5 checkpoint without training. How many tokens stay depends on the picture: as many as there are
outliers of attention, and one for all the rest. (Shang et al. 2024; the released code's rule, with its quirks.)
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from models.llava.config import LlavaConfig
from models.llava.projector import build_projector
from models.llava.reducers import Ragged, VisualReducer
from models.llava.tower import FeatureRequest, VisualFeatures

NEIGHBOURS = 32
"""Patches merged into each one that stays."""


class PruMerge(VisualReducer):
    """Chosen patches by falling attention, then one token for the rest; all projected."""

    plus: ClassVar[bool] = False

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self.request = FeatureRequest((config.select_layer,), last_qk=True)
        self.projector = build_projector(config.projector, config.vision_width, config.llama["hidden_size"])

    def encode(self, features: VisualFeatures, parts: int) -> Ragged:
        """Picture by picture, so that a picture's tokens do not depend on the others in the batch."""
        assert features.q is not None
        assert features.k is not None
        pictures = zip(features.only()[:, None], features.q[:, None], features.k[:, None], strict=True)
        tokens = [self.projector(reduce(hidden, q, k, self.plus)[1][0]) for hidden, q, k in pictures]
        return Ragged([torch.cat(tokens[at : at + parts]) for at in range(0, len(tokens), parts)])

    def token_count(self, patches: int) -> None:
        """The picture decides."""
        return


class PruMergePlus(PruMerge):
    """PruMerge with patches from all over the picture added to the outliers."""

    plus = True


def reduce(hidden: Tensor, q: Tensor, k: Tensor, plus: bool, ratio: float | None = None) -> tuple[Tensor, Tensor]:
    """Indices [B, K] of the patches that stay and the tokens [B, K + 1, D].

    `hidden` [B, N, D] without class token; `q`, `k` [B, 1 + N, D]: raw projections of the tower's last block, class
    token first. `ratio` None: share of outliers over the whole batch, as at inference; a number: as in training, where
    PruMerge+ may choose a patch twice. Without outliers everything is merged into one token, in PruMerge+ too, where
    the released code divides by zero.
    """
    weights = class_attention(q, k)
    adaptive = ratio is None
    share = outlier_share(weights) if ratio is None else ratio
    patches = hidden.shape[1]
    chosen = weights.topk(int(patches * share), dim=1).indices
    if plus and share > 0:
        chosen = torch.stack([_spread(one, patches, share, adaptive) for one in chosen])
    rows = zip(hidden, k[:, 1:], weights, chosen, strict=True)
    return chosen, torch.stack([_merged(*row) for row in rows])


def class_attention(q: Tensor, k: Tensor) -> Tensor:
    """How much the class token attends to each patch [B, N], one head of full width; not renormalised without it."""
    scores = torch.einsum("bd,bnd->bn", q[:, 0].float(), k.float()) / q.shape[-1] ** 0.5
    return scores.softmax(-1)[:, 1:]


def outlier_share(weights: Tensor) -> float:
    """Share of values above the third quartile by more than 1.5 interquartile ranges, over the whole batch."""
    low, high = torch.quantile(weights.float().flatten(), torch.tensor([0.25, 0.75], device=weights.device))
    return int((weights > high + 1.5 * (high - low)).sum()) / weights.numel()


def _spread(chosen: Tensor, patches: int, share: float, adaptive: bool) -> Tensor:
    """PruMerge+: patches at even steps added. The last patch is never among them, as released (575 of 576)."""
    step = int(1 / share)
    if not adaptive:
        return torch.cat([chosen, torch.arange(step // 2, patches - 1, step, device=chosen.device)])
    every = torch.arange(0, patches - 1, step // 3, device=chosen.device)
    return torch.cat([chosen, every[~torch.isin(every, chosen)]])


def _merged(hidden: Tensor, keys: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
    """One picture: each chosen patch with its nearest ones by key added, then all that were not chosen, [K + 1, D]."""
    order = torch.arange(len(hidden), device=hidden.device)
    order[chosen] = 0
    # A patch chosen twice pushes one that was not chosen out of the rest, as released.
    rest = order.sort().values[len(chosen) :]
    pool = torch.cat([chosen, rest])
    weighted = weights[:, None] * hidden.float()
    directions = functional.normalize(keys.float(), dim=-1)
    likeness = directions[chosen] @ directions[pool].T
    likeness.diagonal().fill_(-torch.inf)
    nearest = pool[likeness.topk(min(NEIGHBOURS, len(pool) - 1), dim=1).indices]
    tokens = hidden[chosen].float() + weighted[nearest].sum(1)
    return torch.cat([tokens, weighted[rest].sum(0, keepdim=True)]).to(hidden.dtype)
