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

QUESTIONS_A_PACK = 14
PICTURES_A_BATCH, CLIPS_A_BATCH = 16, 8
Row: TypeAlias = Mapping[str, Any]
Keep: TypeAlias = Callable[[Row], bool]
CLIPS = {
    "plotQA": 50,
    "needle": 90,
    "ego": 90,
    "count": 90,
    "order": 130,
    "anomaly_reco": 110,
    "topic_reasoning": 50,
}
"""Batches of each kind of clip in part "all", as `harness.data.scenes` names them: more for what is harder."""
OPTIONS_AT_LAST = {
    "plotQA": 80,
    "needle": 150,
    "ego": 40,
    "count": 60,
    "order": 40,
    "anomaly_reco": 80,
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


_OPEN, _LETTERS, _LOOKUP = frozenset({"open"}), frozenset({"letters"}), frozenset({"lookup"})
_OTHER = frozenset({"letters", "yes-no", "ocr", "vizwiz", "bare"})
_CLIP_FORMS = frozenset({"open", "options"})

STAGE_2: tuple[Part, ...] = (
    Part(
        "pictures",
        rate=1.2e-3,
        portions=(
            Portion(_pictures(True, _OPEN, "colour", "shape"), 250, 3),
            Portion(_pictures(True, _OPEN), 550, 4),
            Portion(_pictures(False, _OPEN), 2_200, 5),
        ),
        schedule=1.5,
    ),
    Part(
        "letters",
        rate=7e-4,
        portions=(
            Portion(_pictures(True, _LETTERS), 150, 11),
            Portion(_pictures(False, _LETTERS), 150, 12),
            Portion(_pictures(False, _OPEN), 100, 13),
        ),
        schedule=4.0,
        mixed=True,
    ),
    Part(
        "clips",
        rate=7e-4,
        portions=(
            Portion(_clips(_CLIP_FORMS), 700, 14, CLIPS_A_BATCH),
            Portion(_pictures(False, _OPEN), 200, 15),
            Portion(_pictures(False, _LETTERS), 100, 16),
        ),
        schedule=1.3,
        mixed=True,
    ),
    Part(
        "lookups",
        rate=1.2e-3,
        portions=(
            Portion(_pictures(True, _LOOKUP), 400, 21),
            Portion(_pictures(False, _LETTERS), 50, 22),
            Portion(_pictures(False, _OPEN), 150, 23),
        ),
        schedule=1.5,
        mixed=True,
    ),
    Part(
        "order",
        rate=1e-3,
        portions=(
            Portion(_clips(_CLIP_FORMS, "order"), 200, 31, CLIPS_A_BATCH),
            Portion(_pictures(True, _LOOKUP), 40, 32),
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
                for number, (kind, count) in enumerate(CLIPS.items())
            ),
            Portion(_clips(_LOOKUP), 60, 51, CLIPS_A_BATCH),
            Portion(_pictures(True, _LOOKUP), 130, 52),
            Portion(_pictures(False, _OPEN), 450, 53),
            Portion(_pictures(False, _OTHER), 400, 54),
        ),
        schedule=1.05,
        mixed=True,
    ),
    Part(
        "options",
        rate=1e-3,
        portions=(
            *(
                Portion(_clips(frozenset({"options"}), kind), count, 60 + number, CLIPS_A_BATCH)
                for number, (kind, count) in enumerate(OPTIONS_AT_LAST.items())
            ),
            Portion(_clips(_LOOKUP), 40, 71, CLIPS_A_BATCH),
            Portion(_pictures(False, _OPEN), 70, 72),
            Portion(_pictures(False, _OTHER), 70, 73),
        ),
        schedule=1.05,
        mixed=True,
    ),
    Part(
        "wordings",
        rate=7e-4,
        portions=(
            Portion(_clips(frozenset({"sentence", "bare"})), 200, 81, CLIPS_A_BATCH),
            Portion(_clips(frozenset({"options", "lookup"})), 150, 82, CLIPS_A_BATCH),
            Portion(_pictures(False, _OPEN), 70, 83),
            Portion(_pictures(False, _OTHER), 60, 84),
        ),
        schedule=1.05,
        warmup=50,
        mixed=True,
    ),
)
