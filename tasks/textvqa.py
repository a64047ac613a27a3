"""TextVQA: questions that need the text in a picture read, asked with the tokens that an OCR system found there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, require
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.scoring.vqa import agreement, m4c_answer
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Missing, Request, Response, Sample, Score, Scored
from tasks.annotators import NO_LABEL, commonest, overall
from tasks.wording import SHORT_ANSWER

QUESTIONS = "textvqa/llava_textvqa_val_v051_ocr.jsonl"
ANNOTATIONS = "textvqa/TextVQA_0.5.1_val.json"
IMAGES = "textvqa/train_images"
OCR_PREFIX = "Reference OCR token: "

_ANNOTATORS = 10
_BETWEEN = re.compile(r"Question: (.*?) Short answer:", re.DOTALL)


class TextVqa(Task):
    """Groups are images. Both sides are brought to M4C's form."""

    card: ClassVar[TaskCard] = TaskCard(
        name="textvqa",
        title="TextVQA",
        modality="image",
        metric="VQA accuracy, %",
        split="val",
        full_size=5000,
        hub=HubDataset("lmms-lab/textvqa", "validation"),
        folder="\n".join((QUESTIONS, ANNOTATIONS, f"{IMAGES}/")),
        paper={"llava-mini": 58.5, "llava-mini-7b": 57.0, "llava-mini-hd": 59.1, "llava-v1.5-7b": 58.2},
        prompts=("llava", "lmms-eval"),
        notes="LLaVA's prompt lists the OCR tokens of its question file; lmms-eval leaves them out by default and is "
        "about 12 points lower. The hub's tokens may differ from those of LLaVA's file.",
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        bare = f"{sample.question.capitalize()}\n{SHORT_ANSWER}"
        return Request(sample.id, sample.meta["prompt"] if prompt == "llava" else bare, 128)

    def score(self, sample: Sample, response: Response) -> Score | Missing:
        """lmms-eval scores alike, so its value is the same."""
        answers = sample.meta.get("answers")
        if not answers:
            return NO_LABEL
        answer = m4c_answer(response.text)
        return Score({"accuracy": agreement(answer, [m4c_answer(one) for one in answers])}, {"answer": answer})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """The official two lines: Samples, Accuracy."""
        return {"samples": len(scored), "accuracy": overall(scored, "accuracy")}

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        value = point(self.headline, scored)
        return {} if value is None else {"lmms_eval": value}


def question_of(prompt: str) -> str:
    """The question inside one of the prompts that LLaVA has used for TextVQA, as it stands there.

    Raises ValueError for a text of another form, where the official script ends.
    """
    if prompt.startswith("OCR tokens: "):
        if found := _BETWEEN.search(prompt):
            return found.group(1)
        raise ValueError("no question between 'Question: ' and ' Short answer:'")
    lines = prompt.split("\n")
    if len(lines) == 3 and OCR_PREFIX in prompt:
        return lines[1] if prompt.startswith(OCR_PREFIX.rstrip()) else lines[0]
    if len(lines) == 2:
        return lines[0]
    raise ValueError(f"{len(lines)} lines, which is none of the known forms")


def _from_folder(source: DataSource) -> Iterator[Sample]:
    """Questions meet their annotations by image and question in lower case, as in the official script."""
    root = require(source, (QUESTIONS, ANNOTATIONS, IMAGES), TextVqa.card)
    annotations = load_json(root / ANNOTATIONS)["data"]
    by_question = {(row["image_id"], row["question"].lower()): row for row in annotations}
    for number, row in enumerate(load_jsonl(root / QUESTIONS), start=1):
        image = Image(row["image"], root / IMAGES / row["image"])
        try:
            question = question_of(row["text"])
            annotation = by_question[row["question_id"], question.lower()]
        except ValueError as error:
            yield Sample(f"line {number}", row["text"], image, "", broken=f"prompt of unknown form: {error}")
        except KeyError:
            yield Sample(f"line {number}", question, image, "", broken="no annotation for this question and image")
        else:
            yield _sample(str(annotation["question_id"]), question, image, row["text"], annotation["answers"])


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, None, source)
    images: dict[str, Image] = {}
    for index, row in enumerate(rows.remove_columns("image")):
        image = images.setdefault(row["image_id"], Image(row["image_id"], TableBytes(rows, index)))
        question, tokens = row["question"].capitalize(), ", ".join(row["ocr_tokens"] or ())
        prompt = f"{question}\n{OCR_PREFIX}{tokens}\n{SHORT_ANSWER}"
        yield _sample(str(row["question_id"]), question, image, prompt, row["answers"] or ())


def _sample(name: str, question: str, image: Image, prompt: str, answers: Sequence[str]) -> Sample:
    """`prompt`: LLaVA's, whole. Questions without any answers (the test split) are asked but not scored."""
    odd = len(answers) not in {0, _ANNOTATORS}
    broken = f"{len(answers)} answers instead of {_ANNOTATORS}" if odd else None
    meta = {"prompt": prompt, "answers": list(answers)}
    return Sample(name, question, image, commonest(answers), meta=meta, broken=broken)
