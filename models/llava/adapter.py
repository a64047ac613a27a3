"""LLaVA-family models behind the harness's `Model` contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.media.chunks import Chunk
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Group, Media, Request, Response, Video
from models.llava.fusion import MediaFusion
from models.llava.generation import greedy
from models.llava.model import Assembled, LlavaModel
from models.llava.preprocess import LlavaPreparer
from models.llava.prompts import Conversation, prompt_ids
from models.llava.reducers import FusingReducer
from models.llava.sharing import SharedFusion, answer, split_at_medium

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FRAMES_AT_ONCE = 16
PADDING = -1
"""Pads prompts: below 0, so pre-fusion does not see it, and no id of any tokenizer."""
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
        self._preparer, self._stop = preparer, stop
        self._video_stop = tokenizer(template.video_stop or "", add_special_tokens=False).input_ids
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
        parts = split_at_medium(self._prompts([ready]))
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
        lm, ended = self.model.lm, partial(self._ended, asked)
        tokens = answer(lm, shared, read, ended, read_on=self.model.read_on, keep=fusion.keep)
        for row, one in enumerate(asked):
            cut = len(questions[row]) - len(read[row])
            text = len(parts[0]) + fusion.lengths[row] - cut
            yield self._response(*one, tokens[row], fusion.vision, text, fusion.frames, cut)

    def _one_by_one(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        """A padded row a question: the reference path, and the fast one for pictures with one question each."""
        with_media = [ready for ready in groups if ready.group.media is not None]
        text_only = [ready for ready in groups if ready.group.media is None]
        if with_media:
            ids = self._ids(with_media)
            medium_of = [index for index, ready in enumerate(with_media) for _ in ready.group.requests]
            questions = [request.text for ready in with_media for request in ready.group.requests]
            fusion = MediaFusion(self.model, ids, medium_of, questions=questions)
            for pixels, owners in self._pixels(with_media):
                fusion.add(pixels, owners)
            inputs = self.model.assemble(fusion, ids, attention_mask=ids != PADDING, padding_side="left")
            asked = [(ready.group.media, request) for ready in with_media for request in ready.group.requests]
            yield from self._answers(asked, inputs, [fusion.frames(row) for row in range(len(asked))])
        if text_only:
            ids = self._ids(text_only)
            inputs = self.model.text_inputs(ids, ids != PADDING)
            asked = [(None, request) for ready in text_only for request in ready.group.requests]
            yield from self._answers(asked, inputs, [0] * len(asked))

    def _pixels(self, groups: Sequence[ReadyGroup]) -> Iterator[tuple[Tensor, list[int]]]:
        """Normalised pictures of all chunks in order, some at a time, each with its group's index."""
        waiting: list[Chunk] = []
        owners: list[int] = []
        for index, ready in enumerate(groups):
            for chunk in ready.chunks:
                waiting.append(chunk)
                owners += [index] * len(chunk)
                if len(owners) >= FRAMES_AT_ONCE:
                    yield self._normalised(waiting), owners
                    waiting, owners = [], []
        if owners:
            yield self._normalised(waiting), owners

    def _normalised(self, chunks: list[Chunk]) -> Tensor:
        return self.model.tower.normalise(torch.from_numpy(np.concatenate(chunks)), self._dtype)

    def _answers(
        self, asked: Sequence[tuple[Media | None, Request]], inputs: Assembled, frames: Sequence[int]
    ) -> Iterator[Response]:
        longest = max(request.max_new_tokens for _, request in asked)
        lm, ended = self.model.lm, partial(self._ended, asked)
        generated = greedy(lm, inputs.embeds, inputs.mask, longest, ended, read_on=self.model.read_on)
        for row, one in enumerate(asked):
            vision = inputs.vision[row]
            text = int(inputs.mask[row].sum()) - vision
            yield self._response(*one, generated.tokens[row], vision, text, frames[row], inputs.cut[row])

    def _ended(self, asked: Sequence[tuple[Media | None, Request]], row: int, tokens: Sequence[int]) -> bool:
        media, request = asked[row]
        keyword = self._video_stop if isinstance(media, Video) else []
        by_keyword = bool(keyword) and list(tokens[-len(keyword) :]) == keyword
        return tokens[-1] in self._stop or by_keyword or len(tokens) == request.max_new_tokens

    def _response(
        self, media: Media | None, request: Request, tokens: list[int], vision: int, text: int, frames: int, cut: int
    ) -> Response:
        said = self.tokenizer.decode(tokens, skip_special_tokens=True).strip()
        for stop in (self.template.stop, self.template.video_stop if isinstance(media, Video) else None):
            said = said.removesuffix(stop or "").strip()
        return Response(
            request.sample_id,
            said,
            vision_tokens=vision,
            text_tokens=text,
            output_tokens=len(tokens),
            frames=frames,
            notes=(f"prompt cut by {cut} tokens (tokenizer_model_max_length)",) if cut else (),
        )

    def _prompts(self, groups: Sequence[ReadyGroup]) -> list[list[int]]:
        return [
            prompt_ids(request.text, ready.group.media is not None, self.template, self.tokenizer)
            for ready in groups
            for request in ready.group.requests
        ]

    def _ids(self, groups: Sequence[ReadyGroup]) -> Tensor:
        """Prompts of all requests, right-padded [B, T]."""
        rows = [torch.tensor(ids) for ids in self._prompts(groups)]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING).to(self._device)


def _apart(ready: ReadyGroup) -> Iterator[ReadyGroup]:
    """A group a question, each with the whole medium."""
    chunks = list(ready.chunks)
    for request in ready.group.requests:
        yield ReadyGroup(Group(ready.group.media, (request,)), iter(chunks))
