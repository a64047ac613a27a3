"""A leaderboard as one static page: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from results.leaderboard.board import Board, Row, Table
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

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #d0d4da; --faint: #5b6470; --best: #e4f2e7 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #15181c; --line: #3a414b; --faint: #a2abb7; --best: #1f3b27 }
}
body { margin: 0 auto; max-width: 90rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }
.wide { overflow-x: auto; margin: .5rem 0 1rem }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  white-space: nowrap }
th { border-bottom: 2px solid var(--line) }
.words { text-align: left }
td.words:last-child { white-space: normal; min-width: 14rem }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper) }
td.best { background: var(--best) }
small, .note, .printed td { color: var(--faint) }
small { display: block }
summary { cursor: pointer }
sup { line-height: 0 }
:focus-visible { outline: 2px solid currentColor; outline-offset: 2px }
@media (max-width: 40rem) { body { padding: .5rem } th:first-child, td:first-child { min-width: 6rem; max-width: 9rem;
  white-space: normal; overflow-wrap: anywhere } }
""".strip()
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
FRONT = '<abbr title="on the Pareto front">\N{BLACK DIAMOND}</abbr>'


def render(board: Board) -> str:
    """The whole page, ending with a line break."""
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{TITLE}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        *body(board),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def body(board: Board) -> Iterator[str]:
    """What a page that holds a leaderboard puts into its body; STYLE goes with it."""
    yield f"<h1>{TITLE}</h1>"
    yield "<main>"
    for table in board.tables:
        yield from _section(board, table)
    yield "</main>"
    yield "<footer>"
    yield "<p><strong>Bold</strong>: the best of a column's comparable numbers. <u>Underlined</u>: the second best.</p>"
    if note := pareto_note(board):
        yield f"<p>{FRONT} {escape(note)}</p>"
    yield from (f"<p>{escape(note)}</p>" for note in general_notes(board))
    for mark, text in board.footnotes.items():
        yield f'<p id="note-{mark}"><sup>{mark}</sup> {escape(text)}</p>'
    yield "</footer>"


def _section(board: Board, table: Table) -> Iterator[str]:
    yield "<section>"
    yield f"<h2>{escape(table.title)}</h2>"
    if notes := " ".join(filter(None, (subtitle(table), SAMPLE_NOTE if table.sample_data else ""))):
        yield f'<p class="note">{escape(notes)}</p>'
    costs = shown_costs(table)
    titles = [escape(column.title) + _sup(heading_marks(board, table, column.key)) for column in table.columns]
    heads = ["model", *(escape(COST_TITLES[name]) for name in costs), *titles]
    rows = [f"<tr>{_row(board, table, row, costs)}</tr>" for row in table.rows]
    for label, printed in table.printed.items():
        cells = "".join(f"<td>{escape(printed.get(column.key, ''))}</td>" for column in table.columns)
        known = "".join(f"<td>{escape(printed.get(name, ''))}</td>" for name in costs)
        rows.append(f'<tr class="printed"><td class="words">{escape(label)}</td>{known}{cells}</tr>')
    yield from _grid(heads, rows, words=(0,))
    if details := [row for _, row in detail_rows(table)]:
        yield "<details><summary>Every number with its counts and costs</summary>"
        yield from _plain(DETAIL_TITLES, details, words=(0, 1))
        yield "</details>"
    if table.against:
        yield f"<h3>{escape(table.title)}: against the paper</h3>"
        lines = [against_row(table, one) for one in table.against]
        yield from _plain(AGAINST_TITLES, lines, words=(0, 1, len(AGAINST_TITLES) - 1))
    yield "</section>"


def _row(board: Board, table: Table, row: Row, costs: Sequence[str]) -> str:
    shown = "".join(f"<td>{costs_over(table, row.label, name)}</td>" for name in costs)
    cells = "".join(_cell(board, row.cells.get(column.key)) for column in table.columns)
    return f'<td class="words">{escape(row.label)}</td>{shown}{cells}'


def _cell(board: Board, placed: Placed | None) -> str:
    if placed is None:
        return "<td></td>"
    value = value_of(placed.cell)
    value = f"<strong>{value}</strong>" if placed.rank == 1 else f"<u>{value}</u>" if placed.rank == 2 else value
    best = ' class="best"' if placed.rank == 1 else ""
    interval = interval_of(placed.cell)
    small = "" if interval == NONE else f"<small>{interval}</small>"
    front = f" {FRONT}" if placed.front else ""
    return f"<td{best}>{value}{_sup(board.marks(placed.reasons))}{front}{small}</td>"


def _sup(marks: Sequence[str]) -> str:
    links = ",".join(f'<a href="#note-{mark}">{mark}</a>' for mark in marks)
    return f"<sup>{links}</sup>" if links else ""


def _plain(titles: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int]) -> Iterator[str]:
    """A grid of texts."""
    lines = (
        "".join(f"<td{_class(index, words)}>{escape(text)}</td>" for index, text in enumerate(row)) for row in rows
    )
    yield from _grid([escape(title) for title in titles], [f"<tr>{line}</tr>" for line in lines], words)


def _grid(heads: Sequence[str], rows: Iterable[str], words: Sequence[int]) -> Iterator[str]:
    """`heads`: as HTML. `rows`: table rows as HTML. The wide part scrolls by itself, by keyboard too."""
    yield '<div class="wide" role="region" aria-label="table" tabindex="0"><table>'
    cells = "".join(f'<th scope="col"{_class(index, words)}>{head}</th>' for index, head in enumerate(heads))
    yield f"<thead><tr>{cells}</tr></thead>"
    yield from ("<tbody>", *rows, "</tbody>", "</table></div>")


def _class(index: int, words: Sequence[int]) -> str:
    return ' class="words"' if index in words else ""
