"""A benchmark of one's own: which colour is most of the picture?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.data.sources import DataSource, load_jsonl, require
from harness.scoring.statistics import MeanOf, Statistic
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Missing, Request, Response, Sample, Score

QUESTIONS = "colours/questions.jsonl"


class Colours(Task):
    """Lines of {"id", "image", "answer"}; pictures lie beside them."""

    card: ClassVar[TaskCard] = TaskCard(
        name="colours",
        title="Colours",
        modality="image",
        metric="accuracy, %",
        split="test",
        full_size=6,
        hub=HubDataset("nobody/colours", "test"),
        folder=f"{QUESTIONS}\ncolours/*.png",
        grouped=False,
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        root = require(source, [QUESTIONS], self.card)
        return [
            Sample(row["id"], "Which color is it?", Image(row["image"], root / "colours" / row["image"]), row["answer"])
            for row in load_jsonl(root / QUESTIONS)
        ]

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, sample.question, max_new_tokens=8)

    def score(self, sample: Sample, response: Response) -> Score | Missing:
        return Score({"accuracy": float(response.text.strip().lower() == sample.answer)})
