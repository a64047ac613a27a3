"""All families that transformers has classes for, behind the harness's `Model` contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch

from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Group, Media, Request, Response, Video
from models.llava.sharing import answer
from models.transformers_native.decoder import Decoder, generate, looking
from models.transformers_native.families import Family
from models.transformers_native.pictures import NativePreparer
from models.transformers_native.prompts import Prompts
from models.transformers_native.rows import Row, Rows
from models.transformers_native.vision import Medium, Seen, Vision

PICTURES_AT_ONCE = 16
VERSION = "1"
"""Raise it whenever a change here can alter an answer: it is part of the response cache's key."""

Asked = tuple[Media | None, Request]


class NativeAdapter(Model):
    """Questions about a medium share what stands before them, where the family allows it; others are batched.

    `limit`: the language model's context in tokens. `until`: a text at which answers are cut. `picture_tokens`,
    `frame_tokens`: at most, for batches.
    """

    def __init__(
        self,
        model: Any,
        family: Family,
        vision: Vision,
        prompts: Prompts,
        preparer: NativePreparer,
        card: ModelCard,
        stop: frozenset[int],
        limit: int | None,
        until: str,
        picture_tokens: int,
        frame_tokens: int,
    ) -> None:
        self.model, self.card, self.decoder = model, card, Decoder(model)
        self._vision, self._preparer, self._tokenizer = vision, preparer, prompts.tokenizer
        self._stop, self._until = stop, until
        self._rows = Rows(model.config, family.sees, prompts, model.get_input_embeddings(), limit)
        self._picture_tokens, self._frame_tokens = picture_tokens, frame_tokens
        self._prefix = family.prefix and self.decoder.keeps_all

    def preparer(self) -> NativePreparer:
        return self._preparer

    def cost_tokens(self, group: Group) -> int:
        vision = 0 if group.media is None else self._picture_tokens
        if isinstance(group.media, Video):
            most = self._preparer.frames
            vision = self._frame_tokens * min(most, group.requests[0].frames.max_frames or most)
        lengths = [len(request.text) // 3 + request.max_new_tokens for request in group.requests]
        return vision + sum(lengths) if self._shares(group) else len(lengths) * (vision + max(lengths))

    @torch.inference_mode()
    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for together, some in groupby(groups, lambda ready: self._shares(ready.group)):
            for ready in some if together else ():
                yield from self._shared(ready)
            if not together:
                yield from self._one_by_one(list(some))

    def _shares(self, group: Group) -> bool:
        """Whether a group's questions share the language model's reading of what stands before them."""
        return self.sharing and self._prefix and group.media is not None and len(group.requests) > 1

    def _shared(self, ready: ReadyGroup) -> Iterator[Response]:
        """The medium and the text before it once, for all questions about it."""
        (medium, seen), media = self._media([ready])[0], ready.group.media
        asked: list[Asked] = [(media, request) for request in ready.group.requests]
        first = self._rows.row(*asked[0], seen, seen.tokens)
        rows = [first, *(self._rows.row(*one, seen, seen.tokens, like=first) for one in asked[1:])]
        frames = len(medium.records)
        if any(row.cut for row in rows):
            yield from self._answers(asked, rows, [frames] * len(rows))
            return
        tokens = answer(
            looking(self.decoder, [first]),
            first.start,
            [row.question for row in rows],
            partial(self._ended, asked, rows),
            positions=None if first.positions is None else first.positions[:, : len(first.start)],
        )
        for one, row, new in zip(asked, rows, tokens, strict=True):
            yield self._response(one[1], row, new, frames)

    def _one_by_one(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        """A padded row a question: the reference path, and the fast one for pictures with one question each."""
        of_media = iter(self._media([ready for ready in groups if ready.group.media is not None]))
        asked: list[Asked] = []
        found: list[tuple[Medium, Seen] | None] = []
        for ready in groups:
            asked += [(ready.group.media, request) for request in ready.group.requests]
            found += [None if ready.group.media is None else next(of_media)] * len(ready.group.requests)
        several = [(one[1], request.text) for one, (_, request) in zip(found, asked, strict=True) if one]
        tokens = iter(self._vision.asked([seen for seen, _ in several], [text for _, text in several]))
        rows = [
            self._rows.row(media, request, one[1] if one else None, next(tokens) if one else None)
            for one, (media, request) in zip(found, asked, strict=True)
        ]
        yield from self._answers(asked, rows, [len(one[0].records) if one else 0 for one in found])

    def _media(self, groups: Sequence[ReadyGroup]) -> list[tuple[Medium, Seen]]:
        """The groups' media, read in order, some pictures at a time."""
        found: list[tuple[Medium, Seen]] = []
        waiting: list[Medium] = []
        for index, ready in enumerate(groups):
            records = [chunk[at : at + 1] for chunk in ready.chunks for at in range(len(chunk))]
            waiting.append(Medium(records, isinstance(ready.group.media, Video)))
            if sum(len(one.records) for one in waiting) >= PICTURES_AT_ONCE or index == len(groups) - 1:
                found += zip(waiting, self._vision(waiting), strict=True)
                waiting = []
        return found

    def _answers(self, asked: Sequence[Asked], rows: Sequence[Row], frames: Sequence[int]) -> Iterator[Response]:
        longest = max(request.max_new_tokens for _, request in asked)
        tokens = generate(self.model, self.decoder, rows, longest, partial(self._ended, asked, rows))
        for (_, request), row, new, seen in zip(asked, rows, tokens, frames, strict=True):
            yield self._response(request, row, new, seen)

    def _ended(self, asked: Sequence[Asked], rows: Sequence[Row], row: int, tokens: Sequence[int]) -> bool:
        full = len(tokens) >= rows[row].allowed(asked[row][1].max_new_tokens)
        return full or tokens[-1] in self._stop or (bool(self._until) and self._until in self._said(tokens))

    def _said(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).lstrip()

    def _response(self, request: Request, row: Row, tokens: list[int], frames: int) -> Response:
        notes, limit = [], self._rows.limit
        if row.cut:
            notes.append(f"{row.cut} tokens at the text's beginning left out (context of {limit})")
        if row.most is not None and row.most < 0:
            notes.append(f"prompt longer than the model's context of {limit} tokens")
        elif len(tokens) == row.allowed(request.max_new_tokens) < request.max_new_tokens:
            notes.append(f"answer ended by the model's context of {limit} tokens")
        if request.frames.doubled:
            notes.append("shown once: doubling pictures is a quirk of scripts for other models")
        inside, said = 0 if row.latents is not None else row.vision, self._said(tokens)
        return Response(
            request.sample_id,
            (said.partition(self._until)[0] if self._until else said).strip(),
            vision_tokens=row.vision,
            text_tokens=row.length - inside,
            output_tokens=len(tokens),
            frames=frames,
            notes=tuple(notes),
        )
