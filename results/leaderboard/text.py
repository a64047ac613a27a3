"""Numbers as they are shown, alike in every format for people."""

from __future__ import annotations

from collections.abc import Iterator

from results.leaderboard.board import Board, Table
from results.leaderboard.cells import Cell
from results.leaderboard.costs import COSTS, COUNTED
from results.leaderboard.layout import Column
from results.leaderboard.paper import Against
from results.leaderboard.rank import Placed

NONE = "-"
TITLE = "Leaderboard"
COST_TITLES = dict(zip(COSTS, ("vision tokens", "TFLOPs", "ms a sample", "MiB an image"), strict=True))
DETAIL_TITLES = ("benchmark", "model", "score", "95 % interval", "n", "missing", *COST_TITLES.values())
AGAINST_TITLES = ("benchmark", "model", "ours", "95 % interval", "paper", "ours - paper", "verdict")
SAMPLE_NOTE = (
    "Sample data: synthetic scenes made by this harness. Comparable with each other, never with published numbers."
)


def value_of(cell: Cell) -> str:
    """Two decimals on a scale of five points, else one, as papers print them."""
    return NONE if cell.value is None else _number(cell, cell.value)


def interval_of(cell: Cell) -> str:
    return NONE if cell.ci95 is None else " to ".join(_number(cell, end) for end in cell.ci95)


def cost_of(cell: Cell, name: str) -> str:
    return cost_text(name, cell.costs[name]) if name in cell.costs else NONE


def cost_text(name: str, value: float) -> str:
    """Vision tokens whole where they are; TFLOPs and MiB to three digits, ms to one decimal."""
    if name == "vision_tokens":
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{value:,.1f}" if name == "ms_per_sample" else f"{value:.3g}"


def costs_over(table: Table, label: str, name: str) -> str:
    """A model's cost over a table's benchmarks: one number, or the least and the most."""
    row = next(row for row in table.rows if row.label == label)
    found = sorted({one.cell.costs[name] for one in row.cells.values() if name in one.cell.costs})
    shown = list(dict.fromkeys(cost_text(name, value) for value in (found[:1] + found[-1:])))
    return " to ".join(shown) if shown else NONE


def shown_costs(table: Table) -> list[str]:
    """The costs that any cell of a table knows."""
    return [name for name in COSTS if any(name in placed.cell.costs for _, _, placed in table.placed())]


def detail_rows(table: Table) -> Iterator[tuple[Placed, list[str]]]:
    """A line for every headline of a table, in the order of DETAIL_TITLES."""
    for column, row, placed in table.placed():
        cell = placed.cell
        if not column.part and cell.run:
            counts = [f"{cell.n:,}", f"{cell.n_missing:,}"] if cell.terms else [NONE, NONE]
            costs = [cost_of(cell, name) for name in COSTS]
            yield placed, [name_of(table, column), row.label, value_of(cell), interval_of(cell), *counts, *costs]


def name_of(table: Table, column: Column) -> str:
    """A column's name outside of its table: 'GQA', but 'MLVU, M-Avg'."""
    parts = any(other.part for other in table.columns)
    return f"{table.section.title}, {column.title}" if parts else column.title


def against_row(table: Table, one: Against) -> list[str]:
    """In the order of AGAINST_TITLES."""
    cell = one.placed.cell
    paper = NONE if one.paper is None else _number(cell, one.paper)
    difference = NONE if one.difference is None else f"{one.difference:+.{_digits(cell)}f}"
    return [name_of(table, one.column), one.label, value_of(cell), interval_of(cell), paper, difference, one.verdict]


def heading_marks(board: Board, table: Table, key: str) -> tuple[str, ...]:
    """Footnote marks of a column's heading."""
    note = table.notes.get(key)
    return board.marks([note]) if note else ()


def subtitle(table: Table) -> str:
    """Which table of the paper a section is like, "" for none."""
    number = table.section.table.removeprefix("table")
    return f"The columns of the paper's Table {number}." if number else ""


def pareto_note(board: Board) -> str:
    """What the mark of the front means here; "" where no cell has it."""
    costs = dict.fromkeys(cost for table in board.tables for cost in table.pareto.values())
    names = " or ".join(COST_TITLES[name] for name in costs)
    return f"on the Pareto front of score against {names}: no comparable number is better for less." if names else ""


def general_notes(board: Board) -> list[str]:
    """What holds for all tables."""
    notes = ["Small: 95 % interval; all questions about an image or a video are drawn together."]
    known = {name for table in board.tables for name in shown_costs(table)}
    if known & {"tflops_per_sample", "mib_per_image"}:
        notes.append(COUNTED)
    if "ms_per_sample" in known:
        notes.append(f"ms a sample: each run's own pace, decoding included; on {' and '.join(_devices(board))}.")
    if any(table.printed for table in board.tables):
        notes.append("Rows marked (paper): as the paper prints them; never ranked with ours.")
    return notes


def _devices(board: Board) -> list[str]:
    found = (placed.cell.device for table in board.tables for _, _, placed in table.placed())
    return sorted({device for device in found if device}) or ["a machine that the runs do not name"]


def _digits(cell: Cell) -> int:
    return 2 if cell.unit == "points of 5" else 1


def _number(cell: Cell, value: float) -> str:
    return f"{value:.{_digits(cell)}f}"
