"""ScienceQA-IMG: school questions with options; the headline counts those of the test split that come with an image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, require
from harness.scoring.choice import option_letters
from harness.scoring.statistics import Floats, MeanOf, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Missing, Request, Response, Sample, Score, Scored
from tasks.wording import LETTER_ANSWER, lettered

QUESTIONS = "scienceqa/llava_test_CQM-A.json"
PROBLEMS = "scienceqa/problems.json"
IMAGES = "scienceqa/images/test"

_MAX_NEW_TOKENS = {"llava": 1024, "lmms-eval": 16}
_READABLE = "ABCDE"
_ANNOUNCED = re.compile(r"The answer is ([A-Z]).")


def official_letter(text: str) -> str | None:
    """LLaVA's reading: a bare "B", or "B. " at the start, or exactly one "The answer is B" and any character after it.

    None for all else, such as "B.", "(B)", "b" or " B".
    """
    if text in tuple(_READABLE):
        return text
    if len(text) >= 3 and text[0] in _READABLE and text[1:3] == ". ":
        return text[0]
    announced = _ANNOUNCED.findall(text)
    return announced[0] if len(announced) == 1 else None


def lmms_right(text: str, letter: str) -> bool:
    """lmms-eval's rule: the letter alone in either case, or in upper case before a period at the start."""
    text = text.strip()
    return text.lower() == letter.lower() or text.startswith(f"{letter}.")


def llava_text(hint: str, question: str, choices: Sequence[str]) -> str:
    """Context, question and options as LLaVA's question file has them, double spaces collapsed once."""
    return _plain_text(hint, question, choices).replace("  ", " ").strip()


def _plain_text(hint: str, question: str, choices: Sequence[str]) -> str:
    context = f"Context: {hint}\n" if hint else ""
    return f"{context}{question}\n{lettered(choices)}"


@dataclass(frozen=True, slots=True)
class ImageAccuracy:
    """Accuracy over the questions that come with an image."""

    metric: str = "accuracy"
    name: str = "IMG accuracy"
    unit: str = "%"

    def features(self, scored: Scored) -> Floats:
        """[sum, count]."""
        if isinstance(scored.result, Missing):
            return np.zeros(2)
        return self._at(scored.sample, scored.result.values[self.metric])

    def value(self, sums: Floats) -> Floats:
        right, asked = sums[..., 0], sums[..., 1]
        share: Floats = np.divide(right, asked, out=np.full(right.shape, np.nan), where=np.asarray(asked > 0))
        return 100.0 * share

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        return self._at(sample, 0.0), self._at(sample, 1.0)

    def _at(self, sample: Sample, value: float) -> Floats:
        return np.array([value, 1.0]) if sample.meta["image"] else np.zeros(2)


class ScienceQa(Task):
    """Groups are questions. All of test is asked, as LLaVA does, so that both official figures come from one run."""

    card: ClassVar[TaskCard] = TaskCard(
        name="scienceqa",
        title="ScienceQA-IMG",
        modality="image",
        metric="accuracy over questions with an image, %",
        split="test",
        full_size=4241,
        hub=HubDataset("lmms-lab/ScienceQA", "test", ("ScienceQA-FULL",)),
        folder=f"{QUESTIONS}\n{PROBLEMS}\n{IMAGES}/<id>/image.png",
        paper={"llava-mini": 83.1, "llava-mini-7b": 70.4, "llava-mini-hd": 69.7, "llava-v1.5-7b": 66.8},
        prompts=("llava", "lmms-eval"),
        quirks={"sqa_duplicate_image": {"doubled": True}},
        notes="2,017 of the 4,241 questions have an image. The released LLaVA-Mini script shows the image twice here; "
        "this harness shows it once, unless --quirk sqa_duplicate_image is given.",
    )
    headline: ClassVar[Statistic] = ImageAccuracy()

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """`lmms-eval` keeps double spaces and allows 16 new tokens."""
        text = sample.question
        if prompt == "lmms-eval":
            text = _plain_text(sample.meta["hint"], sample.meta["question"], sample.choices)
        return Request(sample.id, f"{text}\n{LETTER_ANSWER}", _MAX_NEW_TOKENS[prompt])

    def score(self, sample: Sample, response: Response) -> Score:
        letter = official_letter(response.text)
        values = {
            "accuracy": letter == sample.answer,
            "lmms_eval": lmms_right(response.text, sample.answer),
            "unparsed": letter is None,
        }
        return Score({name: float(value) for name, value in values.items()}, {"letter": letter})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """The official script's two lines, to two decimals, with their counts."""
        everything = [one for one in scored if isinstance(one.result, Score)]
        with_image = [one for one in everything if one.sample.meta["image"]]
        results = [one.result for one in everything if isinstance(one.result, Score)]
        return {
            "Accuracy": _two_decimals(point(MeanOf("accuracy"), everything)),
            "Total": len(everything),
            "Correct": int(sum(result.values["accuracy"] for result in results)),
            "IMG-Accuracy": _two_decimals(point(self.headline, scored)),
            "IMG-Total": len(with_image),
            "unparsed": int(sum(result.values["unparsed"] for result in results)),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """`accuracy`: over all of test. lmms-eval scores ScienceQA-IMG and -FULL as two tasks."""
        values = {
            "accuracy": point(MeanOf("accuracy"), scored),
            "lmms_eval": point(ImageAccuracy("lmms_eval"), scored),
            "lmms_eval_full": point(MeanOf("lmms_eval"), scored),
        }
        return {name: value for name, value in values.items() if value is not None}


def _two_decimals(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, PROBLEMS, IMAGES), ScienceQa.card)
    problems = load_json(root / PROBLEMS)
    for row in load_json(root / QUESTIONS):
        problem = problems.get(row["id"])
        text = row["conversations"][0]["value"].replace("<image>", "").strip()
        image = Image(f"scienceqa {row['id']}", root / IMAGES / row["image"]) if "image" in row else None
        yield _sample(row["id"], text, image, problem)


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, dataset.configs[0], source)
    for index, row in enumerate(rows):
        text = llava_text(row["hint"], row["question"], row["choices"])
        image = Image(f"scienceqa row {index}", TableBytes(rows, index)) if row["image"] else None
        yield _sample(f"row{index}", text, image, row)


def _sample(name: str, text: str, image: Image | None, problem: Mapping[str, Json] | None) -> Sample:
    if problem is None:
        return Sample(name, text, image, "", meta={"image": image is not None}, broken=f"no entry in {PROBLEMS}")
    meta = {"image": image is not None, "question": problem["question"], "hint": problem["hint"] or ""}
    answer = option_letters(len(problem["choices"]))[problem["answer"]]
    return Sample(name, text, image, answer, tuple(problem["choices"]), meta)
