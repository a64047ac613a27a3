"""Many questions about one picture or video: what does not depend on the question is computed once.

Attention is causal, so the tower, the compression, the visual part of pre-fusion, the text before the placeholder and
the language model's keys and values of all these are the same for every question; each question then costs only its
own tokens. Softmax is joint over what is shared and the question's own, so results are those of one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from models.llava.generation import Decoder, LanguageModel, keep_last
from models.llava.packing import Pack, packs, visibility
from models.llava.prefusion import SharedVision
from models.llava.prompts import IMAGE

if TYPE_CHECKING:
    from models.llava.model import LlavaModel

POSITIONS = 65536
"""Positions that pre-fusion handles in one call; more frames are split."""
PREFILL_POSITIONS = 1024
"""Positions of the shared beginning that the language model reads in one call: of a long video the keys and values
stay, the activations do not stand in memory together."""


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
    `keep`: how many of the last positions of the shared beginning the questions see; None: all of them.
    """

    def __init__(self, model: LlavaModel, before: Sequence[int], after: Sequence[Sequence[int]]) -> None:
        self._model = model
        device = model.lm.lm_head.weight.device
        marks = [at for at, one in enumerate(after[0]) if one == model.reducer.kept]
        self._lead = marks[-1] + 1 if marks else 0
        self.keep = len(marks) or None
        self.lengths = [len(ids) for ids in after]
        ids = [*before, *(one for ids in after for one in ids)]
        seen = [index for index, one in enumerate(ids) if one > 0]
        self._before = len(before)
        self._raw = model.lm.model.embed_tokens(torch.tensor(ids, device=device).clamp(min=0))
        self._seen = torch.tensor(ids, device=device) > 0
        self._sum = torch.zeros_like(self._raw, dtype=torch.float32)
        self._visual = model.reducer.buffer()
        self._head = torch.tensor([index for index in seen if index < len(before)], device=device, dtype=torch.long)
        self._tail = torch.tensor([index for index in seen if index >= len(before)], device=device, dtype=torch.long)
        self._packs = list(packs([sum(one > 0 for one in ids) for ids in after], device))

    @property
    def frames(self) -> int:
        """Pictures or frames so far."""
        return self._visual.pictures

    def add(self, pixels: Tensor) -> None:
        """Normalised pixels [m, P, 3, S, S] of m pictures or frames in time order."""
        reducer = self._model.reducer
        encoded = reducer.encode(self._model.tower(pixels.flatten(0, 1), reducer.request), parts=pixels.shape[1])
        if not reducer.needs_text:
            self._visual.add(encoded.tokens)
            return
        width = encoded.tokens.shape[1] + (0 if encoded.patches is None else encoded.patches.shape[1])
        width += len(self._head) + max((len(pack.owner) for pack in self._packs), default=0)
        indices = torch.arange(len(pixels), device=pixels.device)
        for some in indices.split(max(1, POSITIONS // width)):
            self._fuse(reducer.begin(encoded.rows(some)))

    def _fuse(self, started: SharedVision) -> None:
        self._visual.add(started.visual)
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

    @property
    def vision(self) -> int:
        """Visual tokens so far."""
        return len(self._visual.tokens())

    def shared(self) -> Tensor:
        """What the language model reads before every question, [P, H]: text before the placeholder, visual tokens, and
        the marks after them that are kept."""
        text = self._text()
        lead = text[self._before : self._before + self._lead]
        return torch.cat([text[: self._before], self._visual.tokens(), lead])

    def questions(self) -> list[Tensor]:
        """The rest of the text, a question each [T, H]."""
        return [one[self._lead :] for one in self._text()[self._before :].split(self.lengths)]

    def _text(self) -> Tensor:
        """Averaged over frames; what pre-fusion may not see stays as it is."""
        if not self._model.reducer.needs_text:
            return self._raw
        return torch.where(self._seen[:, None], (self._sum / self.frames).to(self._raw.dtype), self._raw)


@torch.no_grad()
def answer(
    lm: LanguageModel,
    shared: Tensor,
    questions: Sequence[Tensor],
    ended: Callable[[int, Sequence[int]], bool],
    keep_logits: list[tuple[tuple[int, ...], Tensor]] | None = None,
    positions: Tensor | None = None,
    read_on: Decoder | None = None,
    keep: int | None = None,
) -> list[list[int]]:
    """Greedy new tokens of every question, its end included.

    `shared` [P, H] and `questions` [T, H]: what the language model reads. `ended` as in `greedy`. `keep_logits`: for
    tests, gets (questions, logits [q, V]) of every step. `positions` [.., P], `read_on` and `keep`: as in
    `Reading`.
    """
    reading = Reading(lm, shared, questions, positions, read_on, keep)
    tokens: list[list[int]] = [[] for _ in questions]
    for pack in reading.packs:
        step = reading.start(pack)
        while step is not None:
            if keep_logits is not None:
                keep_logits.append((step.members, step.logits))
            chosen = step.logits.argmax(-1)
            for member, token in zip(step.members, chosen.tolist(), strict=True):
                tokens[member].append(token)
            going = [index for index, member in enumerate(step.members) if not ended(member, tokens[member])]
            step = reading.go_on(step, going, chosen[going])
    return tokens


@dataclass(frozen=True, slots=True)
class Step:
    """Questions being answered: `logits` [q, V] of each one's next token, `places` [q] of its last one so far, and the
    owners of all positions of the pack in the cache."""

    members: tuple[int, ...]
    logits: Tensor
    places: Tensor
    keys: Tensor


class Reading:
    """The language model after one shared beginning, whose keys and values stand in the cache once.

    `positions` [.., P]: the beginning's, where they are more than a count; the questions go on after the highest.
    `read_on`: reads the answers' tokens, in place of `lm.model`. `keep`: so many of the beginning's last positions are
    all that the questions see.
    """

    def __init__(
        self,
        lm: LanguageModel,
        shared: Tensor,
        questions: Sequence[Tensor],
        positions: Tensor | None = None,
        read_on: Decoder | None = None,
        keep: int | None = None,
    ) -> None:
        self._lm, self._questions, self._length = lm, questions, keep or len(shared)
        self._read_on = read_on or lm.model
        self.packs = list(packs([len(one) for one in questions], shared.device))
        self._cache = DynamicCache(config=lm.config)
        self._next = len(shared) if positions is None else int(positions.max()) + 1
        for start in range(0, len(shared), PREFILL_POSITIONS):
            some = slice(start, start + PREFILL_POSITIONS)
            at = {} if positions is None else {"position_ids": positions[..., some].unsqueeze(-2)}
            lm.model(inputs_embeds=shared[None, some], past_key_values=self._cache, use_cache=True, **at)
        if keep:
            keep_last(self._cache, keep)

    def start(self, pack: Pack) -> Step:
        """A pack's questions, read to their ends."""
        embeds = torch.cat([self._questions[member] for member in pack.members])
        hidden = self._read(self._lm.model, embeds, pack.owner, pack.owner, pack.place)[pack.ends]
        return Step(pack.members, self._lm.lm_head(hidden), pack.place[pack.ends], pack.owner)

    def go_on(self, step: Step, going: Sequence[int], chosen: Tensor) -> Step | None:
        """One token more for the members at `going`; None, and the cache as before the pack, where there are none."""
        if not going:
            self._cache.crop(-len(step.keys))
            return None
        members = tuple(step.members[index] for index in going)
        owner, places = torch.tensor(members, device=chosen.device), step.places[list(going)] + 1
        keys = torch.cat([step.keys, owner])
        hidden = self._read(self._read_on, self._lm.model.embed_tokens(chosen), owner, keys, places)
        return Step(members, self._lm.lm_head(hidden), places, keys)

    def _read(self, read: Decoder, embeds: Tensor, queries: Tensor, keys: Tensor, places: Tensor) -> Tensor:
        """Tokens [N, H] in one row -> their last hidden states."""
        return read(
            inputs_embeds=embeds[None],
            attention_mask=visibility(queries, keys, self._length, embeds.dtype),
            position_ids=(self._next + places)[None],
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state[0]
