"""Judged samples without a judge."""

from __future__ import annotations

from collections.abc import Mapping

from harness.task import JudgedTask, Task
from harness.types import Missing, Response, Sample, Scored


def judged(task: Task, sample: Sample, replies: Mapping[str, str] | None) -> Scored:
    """A sample whose answer a judge has replied to; None is a medium that could not be read."""
    if replies is None:
        return Scored(sample, None, Missing("file not found"))
    assert isinstance(task, JudgedTask)
    response = Response(sample.id, "an answer")
    return Scored(sample, response, task.score_judged(sample, response, replies))
