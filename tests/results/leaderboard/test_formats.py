"""Every format of one small leaderboard, to the byte, and what a hostile name cannot do in it."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from results.leaderboard.board import Board, make_board
from results.leaderboard.cells import read_runs
from results.leaderboard.costs import COSTS
from results.leaderboard.document import FIELDS
from results.leaderboard.formats import FORMATS, SUFFIXES, render
from tests.support.boards import entry_of, finished_run

EXPECTED = Path(__file__).parent / "expected"
HOSTILE = '<script>alert(1)</script> | a_b & 50% $x$ [l](u) "q" \\input{x}'
FILES = {name: EXPECTED / f"leaderboard{suffix}" for suffix, name in SUFFIXES.items() if suffix != ".htm"}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Five runs: a published model on real data, one that was cut short, a hostile name, one still running, and one on
    sample data."""
    mlvu = entry_of("mlvu", 41.25, breakdown={"tasks": {"ego": {"value": 37.5, "n": 352}}})
    mlvu["paper"] = {"value": 42.8, "verdict": "within interval"}
    gqa = entry_of("gqa", 60.06, paper={"value": 61.3, "verdict": "within interval"}, missing={"media error": 3})
    vet = entry_of("mmvet", 37.25, paper={"value": 37.2, "verdict": "within interval"})
    dims = entry_of("videochatgpt", 2.94)
    dims["headline"] |= {"unit": "points of 5", "ci95": [2.9, 2.98]}
    costs = {"vision_tokens": 1, "tflops_per_sample": 1.9612, "ms_per_sample": 41.23, "mib_per_image": 0.6328}
    first = {"gqa": gqa, "mmvet": vet, "mlvu": mlvu, "videochatgpt": dims}
    runs = [
        finished_run(tmp_path / "first", "llava-mini", first, costs),
        finished_run(tmp_path / "second", HOSTILE, {"gqa": entry_of("gqa", 62.04)}, {"vision_tokens": 576}),
        finished_run(tmp_path / "third", "short", {"gqa": entry_of("gqa", 99.0, n=100)}, limit=100),
        finished_run(tmp_path / "fourth", "busy", {}, running=("gqa",)),
        finished_run(tmp_path / "fifth", "tiny", {"gqa": entry_of("gqa", 89.0, True)}, {"vision_tokens": 1}),
    ]
    return make_board(read_runs(runs), with_paper=True)


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_the_expected_file_to_the_byte(name: str, board: Board) -> None:
    assert render(board, name).decode() == FILES[name].read_bytes().decode()


def test_csv_has_a_row_a_number_and_every_field(board: Board) -> None:
    rows = list(csv.DictReader(io.StringIO(render(board, "csv").decode())))
    assert len(rows) == sum(1 for table in board.tables for _ in table.placed())
    assert all(tuple(row) == FIELDS for row in rows)
    (gqa,) = (row for row in rows if row["model"] == "llava-mini" and row["task"] == "gqa")
    assert float(gqa["value"]) == 60.06
    assert (gqa["n_missing"], gqa["missing"], gqa["rank"], gqa["comparable"]) == ("3", "media error: 3", "2", "yes")
    assert [float(gqa[name]) for name in COSTS] == [1, 1.9612, 41.23, 0.6328]
    assert any(row["model"] == HOSTILE for row in rows)


def test_json_says_the_same_as_csv(board: Board) -> None:
    cells = [cell for table in json.loads(render(board, "json"))["tables"] for cell in table["cells"]]
    rows = list(csv.DictReader(io.StringIO(render(board, "csv").decode())))
    assert [(cell["model"], cell["task"], cell["value"]) for cell in cells] == [
        (row["model"], row["task"], float(row["value"]) if row["value"] else None) for row in rows
    ]


class _Page(HTMLParser):
    """Tags that were opened and closed, their attributes, and the text between."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        assert not any(name.startswith("on") or name in ("src", "style") for name in named)
        self.ids.add(named.get("id") or "")
        if "href" in named:
            self.links.append(named["href"] or "")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_a_hostile_name_is_text_in_it(board: Board) -> None:
    page = _Page()
    page.feed(render(board, "html").decode())
    page.close()
    assert not page.open
    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= page.ids


def test_the_page_asks_for_nothing_from_elsewhere(board: Board) -> None:
    text = render(board, "html").decode()
    assert not re.search(r"https?:|url\(|@import|<link|<img", text)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_heading(board: Board) -> None:
    widths = []
    for line in render(board, "markdown").decode().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        if cells and widths:
            assert cells == widths[-1]
        widths = [*widths, cells] if cells else []
    assert "<script" not in render(board, "markdown").decode()


def test_every_row_of_a_latex_table_has_as_many_cells_as_its_columns(board: Board) -> None:
    columns = 0
    for line in render(board, "latex").decode().splitlines():
        if found := re.fullmatch(r"  \\begin\{tabular\}\{(.*)\}", line):
            columns = len(re.sub(r"p\{[^}]*\}+", "l", found[1]))
        elif line.endswith(r" \\"):
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1, line
    assert r"\input{" not in render(board, "latex").decode()
