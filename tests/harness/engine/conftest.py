"""A quiz on disk and a configuration to run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tasks
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.registry import Registry
from tests.support.fakes import write_quiz

Configure = Callable[..., RunConfig]


def files(folder: Path) -> list[bytes]:
    """The finished files of a run, which must not depend on how it came about."""
    return [(folder / name).read_bytes() for name in ("metrics.json", "quiz/scores.jsonl")]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Makes a configuration of the quiz; keyword arguments replace fields."""
    registry: Registry[type[tasks.Task]] = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
    monkeypatch.setattr(tasks, "TASKS", registry)
    root = write_quiz(tmp_path / "data")

    def made(output: str = "run", **fields: object) -> RunConfig:
        values = {
            "model": "parrot",
            "tasks": ("quiz",),
            "sources": {"quiz": DataSource("folder", root)},
            "output": tmp_path / output,
            "workers": 0,
            **fields,
        }
        return RunConfig(**values)  # type: ignore[arg-type]

    return made
