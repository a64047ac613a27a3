from __future__ import annotations

import json

import pytest

from harness.cli import main
from models import presets


def test_ablations_are_listed_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    names = {}
    for flags in ((), ("--all",)):
        assert main(["models", *flags, "--json"]) == 0
        names[flags] = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert names[("--all",)] == set(presets())
    assert names[("--all",)] - names[()] == {name for name, preset in presets().items() if preset.variant_of}
