"""`run-eval judge-drift`: frozen answers judged anew."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from results.drift.frozen import read_frozen
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.judge_server import MODEL, Answer, judge_server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")


def drift(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main(["judge-drift", *argv, "--json"]) == DONE
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_rules_have_not_drifted_from_the_replies_that_are_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = drift(capsys, "--judge", "rules", "--output", str(tmp_path))
    assert document["stored"] == ["rules"]
    assert {row["key"] for row in document["rows"]} == {
        "verdict",
        "correctness",
        "detail",
        "context",
        "temporal",
        "consistency",
    }
    for row in document["rows"]:
        assert (row["offset"], row["equal"]) == (0.0, 1.0)
    assert {row["judge"] for row in document["published"]} >= {"gpt-3.5-turbo-0301", "gpt-3.5-turbo-0125"}


def test_another_judge_shows_its_offset_and_what_it_left_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        mute = "umbrella" in str(body["messages"])
        return Answer("no comment" if mute else "{'pred': 'yes', 'score': 5}")

    with judge_server(script) as server:
        spec = f"openai:{MODEL}@{server.url}"
        document = drift(capsys, "--judge", spec, "--output", str(tmp_path))
        asked = len(server.calls)
        assert drift(capsys, "--judge", spec, "--output", str(tmp_path)) == document
        assert len(server.calls) == asked == len(read_frozen())
    first = document["rows"][0]
    assert first["now"] == 1.0
    assert first["offset"] == pytest.approx(1.0 - first["then"])
    assert first["unread"]["now"] == sum("umbrella" in str(one.request.messages) for one in read_frozen())
    assert first["n"] + first["unread"]["now"] == sum(one.request.key == "verdict" for one in read_frozen())


def test_a_graded_run_is_frozen_and_does_not_drift_from_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(["msvdqa", "mmvet", "llavabench"], tmp_path / "data", 0)
    names = ("msvdqa", "mmvet", "llavabench")
    sources = {name: DataSource("folder", tmp_path / "data", synthetic=True) for name in names}
    config = RunConfig("parrot", names, sources, tmp_path / "run", workers=0, judge="rules", limit=5)
    model = Parrot(answer="a red circle")
    model.card = replace(model.card, modalities=("image", "video"))
    evaluate(config, model=model)
    answers = tmp_path / "frozen.jsonl"
    assert main(["judge-drift", "--freeze", str(tmp_path / "run"), "--answers", str(answers)]) == DONE
    document = drift(capsys, "--judge", "rules", "--answers", str(answers), "--output", str(tmp_path / "out"))
    assert {row["task"] for row in document["rows"]} == set(names)
    assert all(row["offset"] == 0.0 and row["n"] == 5 for row in document["rows"])
    assert main(["judge-drift", "--freeze", str(tmp_path / "run"), "--answers", str(answers)]) == CHANGE_SOMETHING
    assert "never written over" in capsys.readouterr().err


def test_what_is_missing_or_broken_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"task": "x"}\n')
    for argv, said in (
        ([], "--judge is missing"),
        (["--judge", "rules", "--answers", str(broken)], "broken.jsonl:1"),
        (["--judge", "rules", "--answers", str(tmp_path / "none")], "cannot be read"),
        (["--freeze", str(tmp_path), "--answers", str(tmp_path / "new")], "no run folder"),
        (["--freeze", str(tmp_path)], "--answers FILE"),
    ):
        assert main(["judge-drift", *argv]) == CHANGE_SOMETHING
        assert said in capsys.readouterr().err
