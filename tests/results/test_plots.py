"""Dots of a plot: where they lie, which are hollow, what the front goes through, and that names are text."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from results import plots
from results.leaderboard.board import make_board
from results.leaderboard.cells import read_runs
from results.plots import Axis, Dot
from results.report.overview import overview
from tests.support.boards import entry_of, finished_run

X, Y = Axis("GFLOPs", 0, 10, (0, 5, 10)), Axis("score", 0, 100, (0, 50, 100))
HOSTILE = '<script>alert(1)</script> & "quoted"'


def drawn(*dots: Dot) -> ElementTree.Element:
    """The picture of some dots."""
    return ElementTree.fromstring(plots.points("a", X, Y, dots).partition("</svg>")[0] + "</svg>")


def centres(picture: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in picture.iter("circle")]


def test_dots_lie_on_the_axes_to_scale() -> None:
    (left, low), (middle, half), (right, high) = centres(
        drawn(Dot("a", 0, 0, 0), Dot("b", 1, 5, 50), Dot("c", 2, 10, 100))
    )
    assert middle - left == pytest.approx(right - middle, abs=0.11)
    assert low - half == pytest.approx(half - high, abs=0.11)
    assert left < right
    assert high < low


def test_an_interval_goes_from_its_low_end_to_its_high_one() -> None:
    picture = drawn(Dot("a", 0, 5, 50, (40, 70)), Dot("low", 1, 5, 40), Dot("high", 2, 5, 70))
    (line,) = (one for one in picture.iter("line") if "range" in one.attrib["class"])
    _, (_, low), (_, high) = centres(picture)
    assert (float(line.attrib["y1"]), float(line.attrib["y2"])) == (low, high)


def test_a_dot_that_is_comparable_with_no_other_is_hollow_and_says_why() -> None:
    solid, hollow = drawn(Dot("a", 0, 1, 50), Dot("b", 1, 2, 60, apart="the first 40 samples")).iter("circle")
    assert "hollow" not in solid.attrib["class"]
    assert "hollow" in hollow.attrib["class"]
    assert "the first 40 samples" in (hollow[0].text or "")


def test_the_front_goes_through_its_dots_by_cost() -> None:
    picture = drawn(Dot("a", 0, 8, 90, front=True), Dot("b", 1, 5, 20), Dot("c", 2, 1, 50, front=True))
    (line,) = picture.iter("polyline")
    found = [tuple(map(float, corner.split(","))) for corner in line.attrib["points"].split()]
    first, _, last = centres(picture)
    assert found == [last, first]
    assert not list(drawn(Dot("a", 0, 8, 90, front=True)).iter("polyline"))


def test_a_name_is_text() -> None:
    (dot,) = drawn(Dot(HOSTILE, 0, 1, 50)).iter("circle")
    assert HOSTILE in (dot[0].text or "")
    assert dot.attrib["data-series"] == HOSTILE


def test_a_report_plots_what_can_be_compared_and_what_cannot(tmp_path: Path) -> None:
    costs = ({"tflops_per_sample": 1.0}, {"tflops_per_sample": 2.0}, {"tflops_per_sample": 3.0})
    entries = (entry_of("gqa", 50.0), entry_of("gqa", 60.0), entry_of("gqa", 99.0, n=100))
    runs = [
        finished_run(tmp_path / f"r{n}", f"m{n}", {"gqa": entry}, cost, limit=100 if n == 2 else None)
        for n, (entry, cost) in enumerate(zip(entries, costs, strict=True))
    ]
    cells = read_runs(runs)
    page = "\n".join(overview(make_board(cells), cells, []))
    dots = [part.partition(">")[0] for part in page.split("<circle ")[1:]]
    assert ["hollow" in dot for dot in dots] == [False, False, True]
    assert page.count('<polyline class="front"') == 1
    assert "Hollow: comparable with no other." in page
