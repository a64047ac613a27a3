"""Many questions about one picture or video: what does not depend on the question is computed once.

Attention is causal, so the tower, the compression, the visual part of pre-fusion, the text before the placeholder and
the language model's keys and values of all these are the same for every question; each question then costs only its
own tokens. Softmax is joint over what is shared and the question's own, so results are those of one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM

from models.llava.packing import Pack, packs, visibility
from models.llava.prefusion import SharedVision
from models.llava.prompts import IMAGE

if TYPE_CHECKING:
    from models.llava.model import LlavaModel

POSITIONS = 65536
"""Positions that pre-fusion handles in one call; more frames are split."""


def split_at_medium(rows: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]] | None:
    """The ids before the placeholder, which all prompts share, and those after it by prompt; None where they differ."""
    if any(list(ids).count(IMAGE) != 1 for ids in rows):
        return None
    at = list(rows[0]).index(IMAGE)
    before = list(rows[0][:at])
    if any(list(ids[: at + 1]) != [*before, IMAGE] or len(ids) == at + 1 for ids in rows):
        return None
    return before, [list(ids[at + 1 :]) for ids in rows]


class SharedFusion:
    """One medium streamed past its questions: visual tokens in time order, and the text fused with every frame.

    `before`, `after`: ids around the placeholder. Only the visual tokens and one fp32 sum of the fused text are kept.
    """

    def __init__(self, model: LlavaModel, before: Sequence[int], after: Sequence[Sequence[int]]) -> None:
        self._model = model
        device = model.lm.lm_head.weight.device
        self.lengths = [len(ids) for ids in after]
        ids = torch.tensor([*before, *(one for ids in after for one in ids)], device=device)
        self._before = len(before)
        self._raw = model.lm.model.embed_tokens(ids.clamp(min=0))
        self._seen = ids > 0
        self._sum = torch.zeros_like(self._raw, dtype=torch.float32)
        self._visual: list[Tensor] = []
        head, tail = self._seen[: self._before], self._seen[self._before :]
        self._head = torch.nonzero(head).flatten()
        counts = [int(part.sum()) for part in tail.split(self.lengths)]
        self._tail = torch.nonzero(tail).flatten() + self._before
        self._packs = list(packs(counts, device))

    @property
    def frames(self) -> int:
        """Pictures or frames so far."""
        return len(self._visual)

    def add(self, pixels: Tensor) -> None:
        """Normalised pixels [m, P, 3, S, S] of m pictures or frames in time order."""
        reducer = self._model.reducer
        encoded = reducer.encode(self._model.tower(pixels.flatten(0, 1), reducer.request), parts=pixels.shape[1])
        if not reducer.needs_text:
            self._visual += [tokens.clone() for tokens in encoded.tokens]
            return
        width = encoded.tokens.shape[1] + (0 if encoded.patches is None else encoded.patches.shape[1])
        width += len(self._head) + max((len(pack.owner) for pack in self._packs), default=0)
        indices = torch.arange(len(pixels), device=pixels.device)
        for some in indices.split(max(1, POSITIONS // width)):
            self._fuse(reducer.begin(encoded.rows(some)))

    def _fuse(self, started: SharedVision) -> None:
        self._visual += [tokens.clone() for tokens in started.visual]
        device = self._raw.device
        if len(self._head):
            self._sum_up(self._head, started, torch.arange(len(self._head), device=device), None)
        for pack in self._packs:
            if not len(pack.owner):
                continue
            mask = visibility(pack.owner, pack.owner, started.length + len(self._head), self._raw.dtype)
            self._sum_up(self._tail[pack.source], started, pack.place + len(self._head), mask)
            started.cache.crop(-len(pack.owner))

    def _sum_up(self, tokens: Tensor, started: SharedVision, places: Tensor, mask: Tensor | None) -> None:
        """Fuses some of the text with each frame; frame by frame, so that a sum's order is always that of time."""
        rows = self._raw[tokens].expand(len(started.visual), -1, -1)
        if mask is None:
            owner = torch.zeros(len(tokens), device=tokens.device)
            mask = visibility(owner, owner, started.length, rows.dtype)
        for fused in self._model.reducer.go_on(started, rows, started.length + places, mask):
            self._sum[tokens] += fused.float()

    def shared(self) -> Tensor:
        """What the language model reads before every question: text before the placeholder, visual tokens, [P, H]."""
        return torch.cat([self._text()[: self._before], *self._visual])

    def questions(self) -> list[Tensor]:
        """The text after the placeholder, a question each [T, H]."""
        return list(self._text()[self._before :].split(self.lengths))

    def _text(self) -> Tensor:
        """Averaged over frames; what pre-fusion may not see stays as it is."""
        if not self._model.reducer.needs_text:
            return self._raw
        return torch.where(self._seen[:, None], (self._sum / self.frames).to(self._raw.dtype), self._raw)


