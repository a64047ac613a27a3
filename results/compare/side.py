"""One run's part in a comparison: its samples, answers and scores of one task, read back from the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.engine.config import RunConfig
from harness.engine.plan import TaskPlan
from harness.engine.run import Run, alone, plan
from harness.errors import UserError
from harness.records.journal import outcome_of
from harness.scoring.statistics import Statistic
from harness.task import Task
from harness.types import Json, Missing, Response, Sample, Score, Scored


@dataclass(frozen=True, slots=True)
class Side:
    """`entry`: of metrics.json; `info`: of run.json. By sample id: `scored`, `clusters` (the media), `prompts`, and
    `keys`, what a request was in all that decides its answer, where the run recorded it."""

    run: Run
    task: Task
    entry: Mapping[str, Json]
    info: Mapping[str, Json]
    digests: Mapping[str, str]
    scored: Mapping[str, Scored]
    clusters: Mapping[str, str]
    prompts: Mapping[str, str]
    keys: Mapping[str, Mapping[str, Json]]

    @property
    def name(self) -> str:
        return self.task.card.name


def read_side(run: Run, task: str) -> Side:
    """A finished run's task. Its benchmark's files are read once more, media excepted, since scores alone do not tell
    what a headline counts. Raises UserError where the run is not finished, NotAvailable where the files are gone."""
    rows = _rows(run, task)
    one = _plan(run, task, tuple(rows))
    samples = {sample.id: sample for sample in one.samples}
    if strangers := [name for name in rows if name not in samples]:
        raise UserError(
            f"{run.folder}: {len(strangers):,} of its {len(rows):,} samples of {task} are no longer among the "
            f"benchmark's, e.g. {strangers[0]}. Restore the data that the run was made with."
        )
    entries = {entry["id"]: entry for entry in run.responses(task)}
    outcomes = {name: outcome_of(entry) for name, entry in entries.items()}
    return Side(
        run,
        one.task,
        run.metrics["tasks"][task],
        run.info["tasks"][task],
        one.digests(),
        {name: _scored(samples[name], row, outcomes.get(name)) for name, row in rows.items()},
        {name: row["cluster"] for name, row in rows.items()},
        {request.sample_id: request.text for group in one.groups for request in group.requests},
        {name: entry["key"] for name, entry in entries.items() if entry.get("key")},
    )


def _rows(run: Run, task: str) -> dict[str, dict[str, Json]]:
    try:
        return {row["id"]: row for row in run.scores(task)}
    except OSError as error:
        raise UserError(
            f"{run.folder}: the scores of {task} cannot be read ({error}). `run-eval resume {run.folder}` writes them."
        ) from error


def _plan(run: Run, task: str, ids: tuple[str, ...]) -> TaskPlan:
    """The task as the run planned it, without its other tasks."""
    config = alone(RunConfig.from_json(run.info["config"]), task)
    (one,) = plan(replace(config, samples=None if config.samples is None else ids))
    return one


def _scored(sample: Sample, row: Mapping[str, Json], outcome: Response | Missing | None) -> Scored:
    response = outcome if isinstance(outcome, Response) else None
    if "missing" in row:
        return Scored(sample, response, Missing(row["missing"]))
    return Scored(sample, response, Score(row["values"], row["detail"]))


def worth(headline: Statistic, scored: Scored) -> float | None:
    """A sample's own score: the value that the headline is made of, or the headline of this sample alone.

    None for a sample that the headline does not count.
    """
    assert isinstance(scored.result, Score)
    row = headline.features(scored)
    if not row.any():
        return None
    metric = getattr(headline, "metric", None)
    return float(scored.result.values[metric] if metric is not None else headline.value(row))
