"""MMBench: options over images, each question asked for every rotation of its options, and right only if all are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.sources import DataSource, TableBytes, hub_rows, require
from harness.scoring.choice import option_letters
from harness.scoring.joined import AllRight
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Request, Response, Sample, Score, Scored
from tasks.mmbench_matching import lmms_letter, server_letter
from tasks.mmbench_table import read_table
from tasks.wording import LETTER_ANSWER, lettered

LETTERS = option_letters(4)
ROTATION = 1_000_000
"""A question's rotations have its index plus 1, 2 and 3 times this."""

_MISSING = (None, "", "nan", "none")


class MmBench(Task):
    """Groups are pictures; the unit of the score is a question with its rotations. Answers that the rules cannot read
    are wrong here, where the server asks GPT what was meant; `unread questions` bounds the difference."""

    card: ClassVar[TaskCard] = TaskCard(
        name="mmbench",
        title="MMBench (en, dev)",
        modality="image",
        metric="circular accuracy over questions, %",
        split="dev 20230712",
        full_size=4377,
        hub=HubDataset("lmms-lab/MMBench_EN", "dev"),
        folder="mmbench/mmbench_dev_20230712.tsv",
        paper={"llava-mini": 71.6, "llava-mini-7b": 65.6, "llava-mini-hd": 67.5, "llava-v1.5-7b": 64.3},
        prompts=("llava", "lmms-eval"),
        notes="4,377 rows are 1,176 questions. A later release has 4,329 rows of 1,164 questions: not comparable.",
    )
    headline: ClassVar[Statistic] = AllRight("accuracy", unit_key="group", title="circular accuracy")
    instruction: ClassVar[str] = LETTER_ANSWER

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(self._from_hub(source) if source.kind == "hub" else self._from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """Of the options, those before the first missing one are shown. An empty hint is no line of its own."""
        hint, options = sample.meta["hint"], lettered(sample.choices)
        if prompt == "lmms-eval":
            text = f"{hint + ' ' if hint else ''}{sample.question} There are several options:\n{options}\n\n"
        else:
            text = f"{hint + chr(10) if hint else ''}{sample.question}\n{options}"
        return Request(sample.id, f"{text}\n{self.instruction}", 1024)

    def score(self, sample: Sample, response: Response) -> Score:
        options = {letter: text for letter, text in sample.meta["options"].items() if text is not None}
        server, lmms = server_letter(response.text, options), lmms_letter(response.text, options)
        values = {
            "accuracy": server == sample.answer,
            "strict": response.text == sample.answer,
            "lmms_eval": lmms == sample.answer,
            "unread": server is None,
        }
        return Score({name: float(value) for name, value in values.items()}, {"letter": server, "lmms_letter": lmms})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """Circular accuracy for each category and l2 category, and what the other ways of counting give."""
        tables = {key: self._circular_by(key, scored) for key in ("l2-category", "category")}
        return {
            **{key: table for key, table in tables.items() if table},
            "questions": len({one.sample.meta["group"] for one in scored}),
            "unread questions": len(_unread(scored)),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """`strict`: the answer must be the bare letter. `first_pass`, `all_rows`: without the circular rule."""
        first = [one for one in scored if one.sample.meta["index"] < ROTATION]
        values = {
            "circular_strict": point(AllRight("strict", "group"), scored),
            "lmms_eval": point(AllRight("lmms_eval", "group"), scored),
            "first_pass": point(MeanOf("accuracy"), first),
            "first_pass_strict": point(MeanOf("strict"), first),
            "all_rows": point(MeanOf("accuracy"), scored),
            "all_rows_strict": point(MeanOf("strict"), scored),
        }
        return {name: value for name, value in values.items() if value is not None}

    def _circular_by(self, key: str, scored: Sequence[Scored]) -> dict[str, float]:
        labels = sorted({one.sample.meta[key] for one in scored if one.sample.meta[key]})
        parts = {label: [one for one in scored if one.sample.meta[key] == label] for label in labels}
        values = {label: point(self.headline, part) for label, part in parts.items()}
        return {label: value for label, value in values.items() if value is not None}

    def _from_folder(self, source: DataSource) -> Iterator[Sample]:
        root = require(source, (self.card.folder,), self.card)
        for row in read_table(root / Path(self.card.folder)):
            yield _sample(row.fields, row.image)

    def _from_hub(self, source: DataSource) -> Iterator[Sample]:
        rows = hub_rows(self.card.hub, None, source)
        for number, fields in enumerate(rows.remove_columns("image")):
            image = Image(f"{self.card.name} {int(fields['index']) % ROTATION}", TableBytes(rows, number))
            yield _sample({**fields, "l2-category": fields.get("L2-category")}, image)


class MmBenchCn(MmBench):
    """The Chinese questions; not one of the paper's columns."""

    card: ClassVar[TaskCard] = TaskCard(
        name="mmbench_cn",
        title="MMBench (cn, dev)",
        modality="image",
        metric="circular accuracy over questions, %",
        split="dev 20231003",
        full_size=4329,
        hub=HubDataset("lmms-lab/MMBench_CN", "dev"),
        folder="mmbench_cn/mmbench_dev_cn_20231003.tsv",
        grouped=False,
    )
    instruction: ClassVar[str] = "请直接回答选项字母。"


def _unread(scored: Sequence[Scored]) -> set[int]:
    """Questions that are wrong only because an answer could not be read: those the server would ask its judge about."""
    results = [(one.sample.meta["group"], one.result.values) for one in scored if isinstance(one.result, Score)]
    wrong = {group for group, values in results if not values["accuracy"] and not values["unread"]}
    return {group for group, values in results if values["unread"]} - wrong


def _sample(fields: Mapping[str, str | int | None], image: Image) -> Sample:
    options = {letter: _text(fields.get(letter)) for letter in LETTERS}
    shown = []
    for letter in LETTERS:
        if (option := options[letter]) is None:
            break
        shown.append(option)
    index = int(str(fields["index"]))
    meta = {
        "index": index,
        "group": index % ROTATION,
        "hint": _text(fields.get("hint")) or "",
        "options": options,
        "category": _text(fields.get("category")),
        "l2-category": _text(fields.get("l2-category")),
        "split": _text(fields.get("split")),
    }
    return Sample(str(index), str(fields["question"]), image, str(fields["answer"]), tuple(shown), meta)


def _text(value: object) -> str | None:
    """None for what LLaVA takes as missing."""
    return None if value is None or str(value).lower() in _MISSING else str(value)
