"""VQA-v2: short open answers about COCO photographs, against those of ten people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from sys import intern
from typing import ClassVar

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, require
from harness.errors import NotAvailable
from harness.scoring.statistics import MeanOf, Statistic
from harness.scoring.vqa import agreement, lmms_vqa_answer, m4c_answer, official_vqa_accuracy
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Missing, Request, Response, Sample, Score, Scored
from tasks.annotators import NO_LABEL, commonest, means, overall, printed_by
from tasks.wording import SHORT_ANSWER

VAL_QUESTIONS = "vqav2/v2_OpenEnded_mscoco_val2014_questions.json"
VAL_ANNOTATIONS = "vqav2/v2_mscoco_val2014_annotations.json"
VAL_IMAGES = "vqav2/val2014"
TEST_DEV = "vqav2/llava_vqav2_mscoco_test-dev2015.jsonl"
TEST = "vqav2/llava_vqav2_mscoco_test2015.jsonl"
TEST_IMAGES = "vqav2/test2015"

_MAX_NEW_TOKENS = {"llava": 128, "lmms-eval": 16}


class VqaV2(Task):
    """Groups are images. Scored is what LLaVA uploads: the answer in M4C's form, by the official rule."""

    card: ClassVar[TaskCard] = TaskCard(
        name="vqav2",
        title="VQA-v2",
        modality="image",
        metric="VQA accuracy, %",
        split="test-dev2015 (server); val2014 has labels",
        full_size=107394,
        hub=HubDataset("lmms-lab/VQAv2", "validation"),
        folder="\n".join(
            (VAL_QUESTIONS, VAL_ANNOTATIONS, f"{VAL_IMAGES}/", "or, to upload:", TEST_DEV, f"{TEST_IMAGES}/")
        ),
        paper={"llava-mini": 79.0, "llava-mini-7b": 77.6, "llava-mini-hd": 78.9, "llava-v1.5-7b": 78.5},
        prompts=("llava", "lmms-eval"),
        notes="The paper's test-dev has no public labels. A folder with the val2014 annotations is scored on val2014 "
        "(214,354 questions), which is not comparable with test-dev; without them the questions of test-dev2015, or "
        "else of test2015, are answered for upload to EvalAI challenge 830. The hub's split is validation. "
        "The set has also been published as lmms-lab-encoder/VQAv2.",
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        if source.kind == "hub":
            return list(_from_hub(self.card.hub, source))
        to_upload = _test_file(source)
        return list(_test_questions(source, to_upload) if to_upload else _val_questions(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, f"{sample.question}\n{SHORT_ANSWER}", _MAX_NEW_TOKENS[prompt])

    def score(self, sample: Sample, response: Response) -> Score | Missing:
        """`raw_text`: the official rule on the text as the model wrote it. `detail`: the answer as uploaded."""
        answers = sample.meta.get("answers")
        if not answers:
            return NO_LABEL
        sent, lmms = m4c_answer(response.text), lmms_vqa_answer(response.text)
        values = {
            "accuracy": official_vqa_accuracy(sent, answers),
            "raw_text": official_vqa_accuracy(response.text, answers),
            "lmms_eval": agreement(lmms, [lmms_vqa_answer(answer) for answer in answers]),
        }
        return Score(values, {"answer": sent})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """What the official tool prints, under its names; once more for texts that were not normalised for upload."""
        return {**_printed(scored, "accuracy"), "raw text": _printed(scored, "raw_text")}

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        return means(scored, "raw_text", "lmms_eval")


def _printed(scored: Sequence[Scored], metric: str) -> dict[str, Json]:
    return {
        "overall": overall(scored, metric),
        "perAnswerType": printed_by(lambda sample: sample.meta["answer_type"], scored, metric),
        "perQuestionType": printed_by(lambda sample: sample.meta["question_type"], scored, metric),
    }


def _test_file(source: DataSource) -> str | None:
    """The questions to answer for upload, where the folder has no annotations that could be scored."""
    if source.root is None or (source.root / VAL_ANNOTATIONS).exists():
        return None
    return next((questions for questions in (TEST_DEV, TEST) if (source.root / questions).exists()), None)


def _val_questions(source: DataSource) -> Iterator[Sample]:
    root = require(source, (VAL_QUESTIONS, VAL_ANNOTATIONS, VAL_IMAGES), VqaV2.card)
    labels = dict(load_json(root / VAL_ANNOTATIONS, _kept)["annotations"])
    rows = load_json(root / VAL_QUESTIONS)["questions"]
    if unknown := labels.keys() - {row["question_id"] for row in rows}:
        raise NotAvailable(
            f"vqav2: {len(unknown)} of {len(labels)} annotations in {root / VAL_ANNOTATIONS} (one is {min(unknown)}) "
            f"belong to no question in {root / VAL_QUESTIONS}. Both files must be of one version; download them again."
        )
    images: dict[int, Image] = {}
    for row in rows:
        number = row["image_id"]
        name = f"COCO_val2014_{number:012d}.jpg"
        image = images.setdefault(number, Image(name, root / VAL_IMAGES / name))
        answer, meta = labels.get(row["question_id"], ("", {}))
        yield Sample(str(row["question_id"]), row["question"], image, answer, meta=meta)


def _test_questions(source: DataSource, questions: str) -> Iterator[Sample]:
    root = require(source, (questions, TEST_IMAGES), VqaV2.card)
    images: dict[str, Image] = {}
    for row in load_jsonl(root / questions):
        name = row["image"]
        image = images.setdefault(name, Image(name, root / TEST_IMAGES / name))
        yield Sample(str(row["question_id"]), row["text"].removesuffix(f"\n{SHORT_ANSWER}"), image, "")


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, None, source)
    images: dict[int, Image] = {}
    for index, row in enumerate(rows.remove_columns("image")):
        number = row["image_id"]
        if number not in images:
            images[number] = Image(str(number), TableBytes(rows, index))
        answer, meta = _label(row, [intern(entry["answer"]) for entry in row["answers"] or ()])
        yield Sample(str(row["question_id"]), row["question"], images[number], answer, meta=meta)


def _kept(entry: dict[str, Json]) -> Json:
    """Of each object in the annotation file what scoring needs; all of them together would take a gigabyte.

    An annotator's entry becomes its text, an annotation (question id, label).
    """
    if "answer" in entry:
        return intern(entry["answer"])
    return (entry["question_id"], _label(entry, entry["answers"])) if "answers" in entry else entry


def _label(row: Mapping[str, Json], answers: Sequence[str]) -> tuple[str, Mapping[str, Json]]:
    """The usual answer, and what scoring needs. Most texts recur thousands of times, so each is kept once."""
    if not answers:
        return "", {}
    types = {name: intern(row[name]) for name in ("answer_type", "question_type")}
    return intern(row.get("multiple_choice_answer") or commonest(answers)), {"answers": answers, **types}
