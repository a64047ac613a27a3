"""`run-eval judge`, and judging in a dry run and while a terminal watches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, WITHHELD, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.judging import ASSUMED_TOKENS
from harness.engine.progress import State
from harness.engine.run import evaluate, judge_run
from tests.support.fakes import Parrot
from tests.support.folders import write_json
from tests.support.judge_server import MODEL, judge_server

GOOD = "{'pred': 'yes', 'score': 4}"
ASKED = 5


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Video answers that no judge has seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-key")
    folder = tmp_path / "data" / "MSVD_Zero_Shot_QA"
    asked = [{"video_name": "clip", "question": f"who, {part}?", "question_id": part} for part in range(ASKED)]
    write_json(folder / "test_q.json", asked)
    write_json(folder / "test_a.json", [{"answer": "woman" if part else "man"} for part in range(ASKED)])
    (folder / "videos").mkdir()
    (folder / "videos" / "clip.avi").write_text("clip")
    parrot = Parrot(answer="a woman")
    parrot.card = replace(parrot.card, modalities=("video",))
    sources = {"msvdqa": DataSource("folder", tmp_path / "data")}
    evaluate(RunConfig("parrot", ("msvdqa",), sources, tmp_path / "run", workers=0), model=parrot)
    return tmp_path / "run"


def judge(capsys: pytest.CaptureFixture[str], argv: Sequence[object], code: int = DONE) -> dict[str, Any]:
    """The task's entry of the document on standard output."""
    capsys.readouterr()
    assert main(["judge", *map(str, argv), "--json"]) == code
    entry: dict[str, Any] = json.loads(capsys.readouterr().out)["tasks"]["msvdqa"]
    return entry


def test_a_run_answered_earlier_gets_its_numbers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = judge(capsys, [run, "--judge", "rules"])
    assert entry["headline"]["value"] == pytest.approx(100 * (ASKED - 1) / ASKED)
    assert entry["judge"]["spec"] == "rules"
    assert json.loads((run / "metrics.json").read_text())["tasks"]["msvdqa"] == entry


def test_a_second_judge_stands_beside_the_first(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge(capsys, [run, "--judge", "rules"])
    first = (run / "metrics.json").read_bytes()
    with judge_server(GOOD) as server:
        entry = judge(capsys, [run, "--judge", f"openai:{MODEL}@{server.url}"])
    assert entry["headline"]["value"] == 100.0
    assert (run / "metrics.json").read_bytes() == first
    (other,) = run.glob("metrics-*.json")
    assert json.loads(other.read_text())["tasks"]["msvdqa"] == entry


def test_the_table_names_task_judge_and_score(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(run), "--judge", "rules"]) == DONE
    assert "msvdqa  rules  80.00" in " ".join(capsys.readouterr().out.split("\n")).replace("   ", "  ")


def test_a_dry_run_asks_nothing_and_writes_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(run.rglob("*"))
    with judge_server(GOOD) as server:
        spec = f"openai:{MODEL}@{server.url}"
        row = judge(capsys, [run, "--judge", spec, "--dry-run"])
        assert server.calls == []
        assert sorted(run.rglob("*")) == before
        assert row["calls"] == ASKED
        assert row["input_tokens"] > 100 * ASKED
        assert row["usd"] is None
        judge(capsys, [run, "--judge", spec])
        assert judge(capsys, [run, "--judge", spec, "--dry-run"])["calls"] == 0


def test_too_many_unreadable_replies_withhold_the_headline(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with judge_server("I cannot tell.") as server:
        entry = judge(capsys, [run, "--judge", f"openai:{MODEL}@{server.url}"], code=WITHHELD)
    assert entry["headline"]["value"] is None
    assert entry["n_scored"] == 0
    assert sum(entry["missing"].values()) == ASKED


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "--judge is missing"),
        (["--judge", "ruls"], "Known: "),
        (["--judge", "transformers:nowhere"], "there is no folder"),
        (["--judge", "rules", "--judge-concurrency", "0"], "must be at least 1"),
        (["--judge", "openai:unheard-of", "--max-cost", "1"], "--judge-prices"),
    ],
)
def test_what_cannot_be_judged_ends_with_a_message(
    run: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert main(["judge", str(run), *argv]) == CHANGE_SOMETHING
    assert said in capsys.readouterr().err


def test_a_folder_without_a_run_ends_with_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(tmp_path), "--judge", "rules"]) == CHANGE_SOMETHING
    assert "run.json" in capsys.readouterr().err


def test_an_evaluations_dry_run_says_what_judging_would_take(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(run.parent / "data")
    argv = ["--model", "llava-mini", "--tasks", "msvdqa", "--data-root", root, "--dry-run"]
    capsys.readouterr()
    assert main([*argv, "--json", "--judge", "openai:gpt-3.5-turbo"]) == DONE
    row = json.loads(capsys.readouterr().out)["llava-mini"]["msvdqa"]["judge"]
    known = judge(capsys, [run, "--judge", "openai:gpt-3.5-turbo", "--dry-run"])
    assert row["calls"] == known["calls"] == ASKED
    assert known["input_tokens"] < row["input_tokens"] <= known["input_tokens"] + ASKED * ASSUMED_TOKENS
    assert row["usd"] > 0
    assert main([*argv, "--judge", "rules"]) == DONE
    shown = capsys.readouterr()
    assert "judge calls" in shown.out
    assert "upper estimate" in shown.err
    assert main(argv) == DONE
    assert "judge calls" not in capsys.readouterr().out


class Watching:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def update(self, state: State) -> None:
        self.states.append(state)

    def note(self, text: str) -> None:
        raise AssertionError(text)


def test_progress_is_told_after_every_reply(run: Path) -> None:
    watching = Watching()
    judge_run(run, "rules", watching)
    assert [(one.task, one.done, one.total) for one in watching.states] == [
        ("msvdqa judge", done, ASKED) for done in range(1, ASKED + 1)
    ]


def test_progress_away_from_a_terminal_speaks_of_replies(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(run), "--judge", "rules"]) == DONE
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "judge" in one]
    assert line.startswith(f"parrot msvdqa judge: {ASKED}/{ASKED}, ")
    assert line.endswith(" replies/s")
