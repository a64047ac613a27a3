"""The load benchmark of judging, small."""

from __future__ import annotations

import pytest

import tasks
from benchmarks.judge_load import measure
from harness.endpoint import asking


@pytest.mark.slow
def test_2000_judged_samples_with_faults_are_all_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS", tasks.TASKS)  # what the benchmark puts in their place goes with the test
    monkeypatch.setattr(asking, "FIRST_WAIT", asking.FIRST_WAIT)
    found = measure(2000, 16)
    assert found["faults"] >= 100
    assert [row for row in found["bars"] if not row["met"]] == []
