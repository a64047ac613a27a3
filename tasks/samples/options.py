"""Options of a question about a scene, with the right one where it is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.scenes import scene_rng


def with_answer_at(place: int, choices: Sequence[str], answer: str) -> list[str]:
    """The choices in their order, but for the answer."""
    others = [choice for choice in choices if choice != answer]
    return [*others[:place], answer, *others[place:]]


def balanced_places(count: int, options: int, name: str, seed: int) -> list[int]:
    """Where the right option stands in each of `count` questions: every place equally often, in mixed order.

    `count` is a multiple of `options`.
    """
    places = list(range(options)) * (count // options)
    scene_rng("sample letters", name, seed).shuffle(places)
    return places
