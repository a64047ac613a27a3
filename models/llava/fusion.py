"""One streaming pass of frames past the text: what every picture or frame contributes is added up as it comes.

Of each frame only its compressed tokens are kept (copied out, so that no view keeps a large activation alive) and the
fused text as a running fp32 sum a row. Frames of a long video never stand in memory together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.llava.prefusion import TextContext
from models.llava.reducers import AskingReducer

if TYPE_CHECKING:
    from models.llava.model import LlavaModel

PAIR_TOKENS = 65536
"""Positions that pre-fusion handles in one call; more (frame, question) pairs are split."""


class MediaFusion:
    """Media streamed past B text rows; each row has exactly one medium.

    `ids` [B, T] right-padded, placeholder -200. `medium_of[b]`: the medium of row b. `labels` [B, T]: in training,
    answers (labels other than -100) are hidden from fusion. `questions[b]`: as asked, for reducers that read them.
    """

    def __init__(
        self,
        model: LlavaModel,
        ids: Tensor,
        medium_of: Sequence[int],
        labels: Tensor | None = None,
        questions: Sequence[str] = (),
    ) -> None:
        self._model = model
        visible = ids > 0 if labels is None else (ids > 0) & (labels == -100)
        self._text = TextContext(model.lm.model.embed_tokens(ids.clamp(min=0)), visible)
        self._medium_of = torch.tensor(medium_of, device=ids.device)
        self._sum = torch.zeros_like(self._text.embeds, dtype=torch.float32)
        self._buffer_of, self._question = list(medium_of), None
        if isinstance(model.reducer, AskingReducer):
            if len(questions) != len(ids):
                raise ValueError(f"a question a row is needed to see anything: {len(questions)} for {len(ids)} rows")
            self._buffer_of, self._question = list(range(len(ids))), model.reducer.read(questions)
        self._visual = [model.reducer.buffer() for _ in range(max(self._buffer_of) + 1)]

    def add(self, pixels: Tensor, medium: Sequence[int]) -> None:
        """Normalised pixels [m, P, 3, S, S] of m pictures or frames; `medium[i]`: which medium picture i belongs to.

        Frames of one medium come in time order.
        """
        reducer = self._model.reducer
        features = self._model.tower(pixels.flatten(0, 1), reducer.request)
        encoded = reducer.encode(features, parts=pixels.shape[1])
        if not reducer.needs_text:
            self._keep(zip(medium, encoded.tokens, strict=True))
            return
        of = torch.tensor(medium, device=pixels.device)
        pictures, rows = torch.nonzero(of[:, None] == self._medium_of[None], as_tuple=True)
        width = encoded.tokens.shape[1] + self._text.embeds.shape[1]
        width += 0 if encoded.patches is None else encoded.patches.shape[1]
        fused = -1
        for some in torch.split(torch.arange(len(rows), device=rows.device), max(1, PAIR_TOKENS // width)):
            picture, row = pictures[some], rows[some]
            if self._question is not None:
                self._keep_own(row, reducer.ask(encoded.rows(picture), self._question.rows(row)))
                continue
            reduction = reducer.fuse(encoded.rows(picture), self._text.rows(row))
            new = []
            for index in picture.unique().tolist():
                own = picture == index
                # Picture by picture, so that a sum's order, and with it the result, is always that of time.
                self._sum[row[own]] += reduction.text[own].float()
                if index > fused:
                    # Vision does not see text, so the tokens of a picture's first row are those of all its rows.
                    new.append((medium[index], reduction.visual[own][0]))
                    fused = index
            self._keep(new)

    def _keep_own(self, rows: Tensor, tokens: Tensor) -> None:
        """Visual tokens [m, K, H] of pictures in time order that were made for one row of text each."""
        for row in rows.unique().tolist():
            self._visual[row].add(tokens[rows == row])

    def _keep(self, tokens: Iterable[tuple[int, Tensor]]) -> None:
        """Visual tokens of pictures with the medium of each; neighbours of one medium go together."""
        for owner, some in groupby(tokens, key=itemgetter(0)):
            self._visual[owner].add([one for _, one in some])

    def frames(self, row: int) -> int:
        """Pictures or frames that the row's medium has had so far."""
        return self._visual[self._buffer_of[row]].pictures

    def visual(self, row: int) -> Tensor:
        """The visual tokens of a row's medium in time order, [F*K, H]."""
        return self._visual[self._buffer_of[row]].tokens()

    def text(self) -> Tensor:
        """The text features [B, T, H], averaged over each row's frames."""
        if not self._model.reducer.needs_text or self._question is not None:
            return self._text.embeds
        frames = torch.tensor([self.frames(row) for row in range(len(self._sum))], device=self._sum.device)
        return (self._sum / frames[:, None, None]).to(self._text.embeds.dtype)
