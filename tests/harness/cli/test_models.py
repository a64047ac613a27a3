from __future__ import annotations

import json
import re

import pytest

from harness.cli import main
from models import presets
from models.systems import PUBLISHED, systems
from results.paper.tables import load_table


def test_ablations_are_listed_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    names = {}
    for flags in ((), ("--all",)):
        assert main(["models", *flags, "--json"]) == 0
        names[flags] = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert names[("--all",)] == set(presets()) | {one.name for one in systems().values() if not one.presets}
    assert names[("--all",)] - names[()] == {name for name, preset in presets().items() if preset.variant_of}


COMPARISONS = ("table1", "table2", "table3", "table4", "table5")
NO_SYSTEMS = {"Random", "Average video duration", "Longest video"}


def _named_in_the_paper() -> set[str]:
    """Systems of the comparisons with others, without the number of tokens or the language model."""
    rows = {row.name for table in COMPARISONS for row in load_table(table)}
    plain = {re.sub(r"(-HD)?(,.*| \(.*)?$", "", name) for name in rows}
    return plain - NO_SYSTEMS


def test_every_system_of_the_paper_has_a_row_with_how_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    named = _named_in_the_paper()
    assert len(named) > 10
    assert named <= set(systems())
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    for system in systems().values():
        assert system.name in shown
        assert system.why
        assert bool(system.presets) == (system.how != PUBLISHED)
        assert set(system.presets) <= set(presets())


def test_system_has_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "SPHINX", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["how"] == PUBLISHED


def test_brackets_in_a_description_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "openai"]) == 0
    assert "[@BASE_URL]" in capsys.readouterr().out
