"""GQA testdev_balanced: one-word answers about real photographs, scored by exact match after LLaVA's conversion."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, require
from harness.errors import NotAvailable
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.scoring.text import gqa_answer, lmms_exact_match_form
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Request, Response, Sample, Score, Scored
from tasks.breakdown import percent_by
from tasks.wording import SHORT_ANSWER

QUESTIONS = "gqa/llava_gqa_testdev_balanced.jsonl"
ANNOTATIONS = "gqa/data/testdev_balanced_questions.json"
IMAGES = "gqa/data/images"

_MAX_NEW_TOKENS = {"llava": 128, "lmms-eval": 16}
_NOT_A_STEP = ("exist", "query: name", "choose name")


class Gqa(Task):
    """Groups are images. Questions that are not `isBalanced` are never asked, since the official score ignores them."""

    card: ClassVar[TaskCard] = TaskCard(
        name="gqa",
        title="GQA",
        modality="image",
        metric="exact match, %",
        split="testdev_balanced",
        full_size=12578,
        hub=HubDataset("lmms-lab/GQA", "testdev", ("testdev_balanced_instructions", "testdev_balanced_images")),
        folder="\n".join((QUESTIONS, ANNOTATIONS, f"{IMAGES}/")),
        paper={"llava-mini": 61.3, "llava-mini-7b": 60.9, "llava-mini-hd": 61.8, "llava-v1.5-7b": 62.0},
        prompts=("llava", "lmms-eval"),
        notes="The hub set has also been published as lmms-lab-encoder/GQA.",
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, f"{sample.question}\n{SHORT_ANSWER}", _MAX_NEW_TOKENS[prompt])

    def score(self, sample: Sample, response: Response) -> Score:
        answer = gqa_answer(response.text)
        lmms = lmms_exact_match_form(response.text.strip()) == lmms_exact_match_form(sample.answer)
        return Score({"accuracy": float(answer == sample.answer), "lmms_eval": float(lmms)}, {"answer": answer})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """What the official script prints, under its names; values in percent, Distribution as it stands there."""
        forms = percent_by(lambda s: "Open" if s.meta["structural"] == "query" else "Binary", scored)
        tables = {
            "structural type": percent_by(lambda s: s.meta["structural"], scored),
            "semantic type": percent_by(lambda s: s.meta["semantic"], scored),
            "steps number": percent_by(lambda s: s.meta["steps"], scored),
            "words number": percent_by(lambda s: s.meta["words"], scored),
            "sample kinds": percent_by(lambda s: s.meta.get("kind"), scored),
        }
        return {
            **{form: row["value"] for form, row in forms.items()},
            **_distribution(scored),
            **{name: table for name, table in tables.items() if table},
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        value = point(MeanOf("lmms_eval"), scored)
        return {} if value is None else {"lmms_eval": value}


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, ANNOTATIONS, IMAGES), Gqa.card)
    rows, annotations = load_jsonl(root / QUESTIONS), load_json(root / ANNOTATIONS)
    unknown = [row["question_id"] for row in rows if row["question_id"] not in annotations]
    if unknown:
        raise NotAvailable(
            f"gqa: {len(unknown)} of {len(rows)} questions in {root / QUESTIONS} (the first is {unknown[0]}) "
            f"are not in {root / ANNOTATIONS}. The two files must be of one version; download both again."
        )
    for row in rows:
        annotation, name = annotations[row["question_id"]], row.get("image")
        if annotation["isBalanced"]:
            image = Image(name.rpartition(".")[0] or name, root / IMAGES / name) if name else None
            yield _sample(row["question_id"], annotation, image)


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    instructions, images = (hub_rows(dataset, config, source) for config in dataset.configs)
    rows = {image_id: row for row, image_id in enumerate(images["id"])}
    for annotation in instructions:
        if annotation["isBalanced"]:
            key = annotation["imageId"]
            image = Image(key, TableBytes(images, rows[key])) if key in rows else None
            yield _sample(annotation["id"], annotation, image)


def _sample(question_id: str, annotation: Mapping[str, Json], image: Image | None) -> Sample:
    question = annotation["question"]
    meta = {
        "structural": annotation["types"]["structural"],
        "semantic": annotation["types"]["semantic"],
        "steps": _steps(annotation["semantic"]),
        "words": len(question.split()),
        "group": annotation["groups"]["global"],
        **({"kind": annotation["kind"]} if "kind" in annotation else {}),
    }
    broken = None if image else "the question names no image"
    return Sample(str(question_id), question, image, annotation["answer"], meta=meta, broken=broken)


def _steps(operations: Sequence[Mapping[str, Json]]) -> int:
    """Reasoning steps; those that only ask whether something is there or what it is called do not count."""
    written = (f"{step['operation']}: {step['argument']}" for step in operations)
    return sum(not any(part in step for part in _NOT_A_STEP) for step in written)


def _distribution(scored: Sequence[Scored]) -> Mapping[str, float]:
    """Chi-square distance of predicted from gold answers in each global group; their mean by group size, over 100."""
    gold: defaultdict[str, Counter[str]] = defaultdict(Counter)
    predicted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in scored:
        if isinstance(one.result, Score) and (group := one.sample.meta["group"]) is not None:
            gold[group][one.sample.answer] += 1
            predicted[group][one.result.detail["answer"]] += 1
    if not gold:
        return {}
    size = {group: answers.total() for group, answers in gold.items()}
    distance = {
        group: sum((predicted[group][answer] - count) ** 2 / count for answer, count in answers.items())
        for group, answers in gold.items()
    }
    return {"Distribution": sum(distance[group] * size[group] for group in gold) / sum(size.values()) / 100}