@torch.no_grad()
def answer(
    model: LlavaModel,
    shared: Tensor,
    questions: Sequence[Tensor],
    ended: Callable[[int, Sequence[int]], bool],
    keep_logits: list[tuple[tuple[int, ...], Tensor]] | None = None,
) -> list[list[int]]:
    """Greedy new tokens of every question, its end included.

    `shared` [P, H] and `questions` [T, H]: what the language model reads. `ended` as in `greedy`. `keep_logits`: for
    tests, gets (questions, logits [q, V]) of every step.
    """
    cache = DynamicCache(config=model.lm.config)
    model.lm.model(inputs_embeds=shared[None], past_key_values=cache, use_cache=True)
    decoding = Decoding(model.lm, cache, len(shared), ended, keep_logits)
    tokens: dict[int, list[int]] = {}
    for pack in packs([len(one) for one in questions], shared.device):
        tokens |= decoding.run(pack, torch.cat([questions[member] for member in pack.members]))
    return [tokens[row] for row in range(len(questions))]


class Decoding:
    """Answers packs of questions after one shared beginning, of `length` positions in `cache`."""

    def __init__(
        self,
        lm: LlamaForCausalLM,
        cache: DynamicCache,
        length: int,
        ended: Callable[[int, Sequence[int]], bool],
        keep_logits: list[tuple[tuple[int, ...], Tensor]] | None,
    ) -> None:
        self._lm, self._cache, self._length = lm, cache, length
        self._ended, self._keep_logits = ended, keep_logits

    def run(self, pack: Pack, embeds: Tensor) -> dict[int, list[int]]:
        """New tokens by question; the cache is as it was afterwards. `embeds` [N, H]: of the pack's tokens."""
        device, last = embeds.device, pack.ends()
        lengths = dict(zip(pack.members, (pack.place[last] + 1).tolist(), strict=True))
        tokens: dict[int, list[int]] = {member: [] for member in pack.members}
        active, queries, keys, places = list(pack.members), pack.owner, pack.owner, pack.place
        while active:
            logits = self._logits(embeds, queries, keys, places, last)
            if self._keep_logits is not None:
                self._keep_logits.append((tuple(active), logits))
            chosen = logits.argmax(-1)
            for member, token in zip(active, chosen.tolist(), strict=True):
                tokens[member].append(token)
            going = [index for index, member in enumerate(active) if not self._ended(member, tokens[member])]
            active = [active[index] for index in going]
            queries = torch.tensor(active, device=device)
            places = torch.tensor([lengths[one] + len(tokens[one]) - 1 for one in active], device=device)
            embeds = self._lm.model.embed_tokens(chosen[going])
            last = torch.arange(len(active), device=device)
            keys = torch.cat([keys, queries]) if active else keys
        self._cache.crop(-len(keys))
        return tokens

    def _logits(self, embeds: Tensor, queries: Tensor, keys: Tensor, places: Tensor, last: Tensor) -> Tensor:
        """Of the last token of each question [q, V]."""
        hidden = self._lm.model(
            inputs_embeds=embeds[None],
            attention_mask=visibility(queries, keys, self._length, embeds.dtype),
            position_ids=(self._length + places)[None],
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        return self._lm.lm_head(hidden[0, last])
