"""VoCo-LLaMA: the language model itself compresses a picture into the keys and values of v special tokens.

Sequence [BOS | picture | newline | v VoCo tokens | text]: up to the last VoCo token attention is causal, after it text
sees the VoCo tokens and text alone. So the picture's prefix can be read once, and all but v positions of its cache
dropped. Weights were never published; this is what the paper means, since the released decoding cannot run.
(Ye et al. 2025.)
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM, LlamaModel

from models.llava.generation import keep_last
from models.llava.reducers.identity import Identity

TOKENS = 1
"""Of the paper's row; the released training has 2."""


class Voco(Identity):
    """Every patch enters the language model, as in LLaVA-1.5; the template's VoCo tokens are what text sees of them."""

    kept_word: ClassVar[str | None] = "<voco>"
    notes: ClassVar[tuple[str, ...]] = ("vision_tokens enter the language model; text sees the VoCo tokens alone",)


def may_attend(is_voco: Tensor, mask: Tensor | None = None) -> Tensor:
    """Whether position i may look at position j, bool [B, L, L]; causal and free of padding with `mask` bool [B, L].

    `is_voco` bool [B, L]. Rows without VoCo tokens: all allowed.
    """
    length = is_voco.shape[1]
    order = torch.arange(length, device=is_voco.device)
    some = is_voco.any(1)
    first = torch.where(some, is_voco.int().argmax(1), 0)
    last = torch.where(some, length - 1 - is_voco.flip(1).int().argmax(1), length - 1)
    before = (order[None] <= last[:, None])[:, :, None]
    allowed = torch.where(before, order <= last[:, None, None], order >= first[:, None, None])
    if mask is None:
        return allowed
    return allowed & (order[:, None] >= order) & mask[:, None, :]


def compressed(lm: LlamaForCausalLM | LlamaModel, prefix: Tensor, tokens: int = TOKENS) -> DynamicCache:
    """Reads `prefix` [B, P, H], whose last `tokens` are VoCo's, and keeps their keys and values alone.

    Text goes on at position P with the cache that is returned; its size a picture is `tokens`.
    """
    model = lm.model if isinstance(lm, LlamaForCausalLM) else lm
    cache = DynamicCache(config=model.config)
    model(inputs_embeds=prefix, past_key_values=cache, use_cache=True)
    keep_last(cache, tokens)
    return cache


def go_on(model: LlamaModel, cache: DynamicCache, text: Tensor, position: int) -> Tensor:
    """Hidden states [B, T, H] of text after a compressed picture; `position`: of the first text token, P at first.

    The cache grows by T. Positions are those of the whole sequence, the picture's included.
    """
    places = torch.arange(position, position + text.shape[1], device=text.device)[None]
    return model(inputs_embeds=text, position_ids=places, past_key_values=cache, use_cache=True).last_hidden_state
