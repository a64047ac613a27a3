from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engine.plan import TaskPlan
from harness.types import Image, Sample
from tests.support.fakes import Quiz

SAMPLE = Sample("a", "What is it?", Image("one", Path("one.jpg")), "cat", ("cat", "dog"), {"kind": "object"})


def digest(sample: Sample) -> str:
    return TaskPlan(Quiz(), "llava", (sample,), (), {}).digests()["samples_sha256"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"question": "Who is it?"},
        {"media": Image("two", Path("one.jpg"))},
        {"media": None},
        {"answer": "dog"},
        {"choices": ("dog", "cat")},
        {"meta": {"kind": "colour"}},
    ],
)
def test_whatever_a_score_is_made_from_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest(replace(SAMPLE, **change)) != digest(SAMPLE)


def test_place_of_the_files_does_not_change_the_digest() -> None:
    assert digest(replace(SAMPLE, media=Image("one", Path("elsewhere/one.jpg")))) == digest(SAMPLE)
