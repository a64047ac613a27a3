"""How judges grade: what each gave, and how two of them stand to each other on the same answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from harness.judge.calibration import agreement
from harness.judge.judgements import judges_in
from harness.records.folder import RunFolder
from results import plots
from results.leaderboard.cells import RunCells
from results.plots import Axis, Series

MARKS = (1.0, 5.0, 10.0)
"""Full marks of the grades that judges give."""


def judges_section(runs: Sequence[RunCells]) -> Iterator[str]:
    """Nothing where no answer was graded."""
    folders = list(dict.fromkeys((run.folder, run.info["config"]["model"]) for run in runs))
    parts = [part for folder, name in folders for part in _of_run(folder, name)]
    if parts:
        yield '<section><h2>Judges</h2><div class="plots">'
        yield from parts
        yield "</div></section>"


def _of_run(folder: Path, name: str) -> Iterator[str]:
    files = RunFolder(folder)
    info = files.read("run.json")
    own = info["config"].get("judge")
    for task in info["config"]["tasks"]:
        path = files.judgements(task)
        if own is None or not path.is_file() or not files.scores(task).is_file():
            continue
        graded = grades(files, task)
        for other in judges_in(path):
            if other != own and files.scores(task, other).is_file():
                yield from _calibration(f"{name}, {task}", (own, other), graded, grades(files, task, other))


def grades(files: RunFolder, task: str, judge: str | None = None) -> dict[tuple[str, str], float]:
    """By sample id and name of the grade; `judge`: one beside the run's own. Raises UserError for a damaged file."""
    rows = files.read_scores(task, judge)
    return {(row["id"], name): value for row in rows for name, value in row.get("values", {}).items()}


def _calibration(
    title: str, judges: tuple[str, str], a: Mapping[tuple[str, str], float], b: Mapping[tuple[str, str], float]
) -> Iterator[str]:
    """The second judge's mean grade at each grade of the first; on the diagonal they are one."""
    by_name: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for key in a.keys() & b.keys():
        by_name[key[1]][a[key]].append(b[key])
    if not by_name:
        return
    most = max(value for values in by_name.values() for grade, given in values.items() for value in (grade, *given))
    full = next((mark for mark in MARKS if most <= mark), most)
    series = [Series("equal grades", 4, ((0.0, 0.0), (full, full)), dashed=True)]
    lines = []
    for number, (name, values) in enumerate(sorted(by_name.items())):
        points = tuple((grade, sum(given) / len(given)) for grade, given in sorted(values.items()))
        series.append(Series(name, number, points))
        pairs = [(grade, one) for grade, given in values.items() for one in given]
        equal = agreement([one for one, _ in pairs], [other for _, other in pairs]) or 0.0
        lines.append(f"{name}: {len(pairs):,} answers graded by both, {100 * equal:.1f} % alike")
    axis = plots.nice_ticks(full)
    first, second = judges
    x = Axis(f"grade by {first}", 0, full, tuple(tick for tick in axis if tick <= full))
    plot = plots.lines(
        escape(f"judges-{title}-{second}".replace(" ", "-").replace(",", "")),
        x,
        Axis(f"mean grade by {second}", 0, full, x.ticks),
        series,
        {},
    )
    notes = "".join(f"<br>{escape(line)}" for line in lines)
    yield (
        f'<figure><h3>{escape(title)}</h3>{plot}<figcaption class="note">{escape(second)} (upwards) where '
        f"{escape(first)} gave what stands below{notes}</figcaption></figure>"
    )
