"""`run-eval leaderboard` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.records.folder import METRICS, RUN
from tests.support.boards import entry_of, finished_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return finished_run(tmp_path / "runs" / "first", "llava-mini", {"gqa": entry_of("gqa", 60.0)})


def test_markdown_goes_to_standard_output(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", str(run)]) == 0
    assert capsys.readouterr().out.startswith("# Leaderboard\n")


def test_json_is_one_document_and_nothing_else(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--json"], ["--format", "json"]):
        assert main(["leaderboard", str(run), *option]) == 0
        assert json.loads(capsys.readouterr().out)["tables"][0]["cells"][0]["value"] == 60.0


@pytest.mark.parametrize(
    ("name", "start"), [("a.tex", "%"), ("a.csv", "section,"), ("a.html", "<!doctype"), ("a", "#")]
)
def test_the_files_name_says_the_format(name: str, start: str, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "made" / name
    assert main(["leaderboard", str(run), "--output", str(path)]) == 0
    assert path.read_text().startswith(start)
    again = path.read_bytes()
    assert main(["leaderboard", str(run), "--output", str(path)]) == 0
    assert path.read_bytes() == again
    assert [one.name for one in path.parent.iterdir()] == [name]


def test_without_a_run_those_of_the_default_folder_count(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard"]) == 2
    assert "no run is named" in capsys.readouterr().err
    (tmp_path / "results").mkdir()
    run.parent.rename(tmp_path / "results" / "runs")
    assert main(["leaderboard"]) == 0
    assert "llava-mini" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nowhere"], "no run folder"),
        (["."], "holds none"),
        (["runs/first", "--format", "markdwn"], "Did you mean 'markdown'"),
        (["runs/first", "--against", "papr"], "Did you mean 'paper'"),
        (["runs/first", "--output", "runs"], "cannot be written"),
    ],
)
def test_a_fault_is_one_message_and_exit_code_2(
    argv: list[str],
    says: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard", *argv]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", [RUN, METRICS])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"tasks": {"gqa": {}}}', '{"tasks": {"gqa": 1}}', "null"])
def test_a_damaged_file_is_one_message_that_names_it(
    name: str, content: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / name).write_text(content)
    assert main(["leaderboard", str(run)]) == 2
    err = capsys.readouterr().err
    assert name in err
    assert err.count("\n") == 1
