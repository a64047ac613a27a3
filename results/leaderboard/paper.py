"""The paper's numbers beside ours: the rows it prints, and difference and verdict of each of our cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from results.leaderboard.layout import Column, Section
from results.leaderboard.rank import Placed
from results.paper.arithmetic import COMPARED
from results.paper.tables import PaperRow, load_table

NOT_COMPARABLE = "not comparable"
NO_INTERVAL = "no interval, so difference only"
_AVERAGES = {"avg_paper": "average"}
_NO_MODELS = ("Average video duration (minutes)", "Longest video (minutes)")
_VIDEO_ROWS = {"llava-mini": "LLaVA-Mini"}
"""Tables 2 to 5 have one LLaVA-Mini, the one on Llama-3.1-8B."""


@dataclass(frozen=True, slots=True)
class Against:
    """One of our cells beside the paper's. `difference`: ours - paper, None unless both are comparable."""

    label: str
    column: Column
    placed: Placed
    paper: float | None
    difference: float | None
    verdict: str


def against(section: Section, column: Column, label: str, model: str, placed: Placed) -> Against | None:
    """A headline's verdict is that of metrics.json. None for a part or an average that the paper does not print."""
    cell, verdict = placed.cell, placed.cell.verdict
    if cell.gap and not verdict:
        verdict = f"{NOT_COMPARABLE}: {cell.gap}"
    paper = cell.paper
    if column.part or column.task in _AVERAGES:
        paper = None if cell.sample_data else _printed(section, column, model)
        if paper is None:
            return None
        if not verdict.startswith(NOT_COMPARABLE):
            verdict = f"{NOT_COMPARABLE}: {placed.reasons[0]}" if placed.reasons else NO_INTERVAL
    comparable = not verdict.startswith(NOT_COMPARABLE)
    difference = cell.value - paper if comparable and cell.value is not None and paper is not None else None
    return Against(label, column, placed, paper, difference, verdict)


def printed_rows(section: Section, columns: Iterable[Column]) -> dict[str, dict[str, str]]:
    """The paper's models that have a number in these columns, as printed; with their vision tokens where it says."""
    if not section.table:
        return {}
    rows = {}
    for row in load_table(section.table):
        if COMPARED in row.name or row.name in _NO_MODELS:
            continue
        cells = {column.key: text for column in columns if (text := _text(row, column))}
        if cells:
            tokens = row.cells.get("vision_tokens", "")
            rows[f"{row.name} (paper)"] = {"vision_tokens": tokens, **cells} if tokens else cells
    return rows


def _text(row: PaperRow, column: Column) -> str:
    name = _AVERAGES.get(column.task, column.paper)
    return row.text(name) if name else ""


def _printed(section: Section, column: Column, model: str) -> float | None:
    """What the paper prints for the preset of one of our models."""
    from models import presets

    name = _VIDEO_ROWS.get(model) if section.table != "table1" else None
    if section.table == "table1" and (preset := presets().get(model)) is not None:
        name = preset.paper
    table = load_table(section.table) if section.table else None
    if table is None or name is None or name not in table.by_name:
        return None
    text = _text(table[name], column)
    return float(text) if text else None
