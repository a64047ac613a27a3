"""Run folders made without a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.records.folder import RUN, RunFolder
from harness.records.journal import Journal, entry_of
from harness.records.run import Run, load_run
from harness.types import Missing, Response


def answered_run(folder: Path, task: str, source: DataSource, answers: Mapping[str, str | Missing]) -> Run:
    """A run of one task that has these answers by sample id in its journal, and no scores yet."""
    config = RunConfig("parrot", (task,), {task: source}, folder)
    with Journal(RunFolder(folder).journal(task)) as journal:
        for name, answer in answers.items():
            outcome = answer if isinstance(answer, Missing) else Response(name, answer)
            journal.append(entry_of(name, outcome, 0.0, False, None))
    RunFolder(folder).write(RUN, {"status": "running", "config": config.to_json()})
    return load_run(folder)
