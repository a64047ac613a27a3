"""LLaVA-family models behind the harness's `Model` contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Group, Response
from models.llava.fusion import MediaFusion
from models.llava.generation import greedy
from models.llava.model import Assembled, LlavaModel
from models.llava.pixels import pixels_of
from models.llava.preprocess import LlavaPreparer
from models.llava.prompts import Conversation
from models.llava.reducers import FusingReducer
from models.llava.sharing import SharedFusion, answer, split_at_medium
from models.llava.words import PADDING, Asked, Words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VERSION = "2"
"""Raise it whenever a change in this family can alter an answer: it is part of the response cache's key."""


class LlavaAdapter(Model):
    """Answers the questions about a medium together: whatever does not depend on the question is computed once."""

    def __init__(
        self,
        model: LlavaModel,
        tokenizer: PreTrainedTokenizerBase,
        template: Conversation,
        preparer: LlavaPreparer,
        card: ModelCard,
        stop: frozenset[int],
    ) -> None:
        self.model, self.tokenizer, self.template, self.card = model, tokenizer, template, card
        self._preparer, self.words = preparer, Words(tokenizer, template, stop)
        parameter = model.lm.lm_head.weight
        self._device, self._dtype = parameter.device, parameter.dtype

    def compile(self) -> None:
        self.model.compile_decoding()
        self.card = replace(self.card, settings={**self.card.settings, "compiled": True})

    def preparer(self) -> LlavaPreparer:
        return self._preparer

    def cost_tokens(self, group: Group) -> int:
        patches = self._preparer.parts(group.requests[0].frames) * self.model.tower.grid**2
        vision = (patches if self.model.reducer.needs_text else 0) + (
            self.model.reducer.token_count(patches) or patches
        )
        lengths = [len(request.text) // 3 + request.max_new_tokens for request in group.requests]
        if self._shares(group):
            return vision + sum(lengths)
        return len(group.requests) * (vision + max(lengths))

    @torch.inference_mode()
    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for together, some in groupby(groups, lambda ready: self._shares(ready.group)):
            for ready in some if together else ():
                for one in [ready] if self.sharing else _apart(ready):
                    yield from self._shared(one)
            if not together:
                yield from self._one_by_one(list(some))

    def _shares(self, group: Group) -> bool:
        """Whether a group's questions share what does not depend on them, or see a part of it alone."""
        reducer = self.model.reducer
        able = isinstance(reducer, FusingReducer) or not reducer.needs_text
        wanted = reducer.kept is not None or (self.sharing and able and len(group.requests) > 1)
        return wanted and group.media is not None

    def _shared(self, ready: ReadyGroup) -> Iterator[Response]:
        """The medium once, for all questions about it."""
        asked = [(ready.group.media, request) for request in ready.group.requests]
        parts = split_at_medium(self.words.prompts([ready]))
        if parts is None:
            yield from self._one_by_one([ready])
            return
        fusion = SharedFusion(self.model, *parts)
        for pixels, _ in self._pixels([ready]):
            fusion.add(pixels)
        shared, questions = fusion.shared(), fusion.questions()
        room = (self.model.config.max_length or len(shared) + max(fusion.lengths)) - len(shared)
        if room < 1:
            inputs = self.model.joined(shared, questions, len(parts[0]))
            yield from self._answers(asked, inputs, [fusion.frames] * len(asked))
            return
        read = [one[:room] for one in questions]
        lm, ended = self.model.lm, partial(self.words.ended, asked)
        tokens = answer(lm, shared, read, ended, read_on=self.model.read_on, keep=fusion.keep)
        for row, one in enumerate(asked):
            cut = len(questions[row]) - len(read[row])
            text = len(parts[0]) + fusion.lengths[row] - cut
            yield self.words.response(one, tokens[row], fusion.vision, text, fusion.frames, cut)

    def _one_by_one(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        """A padded row a question: the reference path, and the fast one for pictures with one question each."""
        with_media = [ready for ready in groups if ready.group.media is not None]
        text_only = [ready for ready in groups if ready.group.media is None]
        if with_media:
            ids = self.words.padded(with_media).to(self._device)
            medium_of = [index for index, ready in enumerate(with_media) for _ in ready.group.requests]
            questions = [request.text for ready in with_media for request in ready.group.requests]
            fusion = MediaFusion(self.model, ids, medium_of, questions=questions)
            for pixels, owners in self._pixels(with_media):
                fusion.add(pixels, owners)
            inputs = self.model.assemble(fusion, ids, attention_mask=ids != PADDING, padding_side="left")
            asked = [(ready.group.media, request) for ready in with_media for request in ready.group.requests]
            yield from self._answers(asked, inputs, [fusion.frames(row) for row in range(len(asked))])
        if text_only:
            ids = self.words.padded(text_only).to(self._device)
            inputs = self.model.text_inputs(ids, ids != PADDING)
            asked = [(None, request) for ready in text_only for request in ready.group.requests]
            yield from self._answers(asked, inputs, [0] * len(asked))

    def _pixels(self, groups: Sequence[ReadyGroup]) -> Iterator[tuple[Tensor, list[int]]]:
        return pixels_of(groups, self.model.tower, self._dtype)

    def _answers(self, asked: Sequence[Asked], inputs: Assembled, frames: Sequence[int]) -> Iterator[Response]:
        longest = max(request.max_new_tokens for _, request in asked)
        lm, ended = self.model.lm, partial(self.words.ended, asked)
        generated = greedy(lm, inputs.embeds, inputs.mask, longest, ended, read_on=self.model.read_on)
        for row, one in enumerate(asked):
            vision = inputs.vision[row]
            text = int(inputs.mask[row].sum()) - vision
            yield self.words.response(one, generated.tokens[row], vision, text, frames[row], inputs.cut[row])


def _apart(ready: ReadyGroup) -> Iterator[ReadyGroup]:
    """A group a question, each with the whole medium."""
    chunks = list(ready.chunks)
    for request in ready.group.requests:
        yield ReadyGroup(Group(ready.group.media, (request,)), iter(chunks))
