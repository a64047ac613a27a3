"""A clock that goes back while a run goes on."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from harness.engine.run import evaluate
from tests.harness.engine.conftest import Configure, files
from tests.support.fakes import Parrot


def test_clock_that_goes_back_an_hour_a_look_changes_no_finished_file(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = evaluate(configure("a", cache=tmp_path / "cache-a"), model=Parrot())
    hours = itertools.count(start=2_000_000_000, step=-3600)
    monkeypatch.setattr(time, "time", lambda: float(next(hours)))
    monkeypatch.setattr(time, "time_ns", lambda: next(hours) * 10**9)
    struck = evaluate(configure("b", cache=tmp_path / "cache-b"), model=Parrot())
    assert files(struck.folder) == files(calm.folder)
    assert next(hours) < 2_000_000_000, "nobody looked at the clock"
