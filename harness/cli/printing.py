"""How commands speak: results on standard output, notes on standard error, one JSON document under --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from harness.types import Json


def print_json(document: Json) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """A line for the person at the terminal, on standard error."""
    print(text, file=sys.stderr, flush=True)


def console(*, err: bool = False) -> Console:
    """A terminal that honours NO_COLOR; lines are not cut where the output is no terminal. Text is never markup."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else 160)


def table(*columns: str, title: str = "") -> Table:
    """An empty table in the house style; a column named '>name' is right-aligned."""
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    return made


JUDGE_COLUMNS = (">judge calls", ">tokens in", ">tokens out", ">USD")


def judge_cells(row: Mapping[str, Json]) -> list[str]:
    """What judging takes, by JUDGE_COLUMNS."""
    cost = "unknown" if row["usd"] is None else f"{row['usd']:.2f}"
    return [*(f"{row[name]:,}" for name in ("calls", "input_tokens", "output_tokens")), cost]
