"""What LLaVA-Bench and MM-Vet ask a judge, with a prompt that shows its fields."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

from harness.task import JudgedTask
from harness.types import JudgeRequest, Response, Sample
from tasks.llavabench import LlavaBench
from tasks.mmvet import MmVet


@dataclass(frozen=True)
class Shown:
    """A judge prompt whose only message is its fields."""

    name: str
    sha256: str = "of the text"

    def messages(self, **fields: str) -> tuple[tuple[str, str], ...]:
        return (("user", str(sorted(fields.items()))),)


@pytest.fixture(autouse=True)
def _prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("harness.judge.prompts")
    module.load_prompt = Shown  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness.judge.prompts", module)


def asked(task: JudgedTask, answer: str, **meta: object) -> JudgeRequest:
    sample, response = Sample("7", "What is x?", None, answer, meta=meta), Response("7", "x = 3")
    found = task.judge_requests(sample, response, {})
    (request,) = found  # type: ignore[misc]
    return request


def test_llavabench_asks_once_with_the_context_at_the_official_settings() -> None:
    request = asked(LlavaBench(), "A bus.", context="A red bus.", category="conv")
    facts = {"context": "A red bus.", "question": "What is x?", "answer": "A bus.", "prediction": "x = 3"}
    assert (request.form, request.temperature, request.max_tokens) == ("pair", 0.2, 1024)
    assert (request.sample_id, request.facts, request.prompt) == ("7", facts, ("llavabench", "of the text"))
    assert request.messages == (("user", str(sorted(facts.items()))),)


def test_mmvet_asks_once_with_the_marks_in_the_answer_at_the_official_settings() -> None:
    request = asked(MmVet(), "-1<AND>-5", capabilities=["math"])
    assert (request.form, request.temperature, request.max_tokens) == ("grade", 0.0, 3)
    assert request.facts == {"question": "What is x?", "answer": "-1<AND>-5", "prediction": "x = 3"}
    assert (request.sample_id, request.prompt) == ("7", ("mmvet", "of the text"))


@pytest.mark.parametrize("task", [LlavaBench(), MmVet()])
def test_what_is_asked_is_what_is_scored(task: JudgedTask) -> None:
    request = asked(task, "A bus.", context="", category="conv", capabilities=["rec"])
    sample = Sample("7", "What is x?", None, "A bus.", meta={"category": "conv", "capabilities": ["rec"]})
    reply = {"pair": "8 4", "grade": "0.5"}[request.form]
    score = task.score_judged(sample, Response("7", "x = 3"), {request.key: reply})
    assert getattr(score, "values", None) in ({"reference": 8.0, "model": 4.0}, {"grade": 0.5, "official": 0.5})
