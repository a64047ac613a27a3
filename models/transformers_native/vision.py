"""From pixels to what the language model gets of a medium, through the parts of transformers' classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.transformers_native.families import Family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Medium:
    """A medium's records, in time order."""

    records: Sequence[NDArray[Any]]
    video: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """`tokens` [N, H]: visual tokens; of "queries" the tower's patches, of "latents" what is looked at beside the text.

    `grid`: their time, height and width, for positions in three dimensions; `pace`: what one step in time counts.
    """

    tokens: Tensor
    grid: tuple[int, int, int] | None = None
    pace: float = 1.0


class Vision:
    """The eyes of a model. `mean`, `std`: of channels in 0..1. `words`: the Q-Former's tokenizer."""

    def __init__(
        self,
        model: Any,
        family: Family,
        mean: Sequence[float],
        std: Sequence[float],
        words: PreTrainedTokenizerBase | None = None,
    ) -> None:
        self._model, self._family, self._words = model, family, words
        self._parts = getattr(model, "model", model)
        parameter = model.get_input_embeddings().weight
        self._device, self._dtype = parameter.device, parameter.dtype
        self._mean, self._std = (torch.tensor(one, device=self._device)[:, None, None] for one in (mean, std))

    def __call__(self, media: Sequence[Medium]) -> list[Seen]:
        """Pictures of all media go through the tower together; each video by itself."""
        if self._family.sees == "patches":
            return self._patches(media)
        pictures = [medium for medium in media if not medium.video]
        seen = iter(self._pictures(pictures) if pictures else [])
        return [self._video(medium) if medium.video else next(seen) for medium in media]

    def asked(self, seen: Sequence[Seen], texts: Sequence[str]) -> list[Tensor]:
        """Visual tokens [N, H] of each question's medium; a Q-Former that reads makes them for the question."""
        if self._family.sees != "queries" or not seen:
            return [one.tokens for one in seen]
        assert self._words is not None
        model = self._model
        patches = torch.stack([one.tokens for one in seen])
        words = self._words(list(texts), return_tensors="pt", padding=True, truncation=True).to(self._device)
        queries = model.query_tokens.to(patches.dtype).expand(len(patches), -1, -1)
        mask = torch.cat([words.attention_mask.new_ones(queries.shape[:2]), words.attention_mask], dim=1)
        out = model.qformer(
            input_ids=words.input_ids, attention_mask=mask, query_embeds=queries, encoder_hidden_states=patches
        )
        return list(model.language_projection(out.last_hidden_state[:, : queries.shape[1]]))

    def _pictures(self, media: Sequence[Medium]) -> list[Seen]:
        pixels = torch.cat([self._pixels(medium)[0] for medium in media])
        if self._family.sees == "queries":
            found = self._model.vision_model(pixel_values=pixels).last_hidden_state
        elif self._family.sees == "latents":
            found = self._parts.vision_model(pixel_values=pixels).last_hidden_state
            found = self._parts.perceiver_resampler(found) if self._model.config.use_resampler else found
        elif self._family.sees == "tiles":
            sizes = torch.tensor(np.concatenate([medium.records[0]["size"] for medium in media]), device=self._device)
            found = self._parts.get_image_features(pixel_values=pixels, image_sizes=sizes).pooler_output
        else:
            found = self._parts.get_image_features(pixel_values=pixels).pooler_output
        return [Seen(one.to(self._dtype)) for one in found]

    def _video(self, medium: Medium) -> Seen:
        frames = self._pixels(medium)[:, 0]
        found = self._parts.get_video_features(pixel_values_videos=frames[None]).pooler_output
        return Seen(found.reshape(-1, found.shape[-1]).to(self._dtype))

    def _patches(self, media: Sequence[Medium]) -> list[Seen]:
        """Qwen's: patches of every size in one row, two frames deep; a picture is two equal frames."""
        vision = self._model.config.vision_config
        deep, merge = vision.temporal_patch_size, vision.spatial_merge_size
        rows, grids = [], []
        for medium in media:
            frames = self._pixels(medium)[:, 0]
            frames = torch.cat([frames, frames[-1:].expand(-len(frames) % deep, -1, -1, -1)])
            height, width = (side // vision.patch_size for side in frames.shape[-2:])
            grids.append((len(frames) // deep, height, width))
            blocks = frames.reshape(
                -1, deep, 3, height // merge, merge, vision.patch_size, width // merge, merge, vision.patch_size
            )
            rows.append(blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(grids[-1][0] * height * width, -1))
        grid = torch.tensor(grids, device=self._device)
        found = self._parts.get_image_features(pixel_values=torch.cat(rows), image_grid_thw=grid).pooler_output
        per_second = getattr(vision, "tokens_per_second", None)
        return [
            Seen(
                tokens.to(self._dtype),
                (time, height // merge, width // merge),
                float(medium.records[0]["seconds"][0]) * deep * per_second if medium.video and per_second else 1.0,
            )
            for medium, tokens, (time, height, width) in zip(media, found, grids, strict=True)
        ]

    def _pixels(self, medium: Medium) -> Tensor:
        """Normalised [pictures, parts, 3, H, W]."""
        pixels = torch.from_numpy(np.concatenate([one["pixels"] for one in medium.records])).to(self._device)
        return ((pixels.movedim(-1, -3).float() / 255 - self._mean) / self._std).to(self._dtype)


def positions(before: int, seen: Seen | None, after: int, device: torch.device) -> Tensor:
    """Qwen's positions [3, L] of text, visual tokens and text: time, height and width.

    What follows goes on behind the highest, as in the released code (transformers 5 goes on behind height and width
    alone, which is the same for pictures and for videos of few frames).
    """
    text = torch.arange(before, device=device).expand(3, -1)
    if seen is None or seen.grid is None:
        return torch.arange(before + after, device=device).expand(3, -1)
    time, height, width = (torch.arange(side, device=device) for side in seen.grid)
    grid = torch.meshgrid((time * seen.pace).long(), height, width, indexing="ij")
    visual = torch.stack(grid).reshape(3, -1) + before
    return torch.cat([text, visual, visual.max() + 1 + torch.arange(after, device=device).expand(3, -1)], dim=1)
