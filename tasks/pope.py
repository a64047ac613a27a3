"""POPE: is this object in the image? The mean F1 over questions about random, popular and adversarial objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from harness.data.sources import DataSource, TableBytes, hub_rows, load_jsonl, require
from harness.scoring.statistics import Floats, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Missing, Request, Response, Sample, Score, Scored
from tasks.wording import SHORT_ANSWER

CATEGORIES = ("adversarial", "random", "popular")
QUESTIONS = "pope/llava_pope_test.jsonl"
LABELS = {category: f"pope/coco/coco_pope_{category}.json" for category in CATEGORIES}
IMAGES = "pope/val2014"

_COUNTS = ("TP", "FP", "TN", "FN")


def says_no_or_yes(text: str) -> str:
    """LLaVA's reading: "no" if the first sentence has the word "No", "no" or "not" between single spaces, else "yes".

    So "NO", "Nope", "No!" and the empty text are a yes.
    """
    words = text.partition(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "no", "not"}.intersection(words) else "yes"


@dataclass(frozen=True, slots=True)
class F1:
    """F1 of "yes" in percent, as the plain mean over categories; 0 where a category has no true positive.

    `metric` is 1 for a right answer, 0 for a wrong one, and -1 for one that counts in no cell (lmms-eval's unread
    answers). `pooled`: one F1 over all categories.
    """

    metric: str = "accuracy"
    pooled: bool = False
    categories: tuple[str, ...] = CATEGORIES
    name: str = "f1"
    unit: str = "%"

    def features(self, scored: Scored) -> Floats:
        """TP, FP, TN, FN of each category, one category after the other."""
        if isinstance(scored.result, Missing):
            return np.zeros(self._width)
        return self._at(scored.sample, scored.result.values[self.metric])

    def value(self, sums: Floats) -> Floats:
        cells = sums.reshape(*sums.shape[:-1], -1, len(_COUNTS))
        if self.pooled:
            cells = cells.sum(axis=-2, keepdims=True)
        tp, fp, fn = cells[..., 0], cells[..., 1], cells[..., 3]
        f1 = np.divide(2 * tp, 2 * tp + fp + fn, out=np.zeros_like(tp), where=np.asarray(tp > 0))
        asked = (cells.sum(axis=-1) > 0).sum(axis=-1)
        mean: Floats = np.divide(f1.sum(axis=-1), asked, out=np.full(asked.shape, np.nan), where=np.asarray(asked > 0))
        return 100.0 * mean

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        return self._at(sample, 0.0), self._at(sample, 1.0)

    @property
    def _width(self) -> int:
        return len(_COUNTS) * len(self.categories)

    def _at(self, sample: Sample, right: float) -> Floats:
        row = np.zeros(self._width)
        if right >= 0 and sample.meta["category"] in self.categories:
            start = len(_COUNTS) * self.categories.index(sample.meta["category"])
            row[start + _COUNTS.index(cell(sample, right == 1.0))] = 1.0
        return row


def cell(sample: Sample, right: bool) -> str:
    """TP, FP, TN or FN. A label other than "no" counts as yes."""
    positive = sample.answer != "no"
    return ("T" if right else "F") + ("P" if positive == right else "N")


class Pope(Task):
    """Groups are images. Labels belong to questions by their place within the category, not by id, as in the official
    script; a question without label is broken, and labels that name another question are counted in the breakdown."""

    card: ClassVar[TaskCard] = TaskCard(
        name="pope",
        title="POPE",
        modality="image",
        metric="mean F1 of three categories, %",
        split="COCO val2014: random, popular, adversarial",
        full_size=8910,
        hub=HubDataset("lmms-lab/POPE", "+".join(CATEGORIES), ("Full",)),
        folder="\n".join((QUESTIONS, *LABELS.values(), f"{IMAGES}/")),
        paper={"llava-mini": 85.3, "llava-mini-7b": 84.4, "llava-mini-hd": 85.3, "llava-v1.5-7b": 85.9},
        notes="LLaVA's files hold 2,910 random questions; POPE's repository and the hub now hold 3,000 (9,000 in all).",
    )
    headline: ClassVar[Statistic] = F1()

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, f"{sample.question}\n{SHORT_ANSWER}", 128)

    def score(self, sample: Sample, response: Response) -> Score:
        answer, plain = says_no_or_yes(response.text), response.text.strip().lower()
        label = "no" if sample.answer == "no" else "yes"
        read = plain in {"yes", "no"}
        values = {"accuracy": answer == label, "lmms_eval": plain == label, "lmms_cell": plain == label if read else -1}
        return Score({name: float(value) for name, value in values.items()}, {"answer": answer})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """Per category what the official script prints; where it would divide by zero, 0 and a note."""
        cells: defaultdict[str, list[str]] = defaultdict(list)
        for one in scored:
            if isinstance(one.result, Score):
                cells[one.sample.meta["category"]].append(cell(one.sample, one.result.values["accuracy"] == 1.0))
        astray = sum(bool(one.sample.meta.get("label_of_another_question")) for one in scored)
        return {
            **{category: confusion(cells[category]) for category in CATEGORIES if category in cells},
            **({"labels of another question": astray} if astray else {}),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """lmms-eval: only a bare yes or no is read, the rest counts as neither. `pope` pools, `pope_full` does not."""
        values = {
            "pooled_f1": point(F1(pooled=True), scored),
            "lmms_eval": point(F1("lmms_cell", pooled=True), scored),
            "lmms_eval_mean_f1": point(F1("lmms_cell"), scored),
        }
        right = [one.result.values["lmms_eval"] for one in scored if isinstance(one.result, Score)]
        if right:
            values["lmms_eval_accuracy"] = 100 * sum(right) / len(right)
        return {name: value for name, value in values.items() if value is not None}


def confusion(cells: Sequence[str]) -> dict[str, Json]:
    """The official figures as fractions of 1, from at least one TP, FP, TN or FN."""
    tp, fp, tn, fn = (cells.count(name) for name in _COUNTS)
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    figures: dict[str, Json] = {
        "samples": len(cells),
        **dict(zip(_COUNTS, (tp, fp, tn, fn), strict=True)),
        "accuracy": (tp + tn) / len(cells),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if tp else 0.0,
        "yes_ratio": (tp + fp) / len(cells),
    }
    if not tp:
        figures["note"] = "no true positive: the official script divides by zero here; F1 is taken as 0"
    return figures


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, *LABELS.values(), IMAGES), Pope.card)
    labels = {category: iter(load_jsonl(root / path)) for category, path in LABELS.items()}
    for row in load_jsonl(root / QUESTIONS):
        question, name = row["text"].removesuffix(f"\n{SHORT_ANSWER}"), row["image"]
        label = next(labels[row["category"]], None) if row["category"] in labels else None
        meta: dict[str, Json] = {"category": row["category"]}
        broken = None if label else f"no label at this place of category '{row['category']}'"
        if label and (label.get("text", question), label.get("image", name)) != (question, name):
            meta["label_of_another_question"] = True
        answer = label["label"] if label else ""
        yield Sample(str(row["question_id"]), question, Image(name, root / IMAGES / name), answer, (), meta, broken)


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    for category in dataset.split.split("+"):
        rows = hub_rows(replace(dataset, split=category), dataset.configs[0], source)
        for index, row in enumerate(rows.remove_columns("image")):
            image = Image(row["image_source"], TableBytes(rows, index))
            yield Sample(f"{category}/{index}", row["question"], image, row["answer"], (), {"category": category})
