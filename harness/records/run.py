"""A run folder as plain data, for those who only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.records.folder import METRICS, RUN, RunFolder
from harness.records.journal import read_journal
from harness.types import Json

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Run:
    """A run, finished or not. Everything is read when it is asked for."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Json]:
        """`run.json`."""
        return dict(RunFolder(self.folder).read(RUN))

    @cached_property
    def metrics(self) -> dict[str, Json]:
        """`metrics.json`. Raises UserError while the run is not finished."""
        return dict(RunFolder(self.folder).read(METRICS))

    @property
    def withheld(self) -> bool:
        """Whether a task has no headline because too much is missing; one that only awaits a judge does not count."""
        headlines = [entry["headline"] for entry in self.metrics["tasks"].values()]
        return any("withheld" in one and "awaits_judge" not in one for one in headlines)

    def scores(self, task: str) -> Iterator[dict[str, Json]]:
        """Rows of `scores.jsonl`, in sample order."""
        return RunFolder(self.folder).read_scores(task)

    def responses(self, task: str) -> Iterator[dict[str, Json]]:
        """Journal entries, in the order they were finished; of entries with one id the last one counts."""
        return read_journal(RunFolder(self.folder).journal(task))

    def to_pandas(self, tasks: Sequence[str] | None = None) -> pandas.DataFrame:
        """One row a sample of some or all tasks: task, id, group, answer, missing, and each number of a score.

        See `harness.records.frame` for types and order. Raises UnknownName and UserError.
        """
        from harness.records.frame import frame_of

        return frame_of(self, tasks)


def load_run(path: Path | str) -> Run:
    """A run folder. Raises UserError when it is none."""
    run = Run(Path(path))
    _ = run.info
    return run
