"""One question as the language model reads it: text, visual tokens and what goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.types import Media, Request
from models.transformers_native.prompts import Prompts
from models.transformers_native.vision import Seen, positions


@dataclass(frozen=True, slots=True)
class Row:
    """`start` [P, H]: what is the same for every question about the medium, and `question` [T, H] behind it.

    `vision`: tokens of the medium, all in `start` but IDEFICS's. `positions` [3, P + T] where they are of Qwen's kind.
    `latents` [N, D], `looks` bool [P + T]: IDEFICS's, and which positions look at them. `cut`: tokens of the text that
    were left out. `most`: tokens that fit behind, None where there is no limit.
    """

    start: Tensor
    question: Tensor
    vision: int
    positions: Tensor | None = None
    latents: Tensor | None = None
    looks: Tensor | None = None
    cut: int = 0
    most: int | None = None

    @property
    def embeds(self) -> Tensor:
        """[P + T, H]."""
        return torch.cat([self.start, self.question])

    @property
    def length(self) -> int:
        """P + T."""
        return len(self.start) + len(self.question)

    def allowed(self, wanted: int) -> int:
        """New tokens, so that the last one read is within the model's context, if the prompt is."""
        return wanted if self.most is None or self.most < 0 else min(wanted, self.most + 1)


class Rows:
    """Makes rows. `embed`: the language model's embeddings; `limit`: its context in tokens, if it has one."""

    def __init__(self, config: Any, sees: str, prompts: Prompts, embed: nn.Module, limit: int | None) -> None:
        self._config, self._sees, self._prompts, self._embed, self.limit = config, sees, prompts, embed, limit

    def row(
        self, media: Media | None, request: Request, seen: Seen | None, tokens: Tensor | None, like: Row | None = None
    ) -> Row:
        """`tokens`: the medium's for this question. `like`: another row about it, whose start then serves this one too.

        The beginning of a text that is too long is left out.
        """
        before, after = self._prompts.parts(request.text, media)
        beside = self._sees == "latents"
        start = self._start(before, None if beside else tokens) if like is None else like.start
        room = len(after) if self.limit is None else self.limit - len(start)
        cut = max(0, len(after) - room) if room > 0 else 0
        question = self._words(after[cut:])
        length, device = len(start) + len(question), start.device
        places, latents, looks = None, None, None
        if self._sees == "patches":
            places = positions(len(before), seen, len(question), device)
        if beside:
            latents = self._nothing(start) if tokens is None else tokens
            looks = torch.arange(length, device=device) >= (length if tokens is None else len(before) - 1)
        most = None if self.limit is None else self.limit - length
        return Row(start, question, 0 if tokens is None else len(tokens), places, latents, looks, cut, most)

    def _start(self, before: list[int], tokens: Tensor | None) -> Tensor:
        words = self._words(before)
        return words if tokens is None else torch.cat([words, tokens])

    def _words(self, ids: list[int]) -> Tensor:
        weight = self._embed.weight
        assert isinstance(weight, Tensor)
        found = self._embed(torch.tensor(ids, device=weight.device, dtype=torch.long))
        assert isinstance(found, Tensor)
        return found

    def _nothing(self, like: Tensor) -> Tensor:
        """Latents for a prompt without a picture, which nothing looks at."""
        vision = self._config.vision_config
        several = (vision.image_size // vision.patch_size) ** 2 + 1
        if self._config.use_resampler:
            several = self._config.perceiver_config.resampler_n_latents
        return like.new_zeros(several, vision.embed_dim)
