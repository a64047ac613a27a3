"""Rows, columns, ranks, Pareto fronts and footnotes: everything a leaderboard says, before any format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from results.averages import image_averages
from results.leaderboard.cells import Cell, RunCells
from results.leaderboard.layout import AVERAGES, IMAGE, Column, Section, sections_for
from results.leaderboard.paper import NOT_COMPARABLE, Against, against, printed_rows
from results.leaderboard.rank import Placed, column_judge, place


@dataclass(frozen=True, slots=True)
class Row:
    """One model's cells by column key. `model`: the name it was run by; `digest`: sha256 of its weights."""

    label: str
    model: str
    digest: str
    dtype: str
    cells: Mapping[str, Placed]


@dataclass(frozen=True, slots=True)
class Table:
    """One section's cells of one kind of data. `notes`: by column key, what holds for all of a column.

    `pareto`: by column key, the cost that its Pareto front is taken against. `printed`: the paper's rows, label to
    cells as they are printed, by column key; `against`: ours beside them.
    """

    section: Section
    sample_data: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: Mapping[str, str]
    pareto: Mapping[str, str]
    printed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    against: tuple[Against, ...] = ()

    @property
    def title(self) -> str:
        return self.section.title + (", sample data" if self.sample_data else "")

    def placed(self) -> Iterator[tuple[Column, Row, Placed]]:
        """Every cell that there is, by columns."""
        for column in self.columns:
            for row in self.rows:
                if column.key in row.cells:
                    yield column, row, row.cells[column.key]


@dataclass(frozen=True, slots=True)
class Board:
    """Tables, and the footnotes' texts by mark ("a", "b", .., in the order of their first use)."""

    tables: tuple[Table, ...]
    footnotes: Mapping[str, str]

    def marks(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The marks of these texts."""
        by_text = {text: mark for mark, text in self.footnotes.items()}
        return tuple(by_text[text] for text in texts)


def make_board(runs: Sequence[RunCells], with_paper: bool = False) -> Board:
    """The leaderboard of some runs, models in the order of their first run.

    `with_paper`: the paper's rows too, and its numbers beside ours. Raises UserError for a damaged run.
    """
    models = _models(runs)
    tables = []
    for section in sections_for(task for run in runs for task in run.tasks):
        cells = {label: _cells(section, mine) for label, mine in models.items()}
        for sample_data in (False, True):
            some = {
                label: {key: cell for key, cell in mine.items() if cell.sample_data is sample_data}
                for label, mine in cells.items()
            }
            if any(some.values()):
                of = {label: models[label][0].identity for label, mine in some.items() if mine}
                table = _table(section, sample_data, {label: some[label] for label in of}, of)
                tables.append(_beside_paper(table) if with_paper else table)
    return Board(tuple(tables), _footnotes(tables))


def _models(runs: Sequence[RunCells]) -> dict[str, list[RunCells]]:
    """Runs by row. Runs of one model share a row unless they hold the same task; equal names are told apart."""
    rows: list[list[RunCells]] = []
    for run in runs:
        fitting = (
            row
            for row in rows
            if row[0].identity == run.identity and not any(set(run.tasks) & set(other.tasks) for other in row)
        )
        if (row := next(fitting, None)) is None:
            rows.append([run])
        else:
            row.append(run)
    names = Counter(row[0].model for row in rows)
    labels: dict[str, list[RunCells]] = {}
    for row in rows:
        label = row[0].model if names[row[0].model] == 1 else f"{row[0].model} ({row[0].folder.resolve().name})"
        number = 2
        while label in labels:
            label, number = f"{label.removesuffix(f' #{number - 1}')} #{number}", number + 1
        labels[label] = row
    return labels


def _cells(section: Section, runs: Sequence[RunCells]) -> dict[str, Cell]:
    return {column.key: run.cell(column) for column in section.columns for run in runs if column.task in run.tasks}


def _table(
    section: Section,
    sample_data: bool,
    cells: Mapping[str, Mapping[str, Cell]],
    identities: Mapping[str, tuple[str, str, str]],
) -> Table:
    columns = tuple(column for column in section.columns if any(column.key in mine for mine in cells.values()))
    placed: dict[str, dict[str, Placed]] = {label: {} for label in cells}
    notes, pareto = {}, {}
    for column in columns:
        mine = {label: some[column.key] for label, some in cells.items() if column.key in some}
        found, cost = place(list(mine.values()))
        for label, one in zip(mine, found, strict=True):
            placed[label][column.key] = one
        if judge := column_judge(list(mine.values())):
            notes[column.key] = f"graded by {judge}"
        if cost:
            pareto[column.key] = cost
    if section.averages and len(columns) == len(IMAGE.columns):
        columns += tuple(Column(name, title) for name, title in AVERAGES.items())
        for name in AVERAGES:
            averages, _ = place([_average(name, sample_data, ours) for ours in placed.values()])
            for ours, one in zip(placed.values(), averages, strict=True):
                ours[name] = one
    rows = tuple(Row(label, *identities[label], mine) for label, mine in placed.items())
    return Table(section, sample_data, columns, rows, notes, pareto)


def _beside_paper(table: Table) -> Table:
    """Numbers on sample data get no number of the paper beside them, only the verdict that says so."""
    lines = [against(table.section, column, row.label, row.model, placed) for column, row, placed in table.placed()]
    printed = {} if table.sample_data else printed_rows(table.section, table.columns)
    return replace(table, printed=printed, against=tuple(line for line in lines if line is not None))


def _average(name: str, sample_data: bool, placed: Mapping[str, Placed]) -> Cell:
    """Over comparable cells only; without one of the eleven there is none."""
    values = {key: one.cell.value for key, one in placed.items() if one.comparable}
    value = image_averages(values)[name]
    absent = [column.title for column in IMAGE.columns if column.key not in values]
    gap = f"no average without comparable values of {', '.join(absent)}" if absent else ""
    verdicts = [one.cell.verdict for one in placed.values() if one.cell.verdict.startswith(NOT_COMPARABLE)]
    return Cell(
        Column(name, AVERAGES[name]), sample_data, metric=name, value=value, gap=gap, verdict=next(iter(verdicts), "")
    )


def _footnotes(tables: Iterable[Table]) -> dict[str, str]:
    texts: dict[str, None] = {}
    for table in tables:
        for column in table.columns:
            if note := table.notes.get(column.key):
                texts.setdefault(note)
            for row in table.rows:
                if placed := row.cells.get(column.key):
                    texts.update(dict.fromkeys(placed.reasons))
    return {_mark(number): text for number, text in enumerate(texts)}


def _mark(number: int) -> str:
    """a .. z, aa, ab, .."""
    more, letter = divmod(number, 26)
    return (_mark(more - 1) if more else "") + "abcdefghijklmnopqrstuvwxyz"[letter]
