"""The text side of the LLaVA family's adapter: questions as prompts, tokens as answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from harness.model import ReadyGroup
from harness.types import Media, Request, Response, Video
from models.llava.prompts import Conversation, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PADDING = -1
"""Pads prompts: below 0, so pre-fusion does not see it, and no id of any tokenizer."""
Asked: TypeAlias = tuple[Media | None, Request]


class Words:
    """A tokenizer, a conversation template and the tokens that end an answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: Conversation, stop: frozenset[int]) -> None:
        self._tokenizer, self._template, self.stop = tokenizer, template, stop
        self._video_stop = tokenizer(template.video_stop or "", add_special_tokens=False).input_ids

    def prompts(self, groups: Sequence[ReadyGroup]) -> list[list[int]]:
        """One a request."""
        return [
            prompt_ids(request.text, ready.group.media is not None, self._template, self._tokenizer)
            for ready in groups
            for request in ready.group.requests
        ]

    def padded(self, groups: Sequence[ReadyGroup]) -> Tensor:
        """Prompts of all requests, right-padded [B, T]."""
        rows = [torch.tensor(ids) for ids in self.prompts(groups)]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)

    def ended(self, asked: Sequence[Asked], row: int, tokens: Sequence[int]) -> bool:
        """Whether the answer to one of the questions is whole, or as long as it may be."""
        media, request = asked[row]
        keyword = self._video_stop if isinstance(media, Video) else []
        by_keyword = bool(keyword) and list(tokens[-len(keyword) :]) == keyword
        return tokens[-1] in self.stop or by_keyword or len(tokens) == request.max_new_tokens

    def response(self, one: Asked, tokens: list[int], vision: int, text: int, frames: int, cut: int) -> Response:
        """The answer of these tokens. `cut`: tokens that the prompt lost to the longest that there may be."""
        media, request = one
        said = self._tokenizer.decode(tokens, skip_special_tokens=True).strip()
        for stop in (self._template.stop, self._template.video_stop if isinstance(media, Video) else None):
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
