"""A profile at the terminal: one table a question, then what must be known about the numbers."""

from __future__ import annotations

from collections.abc import Mapping

from harness.cli.printing import console, table
from harness.types import Json
from results.profile.tables import questions, remarks


def print_profile(document: Mapping[str, Json]) -> None:
    """On standard output."""
    out = console()
    for question in questions(document):
        heads = [column.title if _words(question.rows, index) else f">{column.title}"
                 for index, column in enumerate(question.columns)]  # fmt: skip
        rows = table(*heads, title=question.title)
        for texts in question.texts():
            rows.add_row(*texts)
        out.print(rows)
        out.print(question.note, soft_wrap=True)
        out.print()
    for line in remarks(document):
        out.print(line, soft_wrap=True)


def _words(rows: tuple[tuple[object, ...], ...], index: int) -> bool:
    return any(isinstance(row[index], str) for row in rows)
