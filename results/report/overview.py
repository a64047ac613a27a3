"""The first view of a report: leaderboard, accuracy against cost, breakdowns, and how judges agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from harness.types import Json
from results import plots
from results.leaderboard import html
from results.leaderboard.board import Board
from results.leaderboard.cells import RunCells
from results.leaderboard.rank import Placed
from results.leaderboard.text import COST_TITLES
from results.plots import Axis, Dot, nice_ticks
from results.report.judges import judges_section
from results.report.runs import runs_section

PLOTTED_COSTS = ("tflops_per_sample", "ms_per_sample", "mib_per_image")
FULL = (1.0, 5.0, 100.0)
"""Whole marks that a group of numbers can be shares of."""


def overview(board: Board, runs: Sequence[RunCells], notes: Sequence[str]) -> Iterator[str]:
    """HTML of the whole view. `notes`: what a reader must know, e.g. that a run goes on."""
    yield from (f'<p class="warning">{escape(note)}</p>' for note in notes)
    yield from runs_section(runs)
    yield from html.body(board)
    yield from _against_cost(board)
    yield from _breakdowns(runs)
    yield from judges_section(runs)


def _against_cost(board: Board) -> Iterator[str]:
    """One plot a benchmark and cost, each model a point."""
    figures: dict[str, list[str]] = {}
    for table in board.tables:
        names = [row.label for row in table.rows]
        for column in table.columns:
            title = f"{table.section.title}: {column.title}"
            cells = [(row.label, row.cells[column.key]) for row in table.rows if column.key in row.cells]
            for cost in PLOTTED_COSTS:
                on_front = table.pareto.get(column.key) == cost
                dots = [
                    _dot(name, names.index(name), placed, cost, on_front)
                    for name, placed in cells
                    if placed.cell.value is not None and cost in placed.cell.costs and not column.part
                ]
                if dots:
                    key = f"cost-{len(figures)}-{cost}"
                    figures.setdefault(title, []).append(_scatter(key, column.title, cost, dots))
    if figures:
        yield "<section><h2>Score against cost</h2>"
        for number, (title, found) in enumerate(figures.items()):
            opened = " open" if number == 0 else ""
            yield f"<details{opened}><summary>{escape(title)}</summary>"
            yield f'<div class="plots">{"".join(found)}</div></details>'
        yield "</section>"


def _dot(name: str, number: int, placed: Placed, cost: str, on_front: bool) -> Dot:
    cell = placed.cell
    assert cell.value is not None
    why = "; ".join(placed.reasons)
    return Dot(name, number, cell.costs[cost], cell.value, cell.ci95, why, on_front and placed.front)


def _scatter(key: str, title: str, cost: str, dots: Sequence[Dot]) -> str:
    highest = max(max(dot.x for dot in dots), 1e-9)
    top = max([dot.y for dot in dots] + [dot.interval[1] for dot in dots if dot.interval])
    x_ticks, y_ticks = nice_ticks(highest), nice_ticks(max(top, 1e-9))
    x = Axis(COST_TITLES[cost], 0, x_ticks[-1], x_ticks)
    y = Axis(title, 0, y_ticks[-1], y_ticks)
    words = f"{title} against {COST_TITLES[cost]}, with intervals."
    words += " Hollow: comparable with no other." if any(dot.apart for dot in dots) else ""
    words += " Dashed: the Pareto front." if any(dot.front for dot in dots) else ""
    caption = f'<figcaption class="note">{escape(words)}</figcaption>'
    return f"<figure>{plots.points(key, x, y, dots)}{caption}</figure>"


def _breakdowns(runs: Sequence[RunCells]) -> Iterator[str]:
    """Bars of every group of shares that the runs' benchmarks print."""
    names = list(dict.fromkeys(run.model for run in runs))
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for run in runs:
        for task, entry in run.metrics.items():
            for title, shares in groups_of(entry.get("breakdown", {})):
                for row, value in shares.items():
                    found.setdefault(task, {}).setdefault(title, {}).setdefault(row, {})[run.model] = value
    if found:
        yield "<section><h2>Breakdowns</h2>"
        for task, groups in found.items():
            yield f'<details><summary>{escape(task)}</summary><div class="plots">'
            for title, rows in groups.items():
                most = max(value for values in rows.values() for value in values.values())
                full = next((mark for mark in FULL if most <= mark), most)
                bars = plots.grouped(f"{task} {title}", rows, names, full, 3 if full == 1 else 1)
                yield f"<figure><h3>{escape(title)}</h3>{bars}</figure>"
            yield "</div></details>"
        yield "</section>"


def groups_of(breakdown: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, float]]]:
    """Groups of numbers that say how good, by title; counts are left out, and groups of fewer than two."""
    for title, group in breakdown.items():
        if not isinstance(group, Mapping):
            continue
        shares = {}
        for name, value in group.items():
            number = value.get("value") if isinstance(value, Mapping) else value
            if isinstance(number, float) and math.isfinite(number) and number >= 0:
                shares[name] = number
        if len(shares) > 1:
            yield title, shares
