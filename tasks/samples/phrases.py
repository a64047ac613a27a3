"""Scenes' questions put as the benchmarks put them: wrong options beside the answer, articles."""

from __future__ import annotations

import random

from harness.data.scenes import COLORS, SHAPES, WORDS, SceneQuestion

ANSWERS = {
    "colour": tuple(COLORS),
    "shape": SHAPES,
    "count": ("1", "2", "3", "4"),
    "existence": ("yes", "no"),
    "relation": ("left", "right", "above", "below"),
    "size": ("larger", "smaller"),
    "word": tuple(word.lower() for word in WORDS),
}
"""What can be answered to a question about a picture, by kind."""


def most_options(question: SceneQuestion) -> int:
    """How many options a question of this kind can have."""
    return len(ANSWERS[question.kind])


def options(question: SceneQuestion, place: int, count: int, rng: random.Random) -> list[str]:
    """`count` options with the answer at `place`; the others are drawn from the answers to questions of that kind."""
    others = rng.sample([answer for answer in ANSWERS[question.kind] if answer != question.answer], count - 1)
    return [*others[:place], question.answer, *others[place:]]


def with_article(name: str) -> str:
    """'a star', 'an orange star'."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
