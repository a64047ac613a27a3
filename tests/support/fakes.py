"""A benchmark and models without pictures, torch or time, for tests of the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.data.sources import DataSource
from harness.errors import MediaError
from harness.media.chunks import Chunk, Preparer
from harness.model import Model, ModelCard, ReadyGroup
from harness.scoring.statistics import MeanOf, Statistic
from harness.task import HubDataset, Task, TaskCard
from harness.types import FramePolicy, Group, Image, Json, Media, Request, Response, Sample, Score, Scored

QUESTIONS_A_MEDIUM = 4


class Quiz(Task):
    """`root/quiz.txt` holds the number of samples; media are files `root/m<k>.txt` that hold any text.

    A medium whose text is "broken" cannot be read; a sample whose question says "unusable" is no item.
    """

    card: ClassVar[TaskCard] = TaskCard(
        name="quiz",
        title="Quiz",
        modality="image",
        metric="accuracy, %",
        split="test",
        full_size=40,
        hub=HubDataset("org/quiz", "test"),
        folder="quiz.txt",
        paper={"parrot": 50.0},
        prompts=("plain", "polite"),
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        assert source.root is not None
        return [self._sample(source.root, index) for index in range(int((source.root / "quiz.txt").read_text()))]

    def _sample(self, root: Path, index: int) -> Sample:
        number = index // QUESTIONS_A_MEDIUM
        return Sample(f"q{index}", f"question {index}", Image(f"m{number}", root / f"m{number}.txt"), str(index % 2))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, f"{prompt}: {sample.question}", 8)

    def score(self, sample: Sample, response: Response) -> Score:
        return Score({"accuracy": float(response.text == sample.answer)}, {"answer": response.text})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        return {
            "even": float(np.mean([one.result.values["accuracy"] for one in scored if isinstance(one.result, Score)]))
        }


def write_quiz(root: Path, samples: int = 40, texts: Mapping[int, str] | None = None) -> Path:
    """The quiz's files. `texts`: of some media."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "quiz.txt").write_text(str(samples))
    for number in range(-(-samples // QUESTIONS_A_MEDIUM)):
        (root / f"m{number}.txt").write_text((texts or {}).get(number, f"medium {number}"))
    return root


@dataclass(frozen=True)
class TextPreparer:
    """A medium's bytes as one chunk."""

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        assert isinstance(media.source, Path)
        content = media.source.read_bytes()
        if content == b"broken":
            raise MediaError("unreadable", media.id)
        yield np.frombuffer(content, np.uint8)


class Parrot(Model):
    """Answers "0" or "1" by a hash of medium and question; counts its calls and their sizes."""

    def __init__(self, digest: str = "feathers", answer: str | None = None) -> None:
        self.card = ModelCard("parrot", digest, "float32", "1")
        self.calls: list[int] = []
        self._answer = answer

    def preparer(self) -> Preparer:
        return TextPreparer()

    def cost_tokens(self, group: Group) -> int:
        return 10 * len(group.requests)

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        self.calls.append(sum(len(ready.group.requests) for ready in groups))
        for ready in groups:
            seen = b"".join(chunk.tobytes() for chunk in ready.chunks)
            for request in ready.group.requests:
                yield Response(request.sample_id, self.say(seen, request.text), 1, 5, 1, 1)

    def say(self, seen: bytes, text: str) -> str:
        if self._answer is not None:
            return self._answer
        return str(hashlib.sha256(seen + text.encode()).digest()[0] % 2)
