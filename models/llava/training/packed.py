"""The training forward: several questions about one picture or clip in one sequence, sharing everything before them.

Attention is causal and the vision part comes first, so a question's hidden states do not depend on other questions as
long as it cannot see them. `[shared | question 1 | question 2 | ...]` with a block mask therefore gives the loss of the
plain forward (tested), at a fraction of its cost.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.llava.model import IGNORE, LlavaModel
from models.llava.reducers.llava_mini import LlavaMini
from models.llava.tower import VisualFeatures


class PackedLlava(nn.Module):
    """A `LlavaModel` fed with frozen tower features instead of pixels. It trains that model's own parameters."""

    def __init__(self, model: LlavaModel) -> None:
        super().__init__()
        self.lm, self.reducer = model.lm, model.reducer
        self.compress = isinstance(model.reducer, LlavaMini)

    def forward(self, input_ids: Tensor, labels: Tensor, features: Tensor | None = None) -> dict[str, Tensor]:
        """input_ids, labels [P, Q, T] (right-padded, `IGNORE` on prompts); features [P, F, N, D] of P packs' frames.

        With features, the medium stands after the first token of every question. Returns the mean answer loss.
        """
        logits, targets = self.answers(input_ids, labels, features)
        return {"loss": nn.functional.cross_entropy(logits, targets)}

    def answers(self, input_ids: Tensor, labels: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits [answer tokens, V], each read at the position before its token, and the tokens themselves."""
        embedded = self.lm.model.embed_tokens(input_ids.clamp(min=0))
        if features is None:
            return self._read(self._language(embedded[:, :1, 0], embedded[:, :, 1:]), labels[:, :, 1:])
        embedded = embedded.detach()  # as in LLaVA-Mini: pictures do not move the embeddings
        start, text, labels = embedded[:, :1, 0], embedded[:, :, 2:], labels[:, :, 2:]  # 1 is the placeholder
        visible = (input_ids[:, :, 2:] > 0) & (labels == IGNORE)
        frames = features.shape[1]
        if not self.compress:
            encoded = self.reducer.encode(VisualFeatures({0: features.flatten(0, 1)}), parts=1)
            vision = encoded.tokens.unflatten(0, (-1, frames)).flatten(1, 2)
        else:
            patches = self.reducer.projector(features.flatten(0, 1))
            compressed = self.reducer.projector(self.reducer.compressor(features.flatten(0, 1)))
            vision, start, text = self._prefuse(patches, compressed, start, text, visible, frames)
        hidden = self._language(torch.cat([start, vision], dim=1), text)
        return self._read(hidden, labels)

    def _prefuse(
        self, patches: Tensor, compressed: Tensor, start: Tensor, text: Tensor, visible: Tensor, frames: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Every frame is fused with the text by itself; text features are then averaged over frames."""
        first, count = patches.shape[1], compressed.shape[1]
        repeat = [tensor.repeat_interleave(frames, dim=0) for tensor in (start, text, visible)]
        shared = torch.cat([patches, compressed, repeat[0]], dim=1)
        shared, fused = _blocks(self.reducer.prefusion.layers, self.lm.model.rotary_emb, shared, repeat[1], repeat[2])
        packs = (-1, frames)
        vision = shared[:, first : first + count].unflatten(0, packs).flatten(1, 2)
        start = shared[:, first + count :].unflatten(0, packs).mean(1)
        return vision, start, torch.where(visible[..., None], fused.unflatten(0, packs).mean(1), text)

    def _language(self, shared: Tensor, text: Tensor) -> Tensor:
        """Hidden states [P, Q, 1 + T, H]: the shared part's last position, then each question's positions."""
        seen = torch.ones(text.shape[:3], dtype=torch.bool)
        before, after = _blocks(self.lm.model.layers, self.lm.model.rotary_emb, shared, text, seen)
        last = before[:, None, -1:].expand(-1, text.shape[1], -1, -1)
        return self.lm.model.norm(torch.cat([last, after], dim=2))

    def _read(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Only the positions before answer tokens reach the head. `hidden` has one position more than `labels`."""
        kept = labels != IGNORE
        logits: Tensor = self.lm.lm_head(hidden[:, :, :-1][kept])
        return logits, labels[kept]


def _blocks(
    layers: Iterable[nn.Module], rotary: nn.Module, shared: Tensor, text: Tensor, visible: Tensor
) -> tuple[Tensor, Tensor]:
    """Runs decoder layers over shared [P, S, H] and text [P, Q, T, H], each question blind to all others.

    `visible` [P, Q, T]: positions that may be looked at; others keep position 1 and are seen by none.
    """
    packs, questions, tokens, _ = text.shape
    prefix = shared.shape[1]
    length = prefix + questions * tokens
    block = torch.arange(questions).repeat_interleave(tokens) + 1
    block = torch.cat([torch.zeros(prefix, dtype=torch.long), block])
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = causal & ((block[:, None] == block) | (block == 0))
    keys = torch.cat([torch.ones(packs, prefix, dtype=torch.bool), visible.flatten(1)], dim=1)
    mask = (allowed & keys[:, None, :]) | torch.eye(length, dtype=torch.bool)
    counted = (prefix - 1 + visible.cumsum(-1)).where(visible, torch.ones(()).long()).flatten(1)
    positions = torch.cat([torch.arange(prefix).expand(packs, -1), counted], dim=1)
    hidden = torch.cat([shared, text.flatten(1, 2)], dim=1)
    angles = rotary(hidden, positions)
    for layer in layers:
        hidden = layer(
            hidden, attention_mask=mask[:, None], position_ids=positions, position_embeddings=angles, use_cache=False
        )
    return hidden[:, :prefix], hidden[:, prefix:].unflatten(1, (questions, tokens))
