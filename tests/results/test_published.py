"""The repository's own result pages: complete, the same on any machine, true to the code that is here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.dom.minidom import parseString

import pytest

from results.leaderboard.cells import RunCells, read_runs
from results.paper.check import checks
from results.published import main, pages
from tests.support.golden import PROJECT
from tests.support.reports import finished_run, source

PAGES = PROJECT / "results" / "pages"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunCells]:
    root = tmp_path_factory.mktemp("published")
    finished_run(root / "runs" / "first", source(root / "data"), {})
    return read_runs([root / "runs"])


def test_pace_and_places_of_this_machine_stay_out(runs: list[RunCells]) -> None:
    device = {"name": "cuda:0", "model": "Some GPU"}
    slower = [replace(run, info={**run.info, "speeds": {}, "environment": {"device": device}}) for run in runs]
    assert dict(pages(runs)) == dict(pages(slower))
    for name, text in pages(runs):
        assert str(runs[0].folder.parent) not in text, name


def test_links_lead_to_pages_and_plots_are_sound(runs: list[RunCells]) -> None:
    made = dict(pages(runs))
    for name, text in made.items():
        for target in re.findall(r"\]\(([^)]+)\)", text) if name.endswith(".md") else ():
            assert target in made, (name, target)
        if name.endswith(".svg"):
            parseString(text)


def test_what_is_committed_of_the_paper_is_what_the_code_says(runs: list[RunCells]) -> None:
    for name, text in pages(runs):
        if name in ("README.md", "paper-check.md", "latency.svg"):
            assert (PAGES / name).read_text(encoding="utf-8") == text, f"run `make results`: {name}"
    assert sum(line.count("| exact |") for line in (PAGES / "paper-check.md").read_text().splitlines()) == sum(
        one.verdict[0] == "exact" for one in checks()
    )


def test_what_is_committed_of_the_tiny_models_names_them_all() -> None:
    table = (PAGES / "tiny.csv").read_text(encoding="utf-8")
    for weights in (PROJECT / "models" / "tiny").glob("*/model.safetensors"):
        assert f",{weights.parent.name}," in table


def test_the_command_writes_them(runs: list[RunCells], tmp_path: Path) -> None:
    main([str(runs[0].folder), "--output", str(tmp_path / "pages")])
    assert {path.name for path in (tmp_path / "pages").iterdir()} == set(dict(pages(runs)))
