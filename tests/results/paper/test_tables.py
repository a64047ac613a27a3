"""The reader of the paper's tables, and the tables against their golden copies."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import UnknownName, UserError
from results.averages import MME, PERCENTAGES
from results.paper import tables
from results.paper.tables import load_table, rounded_like, rounds_to, table_names
from tests.support.golden import golden_path, published_path


@pytest.mark.parametrize("name", table_names())
def test_every_row_has_a_source_and_no_cell_a_dash(name: str) -> None:
    table = load_table(name)
    assert table.rows
    for row in table:
        assert row.source.startswith("LLaVA-Mini paper, ")
        assert not {"-", "\u2013"} & set(row.cells.values())


def test_a_number_keeps_its_printed_digits_and_an_empty_cell_is_none() -> None:
    row = load_table("table2")["VideoChat"]
    assert str(row.number("average")) == "2.30"
    assert load_table("table1")["BLIP-2"].number("average") is None


def test_text_is_no_number_and_the_error_says_where() -> None:
    row = load_table("table2")["LLaVA-Mini"]
    assert row.text("frames") == "1fps"
    with pytest.raises(UserError, match=r"table2\.csv, row 'LLaVA-Mini': 'frames' is '1fps'"):
        row.number("frames")


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'table1'"):
        load_table("tabel1")
    with pytest.raises(UnknownName, match="Did you mean 'LLaVA-Mini-HD'"):
        load_table("table1")["LLaVA-MiniHD"]
    with pytest.raises(UnknownName, match="Did you mean 'mmbench'"):
        load_table("table1")["LLaVA-Mini"].number("mmbnch")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n", "the first column must be 'row'"),
        ("row,a,source,note\nx,1,s\n", "line 2: 3 cells for 4 columns"),
        ("row,a,source,note\nx,1,s,\nx,2,s,\n", "line 3: the row 'x' is there twice"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    (tmp_path / "broken.csv").write_text(content)
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=message):
        load_table("broken")


def test_halves_round_away_from_zero_at_the_printed_digits() -> None:
    assert rounded_like(Decimal("0.0"), Fraction("26.25")) == Decimal("26.3")
    assert rounded_like(Decimal("0.0"), Fraction("-26.25")) == Decimal("-26.3")
    assert rounds_to(Decimal("8.55"), 8.5533)
    assert not rounds_to(Decimal("1.81"), 1.7102)


@pytest.mark.golden
def test_table1_is_the_golden_table() -> None:
    names = {"scienceqa": "scienceqa_img", "seedbench": "seed", "llavabench": "llava_w"}
    for golden in json.loads(golden_path("image", "table1_average.json").read_text())["rows"]:
        row = load_table("table1")[golden["model"].replace("Mini* ", "Mini ")]
        assert float(row.number("average")) == golden["paper_avg"]
        for column in (*PERCENTAGES, MME):
            assert float(row.number(column)) == golden["scores"][names.get(column, column)]


@pytest.mark.golden
def test_tables_2_and_4_are_the_golden_tables() -> None:
    golden = json.loads(published_path("published_aggregates.json").read_text())["paper_table2"]["rows"]
    for row in load_table("table2"):
        columns = ("correctness", "detail", "context", "temporal", "consistency", "average")
        assert [float(row.number(c)) for c in columns] == golden[row.name]
    golden = json.loads(published_path("mlvu_paper_table4.json").read_text())["rows"]
    columns = [c for c in load_table("table4").columns if c not in ("frames", "average")]
    for name, (tasks, average) in golden.items():
        row = load_table("table4")[name]
        assert [float(row.number(c)) for c in columns] == tasks
        assert float(row.number("average")) == average


@pytest.mark.golden
def test_mvbench_tables_are_the_golden_tables() -> None:
    golden = json.loads(published_path("mvbench_paper_tables.json").read_text())
    tasks, groups = load_table("appendix_h"), load_table("table3")
    for task, values in golden["tasks"].items():
        assert [float(tasks[task].number(c)) for c in tasks.columns if c != "group"] == values
    for method, values in golden["table3"].items():
        assert [float(groups[method].number(c)) for c in groups.columns] == values
