"""The paper's tables as it prints them: a typed reader of the CSV files beside this file.

A file is a table: `row` names a row once, `source` and `note` say where it stands and what is odd about it, and every
other column is one of the table's, with its unit in its name (`flops_t`, `latency_ms_a100`). A cell holds the digits
that are printed; an empty cell is one that the paper leaves out or prints as a dash.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import cache
from pathlib import Path

from harness.errors import UnknownName, UserError

FOLDER = Path(__file__).parent
NAME, SOURCE, NOTE = "row", "source", "note"
MISPRINTS = "misprints"


@dataclass(frozen=True)
class PaperRow:
    """One row of a table of the paper."""

    table: str
    name: str
    cells: Mapping[str, str]
    source: str
    note: str

    def text(self, column: str) -> str:
        """What a cell prints, "" if nothing. Raises UnknownName."""
        if column not in self.cells:
            raise UnknownName(f"column of the paper's {self.table}", column, self.cells)
        return self.cells[column]

    def number(self, column: str) -> Decimal | None:
        """A cell's number with the digits that are printed; None if the cell is empty. Raises UserError for text."""
        printed = self.text(column)
        try:
            return Decimal(printed) if printed else None
        except InvalidOperation:
            raise UserError(f"{self.table}.csv, row '{self.name}': '{column}' is '{printed}', not a number.") from None


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: its columns in order (without name, source and note) and its rows by name."""

    name: str
    columns: tuple[str, ...]
    by_name: Mapping[str, PaperRow]

    @property
    def rows(self) -> tuple[PaperRow, ...]:
        return tuple(self.by_name.values())

    def __iter__(self) -> Iterator[PaperRow]:
        return iter(self.rows)

    def __getitem__(self, row: str) -> PaperRow:
        """Raises UnknownName."""
        if row not in self.by_name:
            raise UnknownName(f"row of the paper's {self.name}", row, self.by_name)
        return self.by_name[row]


def table_names() -> tuple[str, ...]:
    """The tables that there are, by file name without its ending; `misprints.csv` is our list, not the paper's."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.csv") if path.stem != MISPRINTS))


def load_misprints() -> PaperTable:
    """The printed cells that do not follow from the others, each with the reason: `arithmetic.py` finds the same."""
    return _read(MISPRINTS)


def load_table(name: str) -> PaperTable:
    """A table by name, e.g. "table1" or "appendix_h". Raises UnknownName, and UserError for a damaged file."""
    if name not in table_names():
        raise UnknownName("table of the paper", name, table_names())
    return _read(name)


@cache
def _read(name: str) -> PaperTable:
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        if header[:1] != [NAME] or header[-2:] != [SOURCE, NOTE]:
            raise UserError(f"{name}.csv: the first column must be '{NAME}', the last two '{SOURCE}' and '{NOTE}'.")
        rows: dict[str, PaperRow] = {}
        for number, cells in enumerate(lines, start=2):
            if len(cells) != len(header):
                raise UserError(f"{name}.csv, line {number}: {len(cells)} cells for {len(header)} columns.")
            row, *values, source, note = cells
            if row in rows:
                raise UserError(f"{name}.csv, line {number}: the row '{row}' is there twice.")
            rows[row] = PaperRow(name, row, dict(zip(header[1:-2], values, strict=True)), source, note)
    return PaperTable(name, tuple(header[1:-2]), rows)


def rounded_like(printed: Decimal, value: Decimal | Fraction | float) -> Decimal:
    """A value at the printed number's digits, halves away from zero, as the paper's means are rounded."""
    exact = Fraction(value)
    decimal = Decimal(exact.numerator) / Decimal(exact.denominator)
    return decimal.quantize(printed, rounding=ROUND_HALF_UP)


def rounds_to(printed: Decimal, value: Decimal | Fraction | float) -> bool:
    """Whether a value prints as `printed` at its digits."""
    return rounded_like(printed, value) == printed
