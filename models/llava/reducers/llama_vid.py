"""LLaMA-VID: a context token, which depends on the question, and content tokens, which do not, for every frame.

A Q-Former reads the question together with the frame; each of its queries attends to the frame's features, and the
average is the context token. Content is the pooled frame. Movie-LLM has the same modules. (Li et al. 2024; layout of
YanweiLi/llama-vid-7b-full-224-video-fps-1. The tower is EVA ViT-g of 1408 channels, the last block's output.)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel

from harness.errors import UserError
from models.llava.projector import build_projector

_COMPRESS = re.compile(r"mean|grid:([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Question:
    """Questions as BERT ids [T, L] and their mask [T, L], right-padded."""

    ids: Tensor
    mask: Tensor


class LlamaVid(nn.Module):
    """`compress`: None (every patch), "mean", or "grid:g" (g * g averages). Parameter names are the released ones.

    Not a `VisualReducer`: its visual tokens depend on the question, so frames are reduced once a question.
    """

    def __init__(
        self, qformer: InstructBlipQFormerConfig, queries: int, hidden: int, compress: str | None = None
    ) -> None:
        super().__init__()
        if compress and not _COMPRESS.fullmatch(compress):
            raise UserError(f"compress_type {compress!r} is unknown: null, 'mean' or 'grid:G'.")
        width = qformer.encoder_hidden_size
        self.compress = compress
        self.vlm_att_encoder = nn.ModuleDict({"bert": InstructBlipQFormerModel(qformer)})
        self.vlm_att_query = nn.Parameter(torch.zeros(1, queries, qformer.hidden_size))
        self.vlm_att_ln = nn.LayerNorm(width)
        self.vlm_att_projector = nn.Linear(qformer.hidden_size, width)
        self.vlm_att_key_projector, self.vlm_att_val_projector = nn.Linear(width, width), nn.Linear(width, hidden)
        self.mm_projector = build_projector("mlp2x_gelu", width, hidden)

    def forward(self, frames: Tensor, question: Question) -> Tensor:
        """Frames with class token [F, 1 + P, D] -> [T, F, 1 + n, H], the context token first."""
        text = self.queries(frames, question)
        shared = frames[:, 1:].repeat(len(question.ids), 1, 1)
        tokens = torch.cat([self.context(shared, text), self.mm_projector(self.content(shared))], dim=1)
        return tokens.unflatten(0, (len(question.ids), len(frames)))

    def queries(self, frames: Tensor, question: Question) -> Tensor:
        """The Q-Former's queries after it has seen question and frame [T * F, Q, D]; question by question."""
        prompts, count = len(question.ids), len(frames)
        query = self.vlm_att_query.expand(prompts * count, -1, -1)
        ids, mask = (one.repeat_interleave(count, 0) for one in (question.ids, question.mask))
        features = self.vlm_att_ln(frames).repeat(prompts, 1, 1)
        seen = torch.cat([mask.new_ones(query.shape[:2]), mask], dim=1)
        encoder = self.vlm_att_encoder["bert"]
        out = encoder(ids, attention_mask=seen, query_embeds=query, encoder_hidden_states=features).last_hidden_state
        return self.vlm_att_projector(out[:, : query.shape[1]])

    def context(self, patches: Tensor, text: Tensor) -> Tensor:
        """[B, P, D] and [B, Q, D] -> one token [B, 1, H]: attention per query, averaged over queries."""
        scores = text @ self.vlm_att_key_projector(patches).transpose(1, 2) / patches.shape[-1] ** 0.5
        return self.vlm_att_val_projector((scores.softmax(-1) @ patches).mean(1, keepdim=True))

    def content(self, patches: Tensor) -> Tensor:
        """[B, P, D] -> [B, n, D]. Raises UserError for a grid finer than the patches."""
        if self.compress is None:
            return patches
        if self.compress == "mean":
            return patches.mean(1, keepdim=True)
        grid, side = int(self.compress.removeprefix("grid:")), math.isqrt(patches.shape[1])
        if grid > side:
            raise UserError(f"LLaMA-VID was asked for {grid} * {grid} content tokens; a frame has {side} * {side}.")
        square = patches.transpose(1, 2).unflatten(2, (side, side))
        return functional.avg_pool2d(square, side // grid).flatten(2).transpose(1, 2)

    def token_count(self, patches: int) -> int:
        """Of a frame of so many patches, without class token."""
        if self.compress is None:
            return 1 + patches
        return 2 if self.compress == "mean" else 1 + int(self.compress.removeprefix("grid:")) ** 2


def native_key(key: str) -> str:
    """Key in a published checkpoint, without the leading `model.` -> parameter name here."""
    key = key.replace("bert.embeddings.LayerNorm.", "bert.embeddings.layernorm.")
    return re.sub(r"(attention|crossattention)\.self\.", r"\1.attention.", key)
