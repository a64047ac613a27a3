"""`LlavaModel`: tower, reducer and a Llama backbone, assembled as the released LLaVA-Mini code does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from models.llava.config import LlavaConfig
from models.llava.fusion import MediaFusion
from models.llava.generation import Decoder, Generated, greedy
from models.llava.prompts import IGNORE, IMAGE
from models.llava.reducers import VisualReducer
from models.llava.tower import VisionTower


@dataclass(frozen=True, slots=True)
class Assembled:
    """What the language model is fed: `embeds` [B, L, H], `mask` bool [B, L], `labels` [B, L].

    `vision[b]`: how many of row b's positions are its medium's. `cut[b]`: tokens lost because row b was longer than
    `max_length` (its tail, i.e. the question).
    """

    embeds: Tensor
    mask: Tensor
    labels: Tensor
    vision: tuple[int, ...]
    cut: tuple[int, ...]

    def positions(self) -> Tensor:
        """Positions in generation: a running count over what is not padding; padding gets 1."""
        return (self.mask.cumsum(1) - 1).masked_fill(~self.mask, 1)


@dataclass(frozen=True, slots=True)
class LlavaOutput:
    """`logits` [B, L, V] and, with labels, the mean `loss` over answer tokens."""

    logits: Tensor
    loss: Tensor | None
    inputs: Assembled | None


class LlavaModel(nn.Module):
    """A LLaVA-family model. Ids are right-padded, with one placeholder -200 where the medium goes."""

    def __init__(self, config: LlavaConfig, tower: VisionTower, reducer: VisualReducer, lm: LlamaForCausalLM) -> None:
        super().__init__()
        self.config, self.tower, self.reducer, self.lm = config, tower, reducer, lm
        self.read_on: Decoder | None = None
        """A compiled `lm.model` for the tokens of an answer; None: as it is."""

    def compile_decoding(self) -> None:
        """The language model for one token more of any number of answers; graphs are made as they are first needed."""
        self.read_on = torch.compile(self.lm.model.__call__, dynamic=True)

    def forward(
        self,
        input_ids: Tensor,
        images: Tensor | Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> LlavaOutput:
        """Logits of every position.

        `images`: normalised pixels, one entry a row: [B, P, 3, S, S] (image of P parts), [B, F, P, 3, S, S] (video),
        or a list of [P, 3, S, S] and [F, P, 3, S, S]. None: plain Llama over the ids, no pre-fusion, as released.
        """
        if images is None:
            return LlavaOutput(self.lm(input_ids=input_ids, attention_mask=attention_mask).logits, None, None)
        inputs = self.assemble(self.fuse(input_ids, images, labels), input_ids, attention_mask, labels)
        logits = self.lm(inputs_embeds=inputs.embeds, attention_mask=_needed(inputs.mask)).logits
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(), inputs.labels[:, 1:].flatten(), ignore_index=IGNORE
            )
        return LlavaOutput(logits, loss, inputs)

    def generate(
        self,
        input_ids: Tensor,
        images: Tensor | Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        max_new_tokens: int = 128,
        stop: Collection[int] = (),
        keep_logits: bool = False,
    ) -> Generated:
        """Greedy new tokens, batched, with a key/value cache; arguments as in `forward`, `stop`: end tokens."""
        if images is None:
            inputs = self.text_inputs(input_ids, attention_mask)
        else:
            inputs = self.assemble(self.fuse(input_ids, images), input_ids, attention_mask, padding_side="left")
        return greedy(
            self.lm,
            inputs.embeds,
            inputs.mask,
            max_new_tokens,
            lambda _, tokens: tokens[-1] in stop,
            keep_logits,
            read_on=self.read_on,
        )

    def fuse(self, input_ids: Tensor, images: Tensor | Sequence[Tensor], labels: Tensor | None = None) -> MediaFusion:
        """All rows with a medium of their own each; media of equal shape go through the tower together."""
        fusion = MediaFusion(self, input_ids, range(len(input_ids)), labels)
        if isinstance(images, Tensor) and images.dim() == 5:
            fusion.add(images, range(len(images)))
            return fusion
        for row, medium in enumerate(images):
            for frame in medium if medium.dim() == 5 else medium[None]:
                fusion.add(frame[None], [row])
        return fusion

    def assemble(
        self,
        fusion: MediaFusion,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        padding_side: str | None = None,
    ) -> Assembled:
        """Puts the visual tokens in the placeholder's place, cuts to `max_length`, pads with zero vectors.

        `padding_side` None: the config's. A row without placeholder gets its fused text alone.
        """
        text = fusion.text()
        keep = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        rows, targets, media = [], [], []
        for row, ids in enumerate(input_ids):
            own, kept = ids[keep[row]], text[row][keep[row]]
            target = torch.full_like(own, IGNORE) if labels is None else labels[row][keep[row]]
            places = torch.nonzero(own == IMAGE).flatten().tolist()
            media.append((0, 0))
            if len(places) > 1:
                raise ValueError(f"row {row} has {len(places)} placeholders; LLaVA-Mini takes one medium a row")
            if places:
                visual, at = fusion.visual(row), places[0]
                media[-1] = (at, len(visual))
                kept = torch.cat([kept[:at], visual, kept[at + 1 :]])
                target = torch.cat([target[:at], target.new_full((len(visual),), IGNORE), target[at + 1 :]])
            rows.append(kept)
            targets.append(target)
        return _padded(rows, targets, media, self.config.max_length, padding_side or self.config.padding_side)

    def joined(self, shared: Tensor, questions: Sequence[Tensor], before: int) -> Assembled:
        """A row a question [P + T_b, H], cut to `max_length`, left-padded. `before`: positions of text in `shared`."""
        rows = [torch.cat([shared, one]) for one in questions]
        labels = [torch.full(row.shape[:1], IGNORE, device=row.device) for row in rows]
        return _padded(rows, labels, [(before, len(shared) - before)] * len(rows), self.config.max_length, "left")

    def text_inputs(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Assembled:
        """Rows without a medium, left-padded for generation: plain embeddings, no pre-fusion, no cut, as released."""
        keep = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        rows = [self.lm.model.embed_tokens(ids[kept]) for ids, kept in zip(input_ids, keep, strict=True)]
        targets = [torch.full(row.shape[:1], IGNORE, device=row.device) for row in rows]
        return _padded(rows, targets, [(0, 0)] * len(rows), None, "left")


def _padded(
    rows: list[Tensor], labels: list[Tensor], media: list[tuple[int, int]], limit: int | None, side: str
) -> Assembled:
    """Rows [L_b, H] cut to `limit` and padded on one side. `media`: where each row's medium starts, and its tokens."""
    cut = tuple(max(0, len(row) - limit) if limit else 0 for row in rows)
    kept = [row[:limit] for row in rows]
    ones = [row.new_ones(len(row), dtype=torch.bool) for row in kept]
    return Assembled(
        nn.utils.rnn.pad_sequence(kept, batch_first=True, padding_side=side),
        nn.utils.rnn.pad_sequence(ones, batch_first=True, padding_side=side),
        nn.utils.rnn.pad_sequence([row[:limit] for row in labels], True, IGNORE, side),
        tuple(max(0, min(count, len(row) - at)) for row, (at, count) in zip(kept, media, strict=True)),
        cut,
    )


def _needed(mask: Tensor) -> Tensor | None:
    """The mask, or None where nothing is padded: attention is then causal without an L x L mask."""
    return None if bool(mask.all()) else mask
