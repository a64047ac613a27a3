"""`run-eval compare`: what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from tasks.samples import build
from tests.support.fakes import Parrot


def test_one_run_or_three_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for runs in (["a"], ["a", "b", "c"]):
        assert main(["compare", *runs]) == CHANGE_SOMETHING
        assert "compare takes two runs" in capsys.readouterr().err


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path), str(tmp_path)]) == CHANGE_SOMETHING
    assert "it is no run folder" in capsys.readouterr().err


def test_another_seed_draws_others_and_finds_the_same_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(["gqa"], tmp_path / "data", 0)
    sources = {"gqa": DataSource("folder", tmp_path / "data", synthetic=True)}
    for answer in ("yes", "no"):
        config = RunConfig("parrot", ("gqa",), sources, tmp_path / answer, workers=0)
        evaluate(config, model=Parrot(answer, answer))
    found = []
    for seed in ("0", "7"):
        assert main(["compare", str(tmp_path / "yes"), str(tmp_path / "no"), "--seed", seed, "--json"]) == DONE
        found.append(json.loads(capsys.readouterr().out)["tasks"]["gqa"])
    assert found[0]["difference"] == found[1]["difference"]
    assert found[0]["detectable"] != found[1]["detectable"]
