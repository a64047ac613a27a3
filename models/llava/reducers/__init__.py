"""Visual token reducers: what stands between the vision tower and the language model. One file each.

A reducer works picture by picture (or frame by frame) in two steps, so that questions about one picture share the
first: `encode` sees the picture alone, `fuse` joins the result with rows of text. Projection belongs to the reducer.
A reducer of whole clips pools in its `buffer`; one whose tokens depend on the question is an `AskingReducer`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from models.llava.buffer import TokenBuffer
from models.llava.prefusion import SharedVision, TextContext
from models.llava.tower import FeatureRequest, VisualFeatures

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Encoded:
    """m pictures as far as no question is needed: `patches` [m, V, H] and `tokens` [m, K, H], both projected.

    Where the picture decides how many tokens it gets, and nothing is fused, see `Ragged`.
    """

    tokens: Tensor
    patches: Tensor | None = None

    def rows(self, index: Tensor) -> Encoded:
        return Encoded(self.tokens[index], None if self.patches is None else self.patches[index])


@dataclass(frozen=True, slots=True)
class Ragged(Encoded):
    """m pictures with a number of tokens of their own each, [K_i, H]. For reducers without `needs_text`."""

    tokens: Sequence[Tensor]  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Reduction:
    """What the language model gets: `visual` [B, K, H] a row, and `text` [B, T, H] in place of the raw embeddings."""

    visual: Tensor
    text: Tensor


class VisualReducer(nn.Module, ABC):
    """Turns tower features into the tokens of the language model.

    `key_prefixes`: where its parameters lie in the public state dict -> attribute of this module. `needs_text`: whether
    `fuse` does anything; without, text embeddings enter the language model as they are. `spread`, `squeeze`: how its
    release takes frames of videos, where that differs from LLaVA-Mini's; see `LlavaPreparer`. `kept_word`, and
    `kept`, its id: tokens after the medium that are all that later text sees of what comes before them. `notes`: what
    a model's card says of it.
    """

    key_prefixes: ClassVar[Mapping[str, str]] = {"model.mm_projector.": "projector."}
    request: FeatureRequest
    needs_text: bool = False
    spread: ClassVar[int | None] = None
    squeeze: ClassVar[bool | None] = None
    kept_word: ClassVar[str | None] = None
    kept: int | None = None
    notes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        """Features of m*parts pictures (parts of one image stand together) -> m encoded images."""

    def public_key(self, name: str) -> str:
        """Name of a parameter of this module -> key in a published checkpoint."""
        for public, own in self.key_prefixes.items():
            if name.startswith(own):
                return f"{public}{name.removeprefix(own)}"
        return f"reducer.{name}"

    def buffer(self) -> TokenBuffer:
        """What gathers the tokens of one medium as its pictures come; it may pool over the whole clip."""
        return TokenBuffer()

    def fuse(self, encoded: Encoded, text: TextContext) -> Reduction:
        """One encoded image a row of text. Must not look across rows; visual tokens must not depend on the text."""
        return Reduction(encoded.tokens, text.embeds)

    @abstractmethod
    def token_count(self, patches: int) -> int | None:
        """Tokens of one image of so many patches (all parts) in the language model; None where the picture decides."""


class FusingReducer(VisualReducer):
    """A reducer whose `fuse` can be done in two parts, so that questions about one medium share the first."""

    @abstractmethod
    def begin(self, encoded: Encoded) -> SharedVision:
        """The visual part of `fuse`, for any questions about these pictures."""

    @abstractmethod
    def go_on(self, vision: SharedVision, text: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """The rest of `fuse`: rows of text [m, N, H] fused, at `positions` [N] under `mask` [1, 1, N, keys].

        The cache in `vision` grows by N. What the mask hides may not matter.
        """


@dataclass(frozen=True, slots=True)
class Question:
    """Questions in a vocabulary of the reducer's own: ids [T, L] and their mask [T, L], right-padded."""

    ids: Tensor
    mask: Tensor

    def rows(self, index: Tensor) -> Question:
        return Question(self.ids[index], self.mask[index])


class AskingReducer(VisualReducer):
    """A reducer whose visual tokens depend on the question, so that each question has visual tokens of its own.

    Of `encode` everything is shared by the questions about a picture. `vocabulary`: hub id of the tokenizer of
    questions, which the loader sets as `words`.
    """

    needs_text = True
    vocabulary: ClassVar[str]
    words: PreTrainedTokenizerBase

    @abstractmethod
    def read(self, questions: Sequence[str]) -> Question:
        """Questions as their authors wrote them, without template."""

    @abstractmethod
    def ask(self, encoded: Encoded, question: Question) -> Tensor:
        """One encoded image a question [B] -> its tokens [B, K, H]. Must not look across rows."""
