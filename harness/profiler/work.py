"""The work of one answer of a LLaVA-family model in its two phases, on any device, the meta device included.

Phase 1 streams pictures or frames past the question (tower to pre-fusion); phase 2 is the language model's prefill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache

from models.llava.pixels import FRAMES_AT_ONCE
from models.llava.prompts import IMAGE
from models.llava.reducers.llava_mini import LlavaMini

if TYPE_CHECKING:
    from models.llava.fusion import MediaFusion
    from models.llava.model import LlavaModel

STAGES = {
    "tower": "tower",
    "reducer.projector": "projector",
    "reducer.compressor": "compression",
    "reducer.prefusion": "prefusion",
    "lm": "language_model",
}
"""Submodules of LlavaModel -> names of the stages."""


@dataclass(frozen=True, slots=True)
class Work:
    """One question of `text_tokens` tokens (placeholder excluded) about one picture or video.

    `parts`: pictures a frame goes through the tower as (5 for 2 x 2 tiles and the whole). Pixels and ids are made up.
    """

    model: LlavaModel
    text_tokens: int
    parts: int = 1
    chunk: int = FRAMES_AT_ONCE

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.lm.lm_head.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.model.lm.lm_head.weight.dtype
        return dtype

    @property
    def tokens_per_frame(self) -> int:
        """Vision tokens of a frame in the language model."""
        patches = self.parts * self.model.tower.grid**2
        return self.model.reducer.token_count(patches) or patches

    def ids(self) -> Tensor:
        """A question [1, 1 + T]: ids that any vocabulary has, the placeholder second."""
        ids = torch.ones(1, self.text_tokens + 1, dtype=torch.long, device=self.device)
        ids[0, 1] = IMAGE
        return ids

    def pictures(self, frames: int) -> Tensor:
        """uint8 [frames, parts, S, S, 3], grey, on the CPU (on meta: there)."""
        side = self.model.tower.processor.crop
        device = "meta" if self.device.type == "meta" else "cpu"
        return torch.full((frames, self.parts, side, side, 3), 128, dtype=torch.uint8, device=device)

    def stages(self) -> dict[str, torch.nn.Module]:
        """The stages that this model has, by name."""
        modules = dict(self.model.named_modules())
        return {stage: modules[path] for path, stage in STAGES.items() if path in modules}

    def stream(self, frames: int) -> MediaFusion | Shadow:
        """Phase 1: every frame past the question, a chunk at a time. What is returned is all that stays."""
        return self._shadow(frames) if self.device.type == "meta" else self.real(frames)

    def streamed(self, frames: int) -> MediaFusion | Shadow:
        """What phase 1 leaves, on meta without going through it."""
        if self.device.type != "meta":
            return self.real(frames)
        shadow = self._shadow(0)
        width = self.model.lm.config.hidden_size
        for _ in range(frames):
            shadow.visual.append(torch.empty(self.tokens_per_frame, width, dtype=self.dtype, device=self.device))
        return shadow

    def real(self, frames: int) -> MediaFusion:
        """Phase 1 on a device that computes, by the code that answers questions."""
        from models.llava.fusion import MediaFusion

        fusion = MediaFusion(self.model, self.ids(), [0])
        for size in self._chunks(frames):
            fusion.add(self.model.tower.normalise(self.pictures(size), self.dtype), [0] * size)
        return fusion

    def prefill(self, fused: MediaFusion | Shadow) -> Any:
        """Phase 2 after phase 1: as the adapter does it, with a cache and logits of the last position."""
        if isinstance(fused, Shadow):
            visual = torch.cat(fused.visual)
            text = fused.total.to(self.dtype)[0] if self.model.reducer.needs_text else fused.text[0]
            row = torch.cat([text[:1], visual, text[2:]])
            embeds = torch.nn.utils.rnn.pad_sequence([row], batch_first=True)
        else:
            embeds = self.model.assemble(fused, self.ids(), padding_side="left").embeds
        cache = DynamicCache(config=self.model.lm.config)
        return self.model.lm(inputs_embeds=embeds, past_key_values=cache, use_cache=True, logits_to_keep=1)

    def first_token(self, frames: int = 1) -> Tensor:
        """From pixels to the first token's id: what time to first token is, image decoding excluded."""
        logits: Tensor = self.prefill(self.stream(frames)).logits
        return logits[:, -1].argmax(-1)

    def generate(self, tokens: int, frames: int = 1) -> None:
        """An answer of exactly so many tokens."""
        from models.llava.generation import greedy

        inputs = self.model.assemble(self.real(frames), self.ids(), padding_side="left")
        greedy(self.model.lm, inputs.embeds, inputs.mask, tokens, lambda *_: False)

    def paper_forward(self, frames: int) -> tuple[Any, Tensor]:
        """What stays after one forward of the released code on transformers < 4.45: the cache, and fp32 logits of
        every position (specs/efficiency.md section 3). The text is not counted in."""
        width = self.model.lm.config.hidden_size
        embeds = torch.empty(1, frames * self.tokens_per_frame, width, dtype=self.dtype, device=self.device)
        out = self.model.lm(inputs_embeds=embeds, use_cache=True)
        return out.past_key_values, out.logits.float()

    def _chunks(self, frames: int) -> list[int]:
        whole, rest = divmod(frames, self.chunk)
        return [self.chunk] * whole + [rest] * bool(rest)

    def _shadow(self, frames: int) -> Shadow:
        """`MediaFusion` without its index arithmetic, which meta tensors cannot do; it makes and keeps the same."""
        text = self.model.lm.model.embed_tokens(self.ids().clamp(min=0))
        shadow = Shadow([], text, torch.zeros_like(text, dtype=torch.float32))
        for size in self._chunks(frames):
            self._add(shadow, size)
        return shadow

    def _add(self, shadow: Shadow, frames: int) -> None:
        model = self.model
        pixels = model.tower.normalise(self.pictures(frames), self.dtype)
        encoded = model.reducer.encode(model.tower(pixels.flatten(0, 1), model.reducer.request), self.parts)
        tokens = encoded.tokens
        if isinstance(model.reducer, LlavaMini) and model.reducer.needs_text:
            assert encoded.patches is not None
            start, count = encoded.patches.shape[1], tokens.shape[1]
            text = shadow.text[:, 1:].expand(frames, -1, -1)  # the placeholder takes no part: T of 1 + T
            hidden = model.reducer.prefusion.blocks(torch.cat([encoded.patches, tokens, text], dim=1))
            tokens = hidden[:, start : start + count]
            for one in hidden[:, start + count :]:
                shadow.total[:, 1:] += one.float()
        shadow.visual.extend(one.clone() for one in tokens)


@dataclass(frozen=True, slots=True)
class Shadow:
    """What stays of a pass on the meta device: visual tokens a frame, the text [1, 1 + T, H] and its fp32 sum."""

    visual: list[Tensor]
    text: Tensor
    total: Tensor
