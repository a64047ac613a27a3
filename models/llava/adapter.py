"""LLaVA-family models behind the harness's `Model` contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.media.chunks import Chunk
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Group, Response, Video
from models.llava.fusion import MediaFusion
from models.llava.generation import greedy
from models.llava.model import Assembled, LlavaModel
from models.llava.preprocess import LlavaPreparer
from models.llava.prompts import Conversation, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FRAMES_AT_ONCE = 16
PADDING = -1
"""Pads prompts: below 0, so pre-fusion does not see it, and no id of any tokenizer."""
VERSION = "1"
"""Raise it whenever a change in this family can alter an answer: it is part of the response cache's key."""


class LlavaAdapter(Model):
    """Answers the questions about a medium together: tower and compression once, pre-fusion and decoding batched."""

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

    def preparer(self) -> LlavaPreparer:
        return self._preparer

    def cost_tokens(self, group: Group) -> int:
        patches = self._preparer.parts(group.requests[0].frames) * self.model.tower.grid**2
        vision = (patches if self.model.reducer.needs_text else 0) + (
            self.model.reducer.token_count(patches) or patches
        )
        longest = max(len(request.text) // 3 + request.max_new_tokens for request in group.requests)
        return len(group.requests) * (vision + longest)

    @torch.inference_mode()
    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        with_media = [ready for ready in groups if ready.group.media is not None]
        text_only = [ready for ready in groups if ready.group.media is None]
        if with_media:
            ids, fusion = self._fused(with_media)
            inputs = self.model.assemble(fusion, ids, attention_mask=ids != PADDING, padding_side="left")
            yield from self._answers(with_media, inputs, fusion)
        if text_only:
            ids = self._ids(text_only)
            yield from self._answers(text_only, self.model.text_inputs(ids, ids != PADDING), None)

    def _fused(self, groups: Sequence[ReadyGroup]) -> tuple[Tensor, MediaFusion]:
        """All chunks of all groups past their questions; pictures of several groups share a tower call."""
        ids = self._ids(groups)
        medium_of = [index for index, ready in enumerate(groups) for _ in ready.group.requests]
        fusion = MediaFusion(self.model, ids, medium_of)
        waiting: list[Chunk] = []
        owners: list[int] = []

        def flush() -> None:
            pictures = torch.from_numpy(np.concatenate(waiting))
            fusion.add(self.model.tower.normalise(pictures, self._dtype), owners)
            waiting.clear()
            owners.clear()

        for index, ready in enumerate(groups):
            for chunk in ready.chunks:
                waiting.append(chunk)
                owners += [index] * len(chunk)
                if len(owners) >= FRAMES_AT_ONCE:
                    flush()
        if owners:
            flush()
        return ids, fusion

    def _answers(
        self, groups: Sequence[ReadyGroup], inputs: Assembled, fusion: MediaFusion | None
    ) -> Iterator[Response]:
        asked = [(ready.group.media, request) for ready in groups for request in ready.group.requests]

        def ended(row: int, tokens: Sequence[int]) -> bool:
            media, request = asked[row]
            keyword = self._video_stop if isinstance(media, Video) else []
            by_keyword = bool(keyword) and list(tokens[-len(keyword) :]) == keyword
            return tokens[-1] in self._stop or by_keyword or len(tokens) == request.max_new_tokens

        longest = max(request.max_new_tokens for _, request in asked)
        generated = greedy(self.model.lm, inputs.embeds, inputs.mask, longest, ended)
        for row, (media, request) in enumerate(asked):
            text = self.tokenizer.decode(generated.tokens[row], skip_special_tokens=True).strip()
            for stop in (self.template.stop, self.template.video_stop if isinstance(media, Video) else None):
                text = text.removesuffix(stop or "").strip()
            yield Response(
                request.sample_id,
                text,
                vision_tokens=inputs.vision[row],
                text_tokens=int(inputs.mask[row].sum()) - inputs.vision[row],
                output_tokens=len(generated.tokens[row]),
                frames=0 if fusion is None else fusion.frames(row),
                notes=(f"prompt cut by {cut} tokens (tokenizer_model_max_length)",) if (cut := inputs.cut[row]) else (),
            )

    def _ids(self, groups: Sequence[ReadyGroup]) -> Tensor:
        """Prompts of all requests, right-padded [B, T]."""
        rows = [
            torch.tensor(prompt_ids(request.text, ready.group.media is not None, self.template, self.tokenizer))
            for ready in groups
            for request in ready.group.requests
        ]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING).to(self._device)
