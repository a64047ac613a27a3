"""The page as text, and as headless Chromium shows it from disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from itertools import pairwise

import pytest
from playwright.sync_api import Page

from results.paper.tables import load_table
from results.profile.figures import CARDS_GIB
from results.profile.page import embedded, render
from results.profile.write import write
from tests.support.chromium import chromium
from tests.support.profiles import TINY, tiny_profile

PHONE = 360


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of the tiny models, without a network."""
    path = write(tiny_profile(), tmp_path_factory.mktemp("profile"))[-1]
    with chromium() as browser:
        context = browser.new_context(offline=True)
        shown = context.new_page()
        shown.faults = []  # type: ignore[attr-defined]
        shown.on("console", lambda message: shown.faults.append(message.text))  # type: ignore[attr-defined]
        shown.on("request", lambda asked: shown.faults.append(asked.url) if asked.url != path.as_uri() else None)  # type: ignore[attr-defined]
        shown.goto(path.as_uri())
        yield shown


def test_embedded_json_cannot_leave_its_element() -> None:
    hostile = {"name": "</script><script>alert(1)</script><!-- & \u2028"}
    text = embedded(hostile)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == hostile


def test_the_papers_rows_stand_beside_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.profile.page.PAPER_TABLES", {"table1": "Table 1", "table0": "not there"})
    text = render(tiny_profile())
    for row in load_table("table1"):
        assert f">{escape(row.name)}</td>" in text
    assert "not there" not in text


@pytest.mark.slow
def test_nothing_is_asked_for_and_nothing_complains(page: Page) -> None:
    assert page.faults == []  # type: ignore[attr-defined]
    assert page.title() == "What the models cost"


@pytest.mark.slow
def test_the_embedded_data_are_the_document(page: Page) -> None:
    found = json.loads(page.locator("#profile").text_content() or "")
    assert found == json.loads(json.dumps(tiny_profile()))


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["paper", "hardware"])
def test_bars_are_as_long_as_their_flops(page: Page, convention: str) -> None:
    words = {"paper": "as the paper counts", "hardware": "attention counted"}[convention]
    for name in TINY:
        stages = tiny_profile()["flops"][convention][name]["stages"]
        shown = page.locator(f"#plot-flops .seg[data-row='{name}, {words}']")
        drawn = {
            shown.nth(i).get_attribute("data-part"): shown.nth(i).bounding_box()["width"]  # type: ignore[index]
            for i in range(shown.count())
        }
        assert set(drawn) == {stage for stage, count in stages.items() if count}
        for stage, width in drawn.items():
            share = stages[stage] / sum(stages.values())
            assert width / sum(drawn.values()) == pytest.approx(share, abs=0.005)


@pytest.mark.slow
def test_latency_bars_hold_the_measured_milliseconds(page: Page) -> None:
    for name, one in tiny_profile()["latency"]["models"].items():
        for stage, timing in one["first_token"]["stages"].items():
            bar = page.locator(f"#plot-latency .seg[data-row='{name}'][data-part='{stage}']")
            assert float(bar.get_attribute("data-value") or "nan") == timing["median_ms"]


@pytest.mark.slow
def test_the_memory_plot_has_every_model_and_both_cards(page: Page) -> None:
    marks = page.locator("#plot-memory .mark")
    assert [float(marks.nth(i).get_attribute("data-mark") or "nan") for i in range(marks.count())] == list(CARDS_GIB)
    for name in TINY:
        one = tiny_profile()["memory"][name]
        line = page.locator(f'#plot-memory polyline[data-series="{name}, the paper\'s way"]')
        points = [tuple(map(float, pair.split(","))) for pair in (line.get_attribute("data-values") or "").split(";")]
        (first, low), (last, high) = points[0], points[-1]
        slope = one["paper_convention"]["live"]["mib_per_image"] / 1024
        assert (high - low) / (last - first) == pytest.approx(slope, rel=1e-6)


@pytest.mark.slow
def test_a_line_passes_through_its_values_on_the_axes(page: Page) -> None:
    line = page.locator("#plot-reduction polyline").first
    values = [tuple(map(float, pair.split(","))) for pair in (line.get_attribute("data-values") or "").split(";")]
    drawn = [tuple(map(float, pair.split(","))) for pair in (line.get_attribute("points") or "").split()]
    sweep = tiny_profile()["flops"]["sweep"]["paper"]["llava-mini-tiny"]["reduction_percent"]
    assert [percent for _, percent in values] == sweep
    rising = [b[1] > a[1] for a, b in pairwise(values)]
    assert [b[1] < a[1] for a, b in pairwise(drawn)] == rising, "up is more"


@pytest.mark.slow
def test_a_phone_shows_it_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": PHONE, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


@pytest.mark.slow
def test_dark_is_dark(page: Page) -> None:
    def luminance() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))

    page.emulate_media(color_scheme="light")
    light = luminance()
    page.emulate_media(color_scheme="dark")
    assert luminance() < light / 4
