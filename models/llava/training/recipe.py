"""How the shipped tiny models were trained: one recipe for all of them.

Stage 2 has two parts, pictures and then clips among pictures. Each begins with what everything later stands on: looking
things up in simple pictures (colour and shape, up to three things), and naming an option by its letter.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.llava.training.data import Encode, Pack, batches, read_packs

QUESTIONS_A_PACK = 11
PICTURES_A_BATCH, CLIPS_A_BATCH, CAPTIONS_A_BATCH = 16, 8, 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps (batches) of each part, and peak learning rates. `tower_pictures`: labelled pictures for the tower."""

    images: int = 40_000
    easy_images: int = 16_000
    videos: int = 1_500
    tower_pictures: int = 45_000
    tower_epochs: int = 4
    captions: int = 200
    caption_rate: float = 1e-3
    first_look: int = 250
    easy: int = 550
    pictures: int = 3_800
    picture_rate: float = 1.2e-3
    letters: int = 300
    letters_beside: int = 100
    clips: int = 900
    beside: int = 300
    letters_again: int = 100
    clip_rate: float = 7e-4

    def scaled(self, share: float) -> Recipe:
        """Every count times `share`, at least 2: for trying the command out."""
        counts = {name: max(2, round(value * share)) for name, value in asdict(self).items() if isinstance(value, int)}
        return replace(self, **counts)


def picture_curriculum(questions: Path, encode: Encode, answer: Encode, recipe: Recipe) -> list[list[Pack]]:
    """Colour and shape in simple pictures, every kind in simple pictures, every kind in all others."""

    def packs(keep: Keep) -> list[Pack]:
        return read_packs(questions, encode, answer, QUESTIONS_A_PACK, keep)

    looks, simple = ("colour", "shape"), packs(lambda row: _open(row) and _easy(row))
    first = packs(lambda row: _open(row) and _easy(row) and row["kind"] in looks)
    full = packs(lambda row: _open(row) and not _easy(row))
    return [
        *batches(first, PICTURES_A_BATCH, recipe.first_look, 3),
        *batches(simple, PICTURES_A_BATCH, recipe.easy, 4),
        *batches(full, PICTURES_A_BATCH, recipe.pictures, 5),
    ]


def clip_curriculum(questions: Path, encode: Encode, answer: Encode, recipe: Recipe) -> list[list[Pack]]:
    """Options about pictures first, then clips; open questions about pictures all along, so that they are kept."""

    def packs(keep: Keep) -> list[Pack]:
        return read_packs(questions, encode, answer, QUESTIONS_A_PACK, keep)

    still, half = packs(lambda row: _open(row) and not _easy(row)), recipe.letters // 2
    stills = batches(still, PICTURES_A_BATCH, recipe.letters_beside + recipe.beside, 11)
    simple = batches(packs(lambda row: _choice(row) and _easy(row)), PICTURES_A_BATCH, half, 12)
    choices = packs(lambda row: _choice(row) and not _easy(row))
    harder = batches(choices, PICTURES_A_BATCH, half + recipe.letters_again, 13)
    clips = batches(packs(lambda row: "video" in row), CLIPS_A_BATCH, recipe.clips, 14)
    letters = [*stills[: recipe.letters_beside], *simple, *harder[:half]]
    rest = [*clips, *stills[recipe.letters_beside :], *harder[half:]]
    random.Random(1).shuffle(letters)
    random.Random(2).shuffle(rest)
    return letters + rest


Keep = Callable[[dict[str, Any]], bool]


def _easy(row: dict[str, Any]) -> bool:
    return "easy" in row["id"]


def _choice(row: dict[str, Any]) -> bool:
    return bool(row["kind"].endswith("-choice"))


def _open(row: dict[str, Any]) -> bool:
    return "image" in row and not _choice(row)
