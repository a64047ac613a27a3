"""Greedy decoding with a key/value cache, batched, with left padding and last-position logits only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast

Decoder: TypeAlias = Callable[..., BaseModelOutputWithPast]
"""Embeddings [B, L, H], mask, positions and cache -> last hidden states."""


class LanguageModel(Protocol):
    """What decoding needs: any causal language model of transformers, in two parts."""

    config: Any
    model: Any
    """A `Decoder` that holds `embed_tokens`."""
    lm_head: Any


@dataclass(slots=True)
class Generated:
    """`tokens[b]`: new tokens of row b, its end included. The other fields serve tests."""

    tokens: list[list[int]]
    step_logits: list[Tensor] = field(default_factory=list)
    positions: list[Tensor] = field(default_factory=list)


@torch.no_grad()
def greedy(
    lm: LanguageModel,
    embeds: Tensor,
    mask: Tensor,
    max_new_tokens: int,
    ended: Callable[[int, Sequence[int]], bool],
    keep_logits: bool = False,
    positions: Tensor | None = None,
    last_position: int | None = None,
    read_on: Decoder | None = None,
) -> Generated:
    """Continues left-padded `embeds` [B, L, H] (`mask` bool [B, L]) until every row has ended or the limit is reached.

    `ended(b, tokens)`: whether row b's answer is complete with the last of its new tokens. Generated tokens enter as
    plain embeddings at positions that go on from the row's own length, or from the last of `positions` [.., B, L],
    which a model with positions of its own kind gets for the prompt; they end at `last_position`, if there is one.
    Rows that have ended are fed their last token, which nobody reads. `read_on`: reads all tokens but the first, in
    place of `lm.model`.
    """
    position = (mask.cumsum(1) - 1).masked_fill(~mask, 1) if positions is None else positions
    padded = not bool(mask.all())
    cache = DynamicCache(config=lm.config)
    out = Generated([[] for _ in range(len(embeds))])
    done = [False] * len(embeds)
    read, step = lm.model, embeds
    for _ in range(max_new_tokens):
        result = read(
            inputs_embeds=step,
            attention_mask=mask if padded else None,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        )
        logits = lm.lm_head(result.last_hidden_state[:, -1])
        if keep_logits:
            out.step_logits.append(logits)
            out.positions.append(position)
        chosen = logits.argmax(-1)
        for row, token in enumerate(chosen.tolist()):
            if not done[row]:
                out.tokens[row].append(token)
                done[row] = ended(row, out.tokens[row])
        if all(done):
            break
        read, step = read_on or lm.model, lm.model.embed_tokens(chosen[:, None])
        position = position[..., -1:] + 1
        if last_position is not None:
            position = position.clamp(max=last_position)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return out


def keep_last(cache: DynamicCache, count: int) -> None:
    """Drops all but the last `count` positions of a cache; what is read next goes on at the positions it names itself.

    Copied out, so that no view keeps what was dropped alive.
    """
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[:, :, -count:].clone(), layer.values[:, :, -count:].clone()
