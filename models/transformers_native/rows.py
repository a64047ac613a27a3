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
    """`embeds` [L, H]; of the `vision` tokens of the medium, all are among them but IDEFICS's.

    `shared`: positions at the beginning that are the same for every question about the medium. `positions` [3, L]
    where they are of Qwen's kind. `latents` [N, D], `looks` bool [L]: IDEFICS's, and which positions look at them.
    `cut`: tokens of the text that were left out. `most`: tokens that fit behind, None where there is no limit.
    """

    embeds: Tensor
    vision: int
    shared: int
    positions: Tensor | None = None
    latents: Tensor | None = None
    looks: Tensor | None = None
    cut: int = 0
    most: int | None = None

    def allowed(self, wanted: int) -> int:
        """New tokens, so that the last one read is within the model's context, if the prompt is."""
        return wanted if self.most is None or self.most < 0 else min(wanted, self.most + 1)


class Rows:
    """Makes rows. `embed`: the language model's embeddings; `limit`: its context in tokens, if it has one."""

    def __init__(self, config: Any, sees: str, prompts: Prompts, embed: nn.Module, limit: int | None) -> None:
        self._config, self._sees, self._prompts, self._embed, self.limit = config, sees, prompts, embed, limit

    def row(self, media: Media | None, request: Request, seen: Seen | None, tokens: Tensor | None) -> Row:
        """`tokens`: the medium's for this question. The beginning of a text that is too long is left out."""
        before, after = self._prompts.parts(request.text, media)
        vision = 0 if tokens is None else len(tokens)
        inside = 0 if self._sees == "latents" else vision
        room = len(after) if self.limit is None else self.limit - len(before) - inside
        cut = max(0, len(after) - room) if room > 0 else 0
        device = self._embed.weight.device
        assert isinstance(device, torch.device)
        embeds = self._embed(torch.tensor([*before, *after[cut:]], device=device))
        if inside and tokens is not None:
            embeds = torch.cat([embeds[: len(before)], tokens, embeds[len(before) :]])
        places, latents, looks = None, None, None
        if self._sees == "patches":
            places = positions(len(before), seen, len(after) - cut, device)
        if self._sees == "latents":
            latents = self._nothing(embeds) if tokens is None else tokens
            looks = torch.arange(len(embeds), device=device) >= (len(embeds) if tokens is None else len(before) - 1)
        most = None if self.limit is None else self.limit - len(embeds)
        return Row(embeds, vision, len(before) + inside, places, latents, looks, cut, most)

    def _nothing(self, like: Tensor) -> Tensor:
        """Latents for a prompt without a picture, which nothing looks at."""
        vision = self._config.vision_config
        several = (vision.image_size // vision.patch_size) ** 2 + 1
        if self._config.use_resampler:
            several = self._config.perceiver_config.resampler_n_latents
        return like.new_zeros(several, vision.embed_dim)
