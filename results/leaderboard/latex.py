r"""A leaderboard as LaTeX tables with booktabs, to be put in with \input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from results.leaderboard.board import Board, Row, Table
from results.leaderboard.rank import Placed
from results.leaderboard.text import (
    AGAINST_TITLES,
    COST_TITLES,
    DETAIL_TITLES,
    NONE,
    SAMPLE_NOTE,
    against_row,
    costs_over,
    detail_rows,
    general_notes,
    heading_marks,
    interval_of,
    pareto_note,
    shown_costs,
    value_of,
)

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after a line's end it would begin an option
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
}
_FRONT = r"$\diamond$"
_TEXT, _NUMBER, _WORDS = "l", "r", r"p{0.3\textwidth}"


def render(board: Board) -> str:
    """Needs booktabs and, for `"`, T1 fonts. Ends with a line break."""
    lines = [r"% \usepackage{booktabs} \usepackage[T1]{fontenc}"]
    for table in board.tables:
        lines += _section(board, table)
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """On one line, without a character that LaTeX reads as a command."""
    plain = " ".join(text.split())
    return "".join(_ESCAPES.get(letter, letter) for letter in plain).replace("--", "-{}-")


def _section(board: Board, table: Table) -> Iterator[str]:
    costs = shown_costs(table)
    titles = [escaped(column.title) + _sup(heading_marks(board, table, column.key)) for column in table.columns]
    rows = [line for row in table.rows for line in _row(board, table, row, costs)]
    for label, printed in table.printed.items():
        cells = [escaped(printed.get(column.key, "")) for column in table.columns]
        rows.append([rf"\textit{{{escaped(label)}}}", *(escaped(printed.get(name, "")) for name in costs), *cells])
    heads = ["model", *(escaped(COST_TITLES[name]) for name in costs), *titles]
    yield from _float(table.title, _TEXT + _NUMBER * (len(heads) - 1), heads, rows, _notes(board, table))
    if details := [[escaped(text) for text in row] for _, row in detail_rows(table)]:
        columns = _TEXT * 2 + _NUMBER * (len(DETAIL_TITLES) - 2)
        yield from _float(f"{table.title}: counts and costs", columns, _heads(DETAIL_TITLES), details, [])
    if table.against:
        columns = _TEXT * 2 + _NUMBER * (len(AGAINST_TITLES) - 3) + _WORDS
        rows = [[escaped(text) for text in against_row(table, one)] for one in table.against]
        yield from _float(f"{table.title}: against the paper", columns, _heads(AGAINST_TITLES), rows, [])


def _heads(titles: Iterable[str]) -> list[str]:
    return [escaped(title) for title in titles]


def _row(board: Board, table: Table, row: Row, costs: Sequence[str]) -> Iterator[list[str]]:
    """The values, and under them the intervals where there are any."""
    placed = [row.cells.get(column.key) for column in table.columns]
    shown = (costs_over(table, row.label, name) for name in costs)
    yield [escaped(row.label), *shown, *("" if one is None else _cell(board, one) for one in placed)]
    intervals = [NONE if one is None else interval_of(one.cell) for one in placed]
    if any(text != NONE for text in intervals):
        small = ("" if text == NONE else rf"{{\scriptsize {text}}}" for text in intervals)
        yield ["", *("" for _ in costs), *small]


def _cell(board: Board, placed: Placed) -> str:
    value = value_of(placed.cell)
    if placed.rank is not None:
        value = rf"\{'textbf' if placed.rank == 1 else 'underline'}{{{value}}}"
    return value + _sup(board.marks(placed.reasons)) + (_FRONT if placed.front else "")


def _sup(marks: Sequence[str]) -> str:
    return rf"\textsuperscript{{{','.join(marks)}}}" if marks else ""


def _notes(board: Board, table: Table) -> list[str]:
    """What stands under a table: its own footnotes, and what its marks mean."""
    texts = dict.fromkeys(table.notes.get(column.key, "") for column in table.columns)
    texts.update(dict.fromkeys(reason for _, _, placed in table.placed() for reason in placed.reasons))
    own = [f"{_sup(board.marks([text]))} {escaped(text)}." for text in board.footnotes.values() if text in texts]
    front = [f"{_FRONT} {escaped(pareto_note(board))}"] if table.pareto else []
    sample = [escaped(SAMPLE_NOTE)] if table.sample_data else []
    marks = r"\textbf{Best} and \underline{second best} of a column's comparable numbers."
    return [*sample, marks, *front, *(escaped(note) for note in general_notes(board)), *own]


def _float(
    caption: str, columns: str, heads: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str]
) -> Iterator[str]:
    yield from ("", r"\begin{table*}", r"  \centering\small", rf"  \caption{{{escaped(caption)}}}")
    yield from (rf"  \begin{{tabular}}{{{columns}}}", r"    \toprule")
    yield rf"    {' & '.join(heads)} \\"
    yield r"    \midrule"
    yield from (rf"    {' & '.join(row)} \\" for row in rows)
    yield from (r"    \bottomrule", r"  \end{tabular}")
    if notes:
        yield from (r"  \par\smallskip\footnotesize\raggedright", *(f"  {note}" for note in notes))
    yield r"\end{table*}"
