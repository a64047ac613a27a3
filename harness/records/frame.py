"""A run as a pandas table: one row a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import UnknownName
from harness.records.folder import RunFolder
from harness.records.journal import outcome_of
from harness.types import Json, Missing

if TYPE_CHECKING:
    import pandas

    from harness.records.run import Run

TEXTS = ("task", "id", "group", "answer", "missing")
"""The columns that every table has; after them comes one for each named number of a score."""


def frame_of(run: Run, tasks: Sequence[str] | None = None) -> pandas.DataFrame:
    """Rows in sample order, task by task; of a task that is not scored yet, in the order of its answers.

    Texts are strings, NaN where there is none (`missing` of a scored sample, `answer` of a lost one); scores are
    float64, NaN where a sample is Missing or its task has no such number. A score named like a column of TEXTS gets
    "score." before it. Raises UnknownName for a task that the run does not have, UserError for damaged files.
    """
    import pandas

    known = run.info["config"]["tasks"]
    for task in tasks or ():
        if task not in known:
            raise UnknownName(f"task of {run.folder}", task, known)
    rows = [row for task in tasks or known for row in _rows(run, task)]
    # Python's own strings also hold what no UTF-8 can: half of a surrogate pair that a model wrote.
    text = pandas.StringDtype(storage="python", na_value=float("nan"))
    columns = {name: pandas.array([row[name] for row, _ in rows], dtype=text) for name in TEXTS}
    scores = dict.fromkeys(name for _, values in rows for name in values)
    for name in scores:
        title = f"score.{name}" if name in TEXTS else name
        columns[title] = pandas.array([values.get(name, float("nan")) for _, values in rows], dtype="float64")
    return pandas.DataFrame(columns)


def _rows(run: Run, task: str) -> Iterator[tuple[dict[str, str | None], Mapping[str, float]]]:
    """The texts and the numbers of each sample."""
    outcomes = {entry["id"]: outcome_of(entry) for entry in run.responses(task)}
    answers = {name: None if isinstance(one, Missing) else one.text for name, one in outcomes.items()}
    for row in _scored(run, task):
        texts = {"task": task, "id": row["id"], "group": row["cluster"]}
        yield {**texts, "answer": answers.get(row["id"]), "missing": row.get("missing")}, row.get("values", {})
    if not RunFolder(run.folder).scores(task).is_file():
        for name, one in outcomes.items():
            reason = one.reason if isinstance(one, Missing) else None
            yield {"task": task, "id": name, "group": None, "answer": answers[name], "missing": reason}, {}


def _scored(run: Run, task: str) -> Iterator[dict[str, Json]]:
    if RunFolder(run.folder).scores(task).is_file():
        yield from run.scores(task)
