"""From run folders to typed cells: one number of one model with all that a reader must know about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import UserError
from harness.records.folder import METRICS, RUN, RunFolder
from harness.records.run import Run, load_run
from harness.task import TaskCard
from harness.types import Json
from results.leaderboard.costs import costs_of
from results.leaderboard.layout import Column
from results.leaderboard.terms import Terms, terms_of


@dataclass(frozen=True, slots=True)
class Cell:
    """One number. `gap`: why there is none. `terms`: None where nothing was scored. `sample_data`: on synthetic scenes.

    `missing`: samples without a score by reason. `costs`: by the names in COSTS, those that are known. `paper` and
    `verdict`: the paper's number and how this one stands to it. `run`: name of the run's folder.
    """

    column: Column
    sample_data: bool
    metric: str = ""
    unit: str = "%"
    value: float | None = None
    ci95: tuple[float, float] | None = None
    n: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    gap: str = ""
    terms: Terms | None = None
    prompt: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)
    device: str = ""
    paper: float | None = None
    verdict: str = ""
    run: str = ""

    @property
    def n_missing(self) -> int:
        return sum(self.missing.values())


@dataclass(frozen=True, slots=True)
class RunCells:
    """A run as the leaderboard takes it. `identity`: name, weights and dtype; equal ones are one model."""

    folder: Path
    model: str
    identity: tuple[str, str, str]
    tasks: Sequence[str]
    info: Mapping[str, Json]
    metrics: Mapping[str, Json]

    def cell(self, column: Column) -> Cell:
        """What the run says in a column of one of its tasks. Raises UserError for a file that is none of ours."""
        try:
            cell = _cell(column, self.metrics.get(column.task), self.info)
            return replace(cell, run=self.folder.resolve().name)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _foreign(self.folder, METRICS, error) from error


def read_runs(paths: Sequence[Path]) -> list[RunCells]:
    """The runs in some folders: each is a run, or holds runs. Raises UserError where one is neither, or is damaged.

    A folder that is named twice counts once.
    """
    folders: dict[Path, Path] = {}
    for folder in (folder for path in paths for folder in _folders(path)):
        folders.setdefault(folder.resolve(), folder)
    return [one for folder in folders.values() for one in _read(load_run(folder))]


def _folders(path: Path) -> list[Path]:
    if RunFolder(path).exists or not path.is_dir():
        return [path]
    inside = sorted(one for one in path.iterdir() if RunFolder(one).exists)
    if not inside:
        raise UserError(f"{path} is no run folder and holds none ({RUN} is missing). Name the folder that a run wrote.")
    return inside


def _read(run: Run) -> list[RunCells]:
    """A run, and once more for each judge beside its own, with the tasks that it graded."""
    name = RUN
    try:
        info = run.info
        model, config = info.get("model", {}), info["config"]
        label, tasks = str(model.get("name", config["model"])), list(config["tasks"])
        weights = str(model.get("digest", "")), str(model.get("dtype", ""))
        name = METRICS
        ended = info.get("status") != "running" and (run.folder / METRICS).is_file()
        metrics = dict(run.metrics["tasks"]) if ended else {}
        found = [RunCells(run.folder, label, (label, *weights), tasks, info, metrics)]
        for path in sorted(run.folder.glob("metrics-*.json")):
            name = path.name
            graded = {task: one for task, one in RunFolder(run.folder).read(name)["tasks"].items() if "judge" in one}
            judged = f"{label}, judged by {', '.join(dict.fromkeys(one['judge']['spec'] for one in graded.values()))}"
            found.append(RunCells(run.folder, judged, (judged, *weights), list(graded), info, graded))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(run.folder, name, error) from error
    return found


def _foreign(folder: Path, name: str, error: Exception) -> UserError:
    return UserError(
        f"{folder / name}: is not what this version of the harness writes ({type(error).__name__}: {error}). Leave the "
        "run out, or run `run-eval resume` on it."
    )


def _cell(column: Column, entry: Mapping[str, Json] | None, info: Mapping[str, Json]) -> Cell:
    sample_data = bool(info["config"]["sources"][column.task]["synthetic"])
    if entry is None:
        return Cell(column, sample_data, gap="not finished: run-eval resume goes on")
    card = _card(column.task)
    headline = entry["headline"]
    cell = Cell(
        column,
        sample_data,
        metric=headline["name"],
        unit=headline["unit"],
        value=_number(headline["value"]),
        ci95=_interval(headline["ci95"]),
        n=entry["n"],
        missing=dict(entry["missing"]),
        gap=_gap(headline),
        terms=terms_of(entry, info["config"], info["tasks"][column.task], card),
        prompt=entry["prompt"],
        costs=costs_of(column.task, info),
        device=_device(info),
        paper=_number(entry["paper"]["value"]),
        verdict=entry["paper"]["verdict"],
    )
    return _part(cell, entry) if column.part else cell


def _part(whole: Cell, entry: Mapping[str, Json]) -> Cell:
    """A number of the breakdown: without an interval, on the headline's terms, and only where that is not withheld."""
    found: Json = entry["breakdown"]
    for key in whole.column.part:
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    counted = isinstance(found, Mapping)
    value = found.get("value") if counted else found
    n = found.get("n", 0) if counted else 0
    verdict = whole.verdict if whole.verdict.startswith("not comparable") else "no interval of a part"
    number = None if whole.value is None else _number(value)
    gap = whole.gap or ("" if number is not None else "no samples of it in this run")
    return replace(
        whole,
        metric=whole.column.part[-1],
        value=number,
        ci95=None,
        n=n,
        missing={},
        gap=gap,
        costs={},
        paper=None,
        verdict=verdict,
    )


def _gap(headline: Mapping[str, Json]) -> str:
    if "awaits_judge" in headline:
        return "awaits a judge: run-eval judge"
    if "withheld" in headline:
        return f"withheld: {headline['withheld']}"
    return "" if headline["value"] is not None else "no number"


def _card(task: str) -> TaskCard | None:
    from tasks import TASKS

    return TASKS.load(task).card if task in TASKS else None


def _device(info: Mapping[str, Json]) -> str:
    device = info.get("environment", {}).get("device", {})
    return str(device.get("model", ""))


def _interval(ends: Sequence[float] | None) -> tuple[float, float] | None:
    low, high = (None, None) if ends is None else map(_number, ends)
    return None if low is None or high is None else (low, high)


def _number(value: Json) -> float | None:
    """Finite, or None."""
    return None if value is None or not math.isfinite(value) else float(value)
