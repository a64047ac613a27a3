"""Judged samples without a judge, and a small judged benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from harness.task import JudgedTask, Task, TaskCard
from harness.types import JudgeRequest, Missing, Response, Sample, Score, Scored
from tests.support.fakes import Quiz


def judged(task: Task, sample: Sample, replies: Mapping[str, str] | None) -> Scored:
    """A sample whose answer a judge has replied to; None is a medium that could not be read."""
    if replies is None:
        return Scored(sample, None, Missing("file not found"))
    assert isinstance(task, JudgedTask)
    response = Response(sample.id, "an answer")
    return Scored(sample, response, task.score_judged(sample, response, replies))


class JudgedQuiz(JudgedTask, Quiz):
    """The quiz, with a judge who says "yes" or "no"; "what?" is asked again once, anything else cannot be read."""

    card: ClassVar[TaskCard] = replace(Quiz.card, name="judgedquiz")

    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> Sequence[JudgeRequest] | Missing:
        facts = {"question": sample.question, "answer": str(sample.answer), "prediction": response.text}
        text = f"{sample.id}: is {response.text} right?"
        return [JudgeRequest(sample.id, "first", (("user", text),), ("quiz", "0" * 64), "verdict", facts, 0.0, 8)]

    def asked_again(self, request: JudgeRequest, reply: str) -> JudgeRequest | None:
        if reply != "what?" or request.key == "again":
            return None
        return replace(request, key="again", messages=(("user", f"{request.messages[0][1]} Yes or no."),))

    def score_judged(self, sample: Sample, response: Response, replies: Mapping[str, str]) -> Score | Missing:
        said = replies.get("again", replies["first"])
        return Score({"accuracy": float(said == "yes")}) if said in ("yes", "no") else Missing("unreadable reply")
