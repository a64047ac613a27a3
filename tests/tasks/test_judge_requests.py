"""What LLaVA-Bench and MM-Vet ask a judge: the official words at the official settings."""

from __future__ import annotations

import hashlib
import json

import pytest

from harness.task import JudgedTask
from harness.types import JudgeRequest, Response, Sample
from tasks.llavabench import LlavaBench
from tasks.mmvet import MmVet
from tests.support.golden import golden_path


def asked(task: JudgedTask, question: str, answer: str, prediction: str, **meta: object) -> JudgeRequest:
    sample, response = Sample("7", question, None, answer, meta=meta), Response("7", prediction)
    found = task.judge_requests(sample, response, {})
    (request,) = found  # type: ignore[misc]
    return request


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.golden
def test_llavabench_asks_once_with_the_context_in_the_official_words() -> None:
    for case in json.loads(golden_path("image", "llavabench.json").read_text())["judge_prompt_check"]:
        context = "\n".join(case["caption"])
        words = (case["question"], case["answer1"], case["answer2"])
        request = asked(LlavaBench(), *words, context=context, category=case["category"])
        assert request.facts == dict(zip(("question", "answer", "prediction"), words, strict=True)) | {
            "context": context
        }
        assert [role for role, _ in request.messages] == ["system", "user"]
        assert sha256(request.messages[-1][1]) == case["sha256"]
        assert (request.sample_id, request.prompt[0], request.form) == ("7", "llavabench", "pair")
        assert (request.temperature, request.max_tokens) == (0.2, 1024)


@pytest.mark.golden
def test_mmvet_asks_once_with_the_marks_in_the_answer_in_the_official_words() -> None:
    case = json.loads(golden_path("image", "mmvet.json").read_text())["judge_prompt_check"]
    words = (case["question"], case["answer"], case["prediction"])
    request = asked(MmVet(), *words, capabilities=["math"])
    assert request.facts == dict(zip(("question", "answer", "prediction"), words, strict=True))
    ((role, text),) = request.messages
    assert (role, sha256(text)) == ("user", case["sha256"])
    assert (request.sample_id, request.prompt[0], request.form) == ("7", "mmvet", "grade")
    assert (request.temperature, request.max_tokens) == (0.0, 3)


@pytest.mark.parametrize("task", [LlavaBench(), MmVet()])
def test_what_is_asked_is_what_is_scored(task: JudgedTask) -> None:
    request = asked(task, "What is x?", "A bus.", "x = 3", context="", category="conv", capabilities=["rec"])
    sample = Sample("7", "What is x?", None, "A bus.", meta={"category": "conv", "capabilities": ["rec"]})
    reply = {"pair": "8 4", "grade": "0.5"}[request.form]
    score = task.score_judged(sample, Response("7", "x = 3"), {request.key: reply})
    assert getattr(score, "values", None) in ({"reference": 8.0, "model": 4.0}, {"grade": 0.5, "official": 0.5})
