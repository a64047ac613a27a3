"""Small steps that tests of benchmarks share."""

from __future__ import annotations

from collections.abc import Sequence

from harness.task import Task
from harness.types import Missing, Response, Sample, Scored


def score_texts(task: Task, samples: Sequence[Sample], texts: Sequence[str | None]) -> list[Scored]:
    """Each text scored as the answer to the sample beside it; None is an answer that never came."""
    return [score_text(task, sample, text) for sample, text in zip(samples, texts, strict=True)]


def score_text(task: Task, sample: Sample, text: str | None) -> Scored:
    if text is None:
        return Scored(sample, None, Missing("no answer"))
    response = Response(sample.id, text)
    return Scored(sample, response, task.score(sample, response))
