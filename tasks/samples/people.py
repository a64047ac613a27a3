"""Ten people's answers to one question of a scene: most say the same, some in other words, some something else."""

from __future__ import annotations

import random

from harness.data.scenes import SceneQuestion
from tasks.samples.phrases import options

ANNOTATORS = 10
_AGREED = 0.5
"""Share of the questions to which all ten say the same, as in VQA-v2."""
_COUNTED = {"1": "one", "2": "two", "3": "three", "4": "four"}


def answers(question: SceneQuestion, rng: random.Random) -> list[str]:
    """At least eight plain answers, so that the plain answer is worth the whole point."""
    said = [question.answer] * ANNOTATORS
    if rng.random() >= _AGREED:
        said[:2] = [_in_other_words(question), _wrong(question, rng)]
        rng.shuffle(said)
    return said


def answer_type(question: SceneQuestion) -> str:
    """ "yes/no", "number" or "other", as the annotation files have it."""
    return {"existence": "yes/no", "count": "number"}.get(question.kind, "other")


def _in_other_words(question: SceneQuestion) -> str:
    """What the official rule brings to the plain answer: number words, capitals and periods."""
    return _COUNTED.get(question.answer) or f"{question.answer.capitalize()}."


def _wrong(question: SceneQuestion, rng: random.Random) -> str:
    return options(question, 0, 2, rng)[1]
