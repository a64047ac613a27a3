"""A leaderboard as one JSON document, and as CSV in long form: one row a cell, every field."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping

from harness.types import Json
from results.leaderboard.board import Board, Row, Table
from results.leaderboard.costs import COSTS
from results.leaderboard.layout import Column
from results.leaderboard.rank import Placed

FIELDS = (
    *("section", "data", "model", "digest", "dtype", "run", "task", "part", "title", "metric"),
    *("value", "ci95_low", "ci95_high", "unit", "n", "n_missing", "missing"),
    *("comparable", "reasons", "rank", "pareto_front", "pareto_cost"),
    *("prompt", "judge", "device", *COSTS),
    *("paper", "difference", "verdict"),
)


def to_json(board: Board) -> Json:
    """{"tables": [{"section", "data", "table", "columns", "cells", "printed"}], "footnotes": {mark: text}}."""
    return {"tables": [_table(table) for table in board.tables], "footnotes": dict(board.footnotes)}


def render_json(board: Board) -> str:
    return json.dumps(to_json(board), indent=2, allow_nan=False) + "\n"


def render_csv(board: Board) -> str:
    """Numbers unrounded; an empty field is one that is not known. Several missing reasons and notes are joined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for table in board.tables:
        for column, row, placed in table.placed():
            cell = cell_json(table, column, row, placed)
            writer.writerow([_flat(cell[name]) for name in FIELDS])
    return text.getvalue()


def cell_json(table: Table, column: Column, row: Row, placed: Placed) -> dict[str, Json]:
    """One cell with every field of FIELDS. None: not known, or nothing of the kind."""
    cell = placed.cell
    low, high = cell.ci95 or (None, None)
    against = next((one for one in table.against if one.placed is placed and one.column is column), None)
    return {
        "section": table.section.title,
        "data": _data(table),
        "model": row.label,
        "digest": row.digest or None,
        "dtype": row.dtype or None,
        "run": cell.run or None,
        "task": column.task,
        "part": column.part[-1] if column.part else None,
        "title": column.title,
        "metric": cell.metric or None,
        "value": cell.value,
        "ci95_low": low,
        "ci95_high": high,
        "unit": cell.unit,
        "n": cell.n if cell.terms else None,
        "n_missing": None if cell.terms is None or column.part else cell.n_missing,
        "missing": dict(cell.missing),
        "comparable": placed.comparable,
        "reasons": list(placed.reasons),
        "rank": placed.rank,
        "pareto_front": placed.front,
        "pareto_cost": table.pareto.get(column.key),
        "prompt": cell.prompt or None,
        "judge": cell.terms.judge if cell.terms else None,
        "device": cell.device or None,
        **{name: cell.costs.get(name) for name in COSTS},
        "paper": against.paper if against else None,
        "difference": against.difference if against else None,
        "verdict": against.verdict if against else None,
    }


def _table(table: Table) -> dict[str, Json]:
    return {
        "section": table.section.title,
        "data": _data(table),
        "table": table.section.table or None,
        "columns": [{"key": column.key, "title": column.title, **_note(table, column)} for column in table.columns],
        "cells": list(_cells(table)),
        "printed": {label: dict(cells) for label, cells in table.printed.items()},
    }


def _cells(table: Table) -> Iterator[dict[str, Json]]:
    for column, row, placed in table.placed():
        yield cell_json(table, column, row, placed)


def _note(table: Table, column: Column) -> dict[str, str]:
    note = table.notes.get(column.key)
    return {"note": note} if note else {}


def _data(table: Table) -> str:
    return "sample" if table.sample_data else "published"


def _flat(value: Json) -> Json:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {item}" for key, item in sorted(value.items()))
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
