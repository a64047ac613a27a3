"""The language models of transformers' classes, in the two parts that decoding needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from models.llava.generation import LanguageModel, greedy
from models.transformers_native.rows import Row


class Decoder:
    """A decoder and its output embeddings, of any of the classes. `encodes`: a T5, whose encoder reads the prompt."""

    def __init__(self, model: Any) -> None:
        whole = getattr(model, "language_model", model)
        self.model, self.lm_head = whole.get_decoder(), whole.get_output_embeddings()
        self.config = self.model.config
        self.encodes = bool(whole.config.is_encoder_decoder)

    @property
    def last_position(self) -> int | None:
        """Where positions are learned: the last there is, at which rows that have ended wait for others."""
        return self.config.max_position_embeddings - 1 if hasattr(self.model, "embed_positions") else None

    @property
    def keeps_all(self) -> bool:
        """Whether all keys and values of a prompt stay: no encoder beside, no sliding window."""
        return not self.encodes and not any(DynamicCache(config=self.config).is_sliding)


class LookingDecoder:
    """IDEFICS's: between its layers it looks at latents [B, N, D] that stand beside the text.

    `looks` bool [B, L]: which positions of the prompt do (those from the picture on); later ones do as the last.
    """

    def __init__(self, decoder: Decoder, latents: Tensor, looks: Tensor) -> None:
        self._decoder, self._looks = decoder, looks
        self.model, self.lm_head, self.config = self, decoder.lm_head, decoder.config
        self.embed_tokens = decoder.model.embed_tokens
        key = "perceiver_embeddings" if decoder.config.use_resampler else "image_encoder_embeddings"
        self._latents = {key: latents[:, None]}

    def __call__(self, inputs_embeds: Tensor, past_key_values: Any, **others: Any) -> Any:
        start, length = past_key_values.get_seq_length(), inputs_embeds.shape[1]
        looks = self._looks[:, start : start + length]
        looks = torch.cat([looks, self._looks[:, -1:].expand(-1, length - looks.shape[1])], dim=1)
        return self._decoder.model(
            inputs_embeds=inputs_embeds,
            past_key_values=past_key_values,
            image_attention_mask=looks[..., None],
            **self._latents,
            **others,
        )


def generate(
    model: Any, decoder: Decoder, rows: Sequence[Row], longest: int, ended: Callable[[int, Sequence[int]], bool]
) -> list[list[int]]:
    """Greedy new tokens of every row, its end included; left-padded, so that all end at the same place."""
    embeds = _padded([row.embeds for row in rows])
    mask = _padded([row.start.new_ones(row.length, dtype=torch.bool) for row in rows])
    if decoder.encodes:
        return _encoded(model, embeds, mask, longest, ended)
    positions = None
    if rows[0].positions is not None:
        columns = [row.positions.T for row in rows if row.positions is not None]
        positions = _padded(columns).movedim(-1, 0)
    return greedy(
        looking(decoder, rows),
        embeds,
        mask,
        longest,
        ended,
        positions=positions,
        last_position=decoder.last_position,
    ).tokens


def looking(decoder: Decoder, rows: Sequence[Row]) -> LanguageModel:
    """The decoder with what each row looks at beside its text, if that is the family's way."""
    if rows[0].latents is None:
        return decoder
    latents = torch.stack([row.latents for row in rows if row.latents is not None])
    return LookingDecoder(decoder, latents, _padded([row.looks for row in rows if row.looks is not None]))


def _encoded(
    model: Any, embeds: Tensor, mask: Tensor, longest: int, ended: Callable[[int, Sequence[int]], bool]
) -> list[list[int]]:
    """A T5 reads the prompt in its encoder; transformers' own loop writes the answer."""
    out = model.language_model.generate(
        inputs_embeds=embeds, attention_mask=mask, max_new_tokens=longest, do_sample=False, num_beams=1
    )
    tokens = []
    for index, row in enumerate(out[:, 1:].tolist()):  # after the token that starts every answer
        length = next((at for at in range(1, len(row)) if ended(index, row[:at])), len(row))
        tokens.append(row[:length])
    return tokens


def _padded(rows: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_side="left")
