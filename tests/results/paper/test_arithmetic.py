"""The paper's own arithmetic: every printed mean and difference follows, but for the misprints that are listed."""

from decimal import Decimal

from results.paper.arithmetic import derived
from results.paper.tables import load_misprints, load_table, rounded_like


def test_exactly_the_listed_cells_do_not_follow() -> None:
    found = {(one.table, one.row, one.column) for one in derived() if not one.follows}
    listed = {(row.text("table"), row.text("of_row"), row.text("column")) for row in load_misprints()}
    assert found == listed


def test_every_listed_cell_shows_the_printed_and_the_recomputed_value_and_a_reason() -> None:
    values = {(one.table, one.row, one.column): one for one in derived()}
    for row in load_misprints():
        found = values[row.text("table"), row.text("of_row"), row.text("column")]
        assert row.number("printed") == found.printed
        assert row.number("recomputed") == rounded_like(found.printed, found.value)
        assert row.note


def test_every_printed_average_is_checked() -> None:
    checked = {(one.table, one.row) for one in derived() if one.column == "average"}
    for name in ("table1", "table2", "table3", "table4"):
        for row in load_table(name):
            assert (row.number("average") is None) == ((name, row.name) not in checked), row.name


def test_an_average_with_a_missing_column_is_not_printed() -> None:
    for row in load_table("table1"):
        benchmarks = row.cells.keys() - {"llm", "resolution", "vision_tokens", "vision_tokens_percent", "average"}
        complete = all(row.number(column) is not None for column in benchmarks)
        assert (row.number("average") is not None) == complete


def test_a_cell_that_follows_is_one_that_rounds_to_it() -> None:
    one = next(one for one in derived() if one.follows)
    assert abs(Decimal(float(one.value)) - one.printed) <= Decimal("0.5").scaleb(one.printed.as_tuple().exponent)
