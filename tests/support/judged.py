"""Judged samples without a judge, and judge prompts without their package."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import pytest

from harness.task import JudgedTask, Task
from harness.types import Missing, Response, Sample, Scored


def judged(task: Task, sample: Sample, replies: Mapping[str, str] | None) -> Scored:
    """A sample whose answer a judge has replied to; None is a medium that could not be read."""
    if replies is None:
        return Scored(sample, None, Missing("file not found"))
    assert isinstance(task, JudgedTask)
    response = Response(sample.id, "an answer")
    return Scored(sample, response, task.score_judged(sample, response, replies))


@dataclass(frozen=True)
class PlainPrompt:
    """A judge prompt that is its name and its fields."""

    name: str
    sha256: str = "of the text"

    def messages(self, **fields: str) -> tuple[tuple[str, str], ...]:
        return (("system", self.name), ("user", str(sorted(fields.items()))))


def use_plain_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("harness.judge.prompts")
    module.load_prompt = PlainPrompt  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness.judge.prompts", module)
