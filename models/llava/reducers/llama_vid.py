"""LLaMA-VID: a context token, which depends on the question, and content tokens, which do not, for every frame.

A Q-Former reads the question together with the frame; each of its queries attends to the frame's features, and the
average is the context token. Content is the pooled frame. Movie-LLM has the same modules. (Li et al. 2024; layout of
YanweiLi/llama-vid-7b-full-224-video-fps-1. The tower is EVA ViT-g of 1408 channels, the last block's output.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel

from harness.errors import UserError
from models.llava.config import LlavaConfig
from models.llava.projector import build_projector
from models.llava.reducers import AskingReducer, Encoded, Question
from models.llava.tower import FeatureRequest, VisualFeatures

QUERIES = 32
WORDS = 30523
"""Of BERT's uncased vocabulary and one mark more."""
LONGEST = 256
"""Of a question in BERT's words; what is beyond it is cut from its beginning."""
_COMPRESS = re.compile(r"mean|grid:([1-9]\d*)")


class LlamaVid(nn.Module):
    """`compress`: None (every patch), "mean", or "grid:g" (g * g averages). Parameter names are the released ones.

    The modules alone; `LlamaVidReducer` puts them behind a checkpoint's config.
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
        """Frames with class token [B, 1 + P, D], a question each -> [B, 1 + n, H], the context token first."""
        content = self.mm_projector(self.content(frames[:, 1:]))
        return torch.cat([self.context(frames[:, 1:], self.queries(frames, question)), content], dim=1)

    def queries(self, frames: Tensor, question: Question) -> Tensor:
        """The Q-Former's queries after each has seen its question and frame [B, Q, D]."""
        query = self.vlm_att_query.expand(len(frames), -1, -1)
        seen = torch.cat([question.mask.new_ones(query.shape[:2]), question.mask], dim=1)
        encoder = self.vlm_att_encoder["bert"]
        out = encoder(
            question.ids,
            attention_mask=seen,
            query_embeds=query,
            encoder_hidden_states=self.vlm_att_ln(frames),
        ).last_hidden_state
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


def published_key(name: str) -> str:
    """Parameter of transformers' Q-Former -> its name in published checkpoints."""
    name = name.replace("bert.embeddings.layernorm.", "bert.embeddings.LayerNorm.")
    return re.sub(r"(attention|crossattention)\.attention\.", r"\1.self.", name)


class LlamaVidReducer(AskingReducer):
    """LLaMA-VID behind config.json: `compress_type`, `num_query`. `config.options`: `bert`, if not BERT-base's shape.

    Frames keep their aspect ratio and are cropped, as released.
    """

    key_prefixes: ClassVar[Mapping[str, str]] = {"model.": "head."}
    squeeze: ClassVar[bool | None] = False
    vocabulary: ClassVar[str] = "bert-base-uncased"
    notes: ClassVar[tuple[str, ...]] = (
        "greedy decoding; the release samples answers about videos at temperature 0.2",
        "frames at the centres of equal segments; the release takes one a second from the first on",
        "the language model reads a medium anew for each question, since context tokens are each question's own",
    )

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self.request = FeatureRequest((-1,), keep_class=True)
        bert = {"vocab_size": WORDS, "encoder_hidden_size": config.vision_width, **config.options.get("bert", {})}
        queries, compress = int(config.raw.get("num_query", QUERIES)), config.raw.get("compress_type")
        self.head = LlamaVid(InstructBlipQFormerConfig(**bert), queries, config.llama["hidden_size"], compress)
        self._longest = min(LONGEST, int(self.head.vlm_att_encoder["bert"].config.max_position_embeddings))

    def public_key(self, name: str) -> str:
        return published_key(super().public_key(name))

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        """Content tokens and the frames themselves; of several parts the last, which is the whole."""
        frames = features.only().unflatten(0, (-1, parts))[:, -1]
        return Encoded(self.head.mm_projector(self.head.content(frames[:, 1:])), frames)

    def read(self, questions: Sequence[str]) -> Question:
        found = self.words(
            list(questions), truncation=True, max_length=self._longest, padding=True, return_tensors="pt"
        ).to(self.head.vlm_att_query.device)
        return Question(found.input_ids, found.attention_mask)

    def ask(self, encoded: Encoded, question: Question) -> Tensor:
        assert encoded.patches is not None
        text = self.head.queries(encoded.patches, question)
        return torch.cat([self.head.context(encoded.patches[:, 1:], text), encoded.tokens], dim=1)

    def token_count(self, patches: int) -> int:
        return self.head.token_count(patches)
