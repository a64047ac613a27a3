"""How the shipped tiny models were trained: the parts of stage 2, in order, the same for each model.

Attention is hard to start from nothing: mixed with all else, looking a colour up, or seeing what comes first, stays at
chance for hundreds of thousands of questions. So a part of its own begins with what later parts stand on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from models.llava.training.data import Encode, Pack, batches, packs_of
from tasks.samples.wordings import WORD_FIRST

QUESTIONS_A_PACK = 14
PICTURES_A_BATCH, CLIPS_A_BATCH = 16, 8
Row: TypeAlias = Mapping[str, Any]
Keep: TypeAlias = Callable[[Row], bool]
CLIPS = {
    "plotQA": 80,
    "needle": 120,
    "ego": 120,
    "count": 100,
    "order": 250,
    "anomaly_reco": 120,
    "topic_reasoning": 70,
}
"""Batches of each kind of clip, as `harness.data.scenes` names them: more for what is harder."""
CLIPS_AT_LAST = {
    "plotQA": 50,
    "needle": 130,
    "ego": 80,
    "count": 80,
    "order": 120,
    "anomaly_reco": 100,
    "topic_reasoning": 50,
}


@dataclass(frozen=True, slots=True)
class Portion:
    """`count` batches of the records that `keep` keeps."""

    keep: Keep
    count: int
    seed: int
    batch: int = PICTURES_A_BATCH


@dataclass(frozen=True, slots=True)
class Part:
    """Portions trained one after the other, or mixed. The cosine to zero is laid over `schedule` times the batches."""

    name: str
    rate: float
    portions: tuple[Portion, ...]
    schedule: float
    mixed: bool = False
    warmup: int = 100

    def batches(self, records: Sequence[Row], prompt: Encode, answer: Encode, scale: float = 1.0) -> list[list[Pack]]:
        """Batches of this part from LLaVA-format records. `scale`: share of every count, at least one batch each."""
        made: list[list[Pack]] = []
        for one in self.portions:
            packs = packs_of(filter(one.keep, records), prompt, answer, QUESTIONS_A_PACK)
            made += batches(packs, one.batch, max(1, round(one.count * scale)), one.seed)
        if self.mixed:
            random.Random(self.name).shuffle(made)
        return made


def _pictures(easy: bool, forms: frozenset[str], *kinds: str) -> Keep:
    """Questions about pictures of few things or of many, in some forms, of some kinds or all."""

    def keep(row: Row) -> bool:
        fits = "image" in row and ("easy" in row["id"]) == easy and row["form"] in forms
        return fits and (not kinds or row["kind"] in kinds)

    return keep


def _clips(forms: frozenset[str], *kinds: str) -> Keep:
    """Questions about clips, in some forms, of some kinds or all."""

    def keep(row: Row) -> bool:
        return "video" in row and row["form"] in forms and (not kinds or row["kind"] in kinds)

    return keep


_OPEN = frozenset({"open"})
_OTHER = frozenset({"letters", "yes-no", "ocr", "vizwiz", "bare"})
_CLIP_FORMS = frozenset({"open", "options"})
_LOOKUP, _LETTERS = frozenset({"lookup"}), frozenset({"letters"})
_CHOICES = frozenset({"options", "lookup"})

STAGE_2: tuple[Part, ...] = (
    Part(
        "pictures",
        rate=1.2e-3,
        portions=(
            Portion(_pictures(True, _OPEN, "colour", "shape"), 200, 3),
            Portion(_pictures(True, _OPEN), 400, 4),
            Portion(_pictures(False, _OPEN), 1_700, 5),
        ),
        schedule=1.5,
    ),
    Part(
        "letters",
        rate=1.2e-3,
        portions=(
            Portion(_pictures(True, _LOOKUP), 450, 11),
            Portion(_pictures(False, _LETTERS), 150, 12),
            Portion(_pictures(False, _OPEN), 150, 13),
        ),
        schedule=1.5,
        mixed=True,
    ),
    Part(
        "clips",
        rate=1e-3,
        portions=(
            *(
                Portion(_clips(_CLIP_FORMS, kind), count, 20 + number, CLIPS_A_BATCH)
                for number, (kind, count) in enumerate(CLIPS.items())
            ),
            Portion(_pictures(False, _OPEN), 350, 14),
            Portion(_pictures(False, _OTHER), 220, 15),
        ),
        schedule=1.2,
        mixed=True,
    ),
    Part(
        "options",
        rate=1e-3,
        portions=(
            Portion(_pictures(True, _LOOKUP), 300, 31),
            Portion(_clips(_CHOICES, *sorted(WORD_FIRST)), 250, 32, CLIPS_A_BATCH),
            Portion(_pictures(False, _LETTERS), 50, 33),
            Portion(_pictures(False, _OPEN), 150, 34),
        ),
        schedule=1.5,
        mixed=True,
    ),
    Part(
        "all",
        rate=1e-3,
        portions=(
            *(
                Portion(_clips(_CLIP_FORMS, kind), count, 40 + number, CLIPS_A_BATCH)
                for number, (kind, count) in enumerate(CLIPS_AT_LAST.items())
            ),
            Portion(_clips(_LOOKUP), 60, 38, CLIPS_A_BATCH),
            Portion(_pictures(True, _LOOKUP), 130, 35),
            Portion(_pictures(False, _OPEN), 850, 36),
            Portion(_pictures(False, _OTHER), 220, 37),
        ),
        schedule=1.05,
        mixed=True,
    ),
)
