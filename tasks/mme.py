"""MME: two yes/no questions an image. A category scores its accuracy plus its share of images with both right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from harness.data.sources import DataSource, TableBytes, hub_rows, load_jsonl, require
from harness.scoring.joined import whole_units
from harness.scoring.statistics import Floats, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Missing, Request, Response, Sample, Score, Scored
from tasks.wording import SHORT_ANSWER

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
QUESTIONS = "MME/llava_mme.jsonl"
RELEASE = "MME/MME_Benchmark_release_version"
INSTRUCTION = "Please answer yes or no."

_BREAKS = re.compile(r"[\t\r\n]")
_MAX_NEW_TOKENS = {"llava": 128, "lmms-eval": 16}


def official_answer(text: str) -> str:
    """The first four characters decide, in lower case, white space kept: "snow" is a no, "**yes" is "other".

    Tabs and line breaks, which would break the official result files, are read as spaces.
    """
    return _by_prefix(_BREAKS.sub(" ", text).lower())


def lmms_answer(text: str) -> str:
    """lmms-eval's reading: outer white space and all periods go first, and a lone "y" or "n" counts."""
    text = text.lower().strip().replace(".", "")
    return {"y": "yes", "n": "no"}.get(text) or _by_prefix(text)


def _by_prefix(text: str) -> str:
    return next((answer for answer in ("yes", "no") if answer in text[:4]), "other")


@dataclass(frozen=True, slots=True)
class MmeScore:
    """The sum over categories of 100 * accuracy + 100 * share of images with both questions right; absent ones add 0.

    Images with a Missing question stay out of the second part.
    """

    categories: tuple[str, ...] = PERCEPTION
    metric: str = "accuracy"
    name: str = "perception"
    unit: str = "points"

    def features(self, scored: Scored) -> Floats:
        """Right answers and questions of each category."""
        if isinstance(scored.result, Missing):
            return np.zeros(2 * len(self.categories))
        return self._at(scored.sample, scored.result.values[self.metric])

    def join(self, samples: Sequence[Sample], rows: Floats) -> Floats:
        """Right, questions, images with both right, images; of each category."""
        right, asked = rows[:, 0::2], rows[:, 1::2]
        images = [(sample.meta["category"], sample.meta["image"]) for sample in samples]
        won, counted = whole_units(images, right.sum(axis=1), asked.sum(axis=1))
        own = asked > 0
        return np.stack([right, asked, own * won[:, None], own * counted[:, None]], axis=2).reshape(len(rows), -1)

    def value(self, sums: Floats) -> Floats:
        cells = sums.reshape(*sums.shape[:-1], len(self.categories), 2, 2)
        part, whole = cells[..., 0], cells[..., 1]
        shares = np.divide(part, whole, out=np.zeros_like(part), where=np.asarray(whole > 0))
        asked = whole.sum(axis=(-1, -2)) > 0
        total: Floats = np.where(asked, 100.0 * shares.sum(axis=(-1, -2)), np.nan)
        return total

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        return self._at(sample, 0.0), self._at(sample, 1.0)

    def _at(self, sample: Sample, right: float) -> Floats:
        row = np.zeros(2 * len(self.categories))
        if sample.meta["category"] in self.categories:
            at = 2 * self.categories.index(sample.meta["category"])
            row[at : at + 2] = right, 1.0
        return row


