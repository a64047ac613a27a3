"""A leaderboard as GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from results.leaderboard.board import Board, Table
from results.leaderboard.rank import Placed
from results.leaderboard.text import (
    AGAINST_TITLES,
    COST_TITLES,
    DETAIL_TITLES,
    NONE,
    SAMPLE_NOTE,
    TITLE,
    against_row,
    costs_over,
    detail_rows,
    general_notes,
    heading_marks,
    interval_of,
    pareto_note,
    shown_costs,
    subtitle,
    value_of,
)

FRONT = "\N{BLACK DIAMOND}"
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")


def render(board: Board) -> str:
    """The whole leaderboard, ending with a line break."""
    lines = [f"# {TITLE}", ""]
    for table in board.tables:
        lines += _section(board, table)
    lines += _legend(board)
    return "\n".join(lines).rstrip("\n") + "\n"


def escaped(text: str) -> str:
    """On one line, and read as text by Markdown and HTML alike."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\&", "&amp;")


def _section(board: Board, table: Table) -> Iterator[str]:
    yield from (f"## {escaped(table.title)}", "")
    if notes := " ".join(filter(None, (subtitle(table), SAMPLE_NOTE if table.sample_data else ""))):
        yield from (notes, "")
    costs = shown_costs(table)
    titles = [escaped(column.title) + _sup(heading_marks(board, table, column.key)) for column in table.columns]
    rows = [
        [
            escaped(row.label),
            *(costs_over(table, row.label, name) for name in costs),
            *(_cell(board, row.cells.get(column.key)) for column in table.columns),
        ]
        for row in table.rows
    ]
    for label, printed in table.printed.items():
        cells = [printed.get(column.key, "") for column in table.columns]
        rows.append([f"*{escaped(label)}*", *(printed.get(name, "") for name in costs), *cells])
    yield from _grid(["model", *(COST_TITLES[name] for name in costs), *titles], rows, text=(0,))
    if details := [[escaped(text) for text in row] for _, row in detail_rows(table)]:
        yield from ("<details><summary>Every number with its counts and costs</summary>", "")
        yield from _grid(DETAIL_TITLES, details, text=(0, 1))
        yield from ("</details>", "")
    if table.against:
        yield from (f"### {escaped(table.title)}: against the paper", "")
        rows = [[escaped(text) for text in against_row(table, one)] for one in table.against]
        yield from _grid(AGAINST_TITLES, rows, text=(0, 1, len(AGAINST_TITLES) - 1))


def _cell(board: Board, placed: Placed | None) -> str:
    if placed is None:
        return ""
    value = value_of(placed.cell)
    value = f"**{value}**" if placed.rank == 1 else f"<ins>{value}</ins>" if placed.rank == 2 else value
    front = f" {FRONT}" if placed.front else ""
    interval = interval_of(placed.cell)
    shown = "" if interval == NONE else f"<br><sub>{interval}</sub>"
    return value + _sup(board.marks(placed.reasons)) + front + shown


def _sup(marks: Sequence[str]) -> str:
    return f"<sup>{','.join(marks)}</sup>" if marks else ""


def _grid(titles: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[int]) -> Iterator[str]:
    """A table; the columns in `text` hold words, the others numbers. The line after it is empty."""
    yield f"| {' | '.join(titles)} |"
    yield f"|{'|'.join(' --- ' if index in text else ' ---: ' for index in range(len(titles)))}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _legend(board: Board) -> Iterator[str]:
    yield "**Bold**: the best of a column's comparable numbers. <ins>Underlined</ins>: the second best."
    if note := pareto_note(board):
        yield from ("", f"{FRONT}: {note}")
    for note in general_notes(board):
        yield from ("", note)
    for mark, text in board.footnotes.items():
        yield from ("", f"<sup>{mark}</sup> {escaped(text)}")
