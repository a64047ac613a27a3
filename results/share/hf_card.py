"""A model card for the Hugging Face hub, with the numbers as its metadata describes evaluation results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.errors import UserError
from harness.records.run import Run
from harness.types import Json
from results.leaderboard.board import make_board
from results.leaderboard.cells import Cell, read_runs
from results.leaderboard.layout import Column
from results.leaderboard.markdown import render
from tasks import TASKS

_TYPES = {"image": "visual-question-answering", "video": "video-text-to-text"}


def files(run: Run) -> dict[str, str]:
    """`README.md`. Numbers on sample data stay out of the metadata. Raises UserError where nothing else is left."""
    import yaml

    cells = read_runs([run.folder])[0]
    found = [cells.cell(Column(task, task)) for task in cells.tasks]
    found = [cell for cell in found if cell.value is not None and not cell.sample_data]
    cells = replace(cells, tasks=[cell.column.task for cell in found])
    results = [_result(cell, run.info) for cell in found]
    if not results:
        raise UserError(
            f"{run.folder}: has no number for a model card: numbers on sample data say that the harness works, not how "
            "good a model is, and withheld ones are none. Use --data folder or --data hub."
        )
    metadata = {"model-index": [{"name": cells.model, "results": results}]}
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=False, width=120)
    return {"README.md": f"---\n{front}---\n\n{render(make_board([cells]))}"}


def _result(cell: Cell, info: Mapping[str, Json]) -> dict[str, Json]:
    """One entry of `model-index`: what is not as published stands in the arguments of the data set."""
    task = cell.column.task
    card = TASKS.load(task).card
    data = info["tasks"][task]["data"]
    dataset = {
        "type": data.get("repo", card.hub.repo),
        "name": card.title,
        "split": card.split,
        **({"revision": data["revision"]} if data.get("revision") else {}),
    }
    args = dict(_arguments(cell))
    metric: dict[str, Json] = {"type": cell.metric, "name": f"{cell.metric}, {cell.unit}", "value": cell.value}
    return {
        "task": {"type": _TYPES[card.modality]},
        "dataset": {**dataset, **({"args": args} if args else {})},
        "metrics": [{**metric, "args": {"n": cell.n, "n_missing": cell.n_missing, "prompt": cell.prompt}}],
    }


def _arguments(cell: Cell) -> Iterator[tuple[str, Json]]:
    assert cell.terms is not None
    if cell.terms.deviations:
        yield "not_as_published", list(cell.terms.deviations)
    if cell.terms.judge is not None:
        yield "judge", cell.terms.judge
    if cell.ci95 is not None:
        yield "interval_95", list(cell.ci95)
