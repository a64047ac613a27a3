"""Sharing work among the questions about a picture or clip changes no finished file."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import evaluate
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from tasks.samples import build

pytestmark = pytest.mark.slow
TASKS = ("gqa", "mlvu")


@pytest.mark.parametrize("model", ["llava-mini-tiny", "llava-v1.5-tiny"])
def test_finished_files_are_those_of_one_question_at_a_time(model: str, tmp_path: Path) -> None:
    build(TASKS, tmp_path / "data", 0)
    sources = dict.fromkeys(TASKS, DataSource("folder", tmp_path / "data", synthetic=True))
    for name, sharing in (("shared", True), ("alone", False)):
        evaluate(RunConfig(model, TASKS, sources, tmp_path / name, limit=96, max_missing=0.0, sharing=sharing))
    for path in ("metrics.json", *(f"{task}/scores.jsonl" for task in TASKS)):
        assert (tmp_path / "shared" / path).read_bytes() == (tmp_path / "alone" / path).read_bytes(), path