class Mme(Task):
    """Groups are images, each in one category. LLaVA gives both questions one id, so ids here end in #1 and #2."""

    card: ClassVar[TaskCard] = TaskCard(
        name="mme",
        title="MME",
        modality="image",
        metric="perception score, 2000 at most",
        split="all of perception and cognition",
        full_size=2374,
        hub=HubDataset("lmms-lab/MME", "test"),
        folder=f"{QUESTIONS}\n{RELEASE}/<category>/[images/, questions_answers_YN/]",
        paper={"llava-mini": 1522.7, "llava-mini-7b": 1466.0, "llava-mini-hd": 1476.8, "llava-v1.5-7b": 1510.7},
        prompts=("llava", "lmms-eval"),
        notes="The paper's column is perception alone; cognition (800 at most) is in the breakdown.",
    )
    headline: ClassVar[Statistic] = MmeScore()

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """Both presets have the same text; lmms-eval allows 16 new tokens instead of 128."""
        return Request(sample.id, f"{sample.question}\n{SHORT_ANSWER}", _MAX_NEW_TOKENS[prompt])

    def score(self, sample: Sample, response: Response) -> Score:
        gold = sample.answer.lower()
        answer, lmms = official_answer(response.text), lmms_answer(response.text)
        detail = {"answer": answer}
        if _BREAKS.search(response.text):
            detail["note"] = "tabs and line breaks, which break the official result file, read as spaces"
        return Score({"accuracy": float(answer == gold), "lmms_eval": float(lmms == gold)}, detail)

    def names(self, sample: Sample) -> Sequence[str]:
        """Also category and image stem, which is how the official result files name an image."""
        return (*super().names(sample), f"{sample.meta['category']}/{PurePosixPath(sample.meta['image']).stem}")

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """Both totals and each category's score, as the official tool prints them."""
        categories = {name: point(MmeScore((name,)), scored) for name in (*PERCEPTION, *COGNITION)}
        return {
            "perception": point(self.headline, scored),
            "cognition": point(MmeScore(COGNITION), scored),
            "categories": {name: value for name, value in categories.items() if value is not None},
            "neither yes nor no": sum(
                isinstance(one.result, Score) and one.result.detail["answer"] == "other" for one in scored
            ),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        values = {
            "lmms_eval": point(MmeScore(metric="lmms_eval"), scored),
            "lmms_eval_cognition": point(MmeScore(COGNITION, "lmms_eval"), scored),
        }
        return {name: value for name, value in values.items() if value is not None}


def _from_folder(source: DataSource) -> Iterator[Sample]:
    """Order, text and image come from LLaVA's question file; answers from the release, by category, image, question."""
    root = require(replace(source, media=True), (QUESTIONS, RELEASE), Mme.card)  # answers stand in the release
    number: Counter[str] = Counter()
    answers: dict[str, Mapping[str, str]] = {}
    for row in load_jsonl(root / QUESTIONS):
        key, question = row["question_id"], row["text"].removesuffix(f"\n{SHORT_ANSWER}")
        if key not in answers:
            answers[key] = _answers(root / RELEASE, PurePosixPath(key))
        asked = (f"{question}{spaces}{INSTRUCTION}" for spaces in (" ", "  "))
        answer = next((answers[key][form] for form in asked if form in answers[key]), None)
        number[key] += 1
        image = Image(key, root / RELEASE / row["image"])
        yield _sample(f"{key}#{number[key]}", question, image, answer, PurePosixPath(key).parts[0])


def _answers(release: Path, image: PurePosixPath) -> Mapping[str, str]:
    """Question to answer of one image: the lines 'question TAB answer' of its text file; empty without one."""
    folder = release / image.parts[0]
    files = (path / f"{image.stem}.txt" for path in (folder / "questions_answers_YN", folder))
    file = next((path for path in files if path.exists()), None)
    lines = file.read_text(encoding="utf-8").split("\n") if file else []
    return {question: answer.strip() for question, tab, answer in (line.partition("\t") for line in lines) if tab}


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows, number = hub_rows(dataset, None, source), Counter[str]()
    for index, row in enumerate(rows.remove_columns("image")):
        key = row["question_id"]
        number[key] += 1
        question = row["question"].removesuffix(INSTRUCTION).rstrip(" ")
        yield _sample(
            f"{key}#{number[key]}", question, Image(key, TableBytes(rows, index)), row["answer"], row["category"]
        )


def _sample(name: str, question: str, image: Image, answer: str | None, category: str) -> Sample:
    broken = None if answer else "the release has no answer to this question"
    return Sample(name, question, image, answer or "", (), {"category": category, "image": image.id}, broken)
