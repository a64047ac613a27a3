"""How the shipped tiny models were trained: the parts of stage 2, in order, the same for each model.

Attention is hard to start from nothing: mixed with all else, looking a colour up, or seeing what comes first, stays at
chance for hundreds of thousands of questions. So a part of its own begins with what later parts stand on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from models.llava.training.data import Encode, Pack, batches, read_packs

QUESTIONS_A_PACK = 11
PICTURES_A_BATCH, CLIPS_A_BATCH = 16, 8
Keep: TypeAlias = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Portion:
    """`count` batches of the records that `keep` keeps; `skip`: batches of this seed that came before."""

    keep: Keep
    count: int
    seed: int
    skip: int = 0
    batch: int = PICTURES_A_BATCH


@dataclass(frozen=True, slots=True)
class Part:
    """Portions trained together. `shuffle`: one seed a group of portions, None to keep their order.

    `steps`: batches taken in all; the cosine to zero is laid over `schedule` steps, None for a constant rate.
    """

    name: str
    rate: float
    warmup: int
    steps: int
    schedule: int | None
    groups: tuple[tuple[int | None, tuple[Portion, ...]], ...]

    def batches(self, questions: Path, prompt: Encode, answer: Encode, scale: float = 1.0) -> list[list[Pack]]:
        """Batches of this part from a LLaVA-format file. `scale`: share of every count, at least one batch each."""
        made: list[list[Pack]] = []
        for seed, portions in self.groups:
            group: list[list[Pack]] = []
            for one in portions:
                packs = read_packs(questions, prompt, answer, QUESTIONS_A_PACK, one.keep)
                skip, count = (max(bool(number), round(number * scale)) for number in (one.skip, one.count))
                group += batches(packs, one.batch, skip + count, one.seed)[skip:]
            if seed is not None:
                random.Random(seed).shuffle(group)
            made += group
        return made[: max(1, round(self.steps * scale))]


def _pictures(easy: bool, choice: bool, *kinds: str) -> Keep:
    """Questions about pictures of few things or others, with options or open, of some kinds or all."""

    def keep(row: Mapping[str, Any]) -> bool:
        kind = row["kind"]
        fits = "image" in row and ("easy" in row["id"]) == easy and kind.endswith("-choice") == choice
        return fits and (not kinds or kind in kinds)

    return keep


def _clips(row: Mapping[str, Any]) -> bool:
    """Questions about clips, with options."""
    return "video" in row and not row["kind"].endswith("-open")


_OPEN = _pictures(False, False)
_OPTIONS = _pictures(False, True)

STAGE_2: tuple[Part, ...] = (
    Part(
        "pictures: colour and shape of few things, then all kinds, then pictures of many things",
        rate=1.2e-3,
        warmup=100,
        steps=3_000,
        schedule=4_600,
        groups=(
            (
                None,
                (
                    Portion(_pictures(True, False, "colour", "shape"), 250, 3),
                    Portion(_pictures(True, False), 550, 4),
                    Portion(_OPEN, 2_200, 5),
                ),
            ),
        ),
    ),
    Part(
        "options: letters about pictures, then clips",
        rate=7e-4,
        warmup=100,
        steps=1_200,
        schedule=2_100,
        groups=(
            (1, (Portion(_OPEN, 100, 11), Portion(_pictures(True, True), 150, 12), Portion(_OPTIONS, 150, 13))),
            (
                2,
                (
                    Portion(_clips, 1_200, 14, batch=CLIPS_A_BATCH),
                    Portion(_OPEN, 400, 11, skip=100),
                    Portion(_OPTIONS, 100, 13, skip=150),
                ),
            ),
        ),
    ),
)
