"""`run-eval export`: writes an upload once, says what is not in it, and never writes over anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main
from harness.data.sources import DataSource
from harness.records.run import Run
from tasks import TASKS
from tasks.samples import build
from tests.support.runs import answered_run


def run_of(tmp_path: Path, task: str) -> Run:
    """A run in which the last sample has no answer and all others the right one."""
    build([task], tmp_path / "data", 0)
    source = DataSource("folder", tmp_path / "data")
    samples = TASKS.load(task)().samples(source)
    return answered_run(tmp_path / "run", task, source, {one.id: one.answer for one in samples[:-1]})


def test_an_upload_is_written_once_and_never_over_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, path = run_of(tmp_path, "seedbench"), tmp_path / "out" / "seed.jsonl"
    argv = ["export", str(run.folder), "--task", "seedbench", "--output", str(path)]
    assert main(argv) == DONE
    out, err = capsys.readouterr()
    assert out.strip() == str(path)
    assert "1 of them have no answer" in err
    before = path.read_bytes()
    assert main([*argv, "--json"]) == DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["unanswered"] == 1
    assert "was there already" in err
    path.write_bytes(before + b"\n")
    assert main(argv) == CHANGE_SOMETHING
    assert "not written over" in capsys.readouterr().err
    assert path.read_bytes() == before + b"\n"


def test_default_place_is_the_runs_folder_of_the_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, "mmbench")
    assert main(["export", str(run.folder), "--task", "mmbench"]) == DONE
    assert Path(capsys.readouterr().out.strip()) == run.folder / "mmbench" / "upload.xlsx"
    assert main(["export", str(run.folder), "--task", "mmbench", "--form", "llava"]) == DONE
    assert (run.folder / "mmbench" / "upload.jsonl").is_file()
    assert main(["export", str(run.folder), "--task", "mmbench", "--form", "lava"]) == CHANGE_SOMETHING
    assert "Did you mean 'llava'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "task", ["gqa", "pope", "mme", "textvqa", "mmbench", "seedbench", "vqav2", "vizwiz", "egoschema"]
)
def test_what_is_exported_scores_to_the_same_numbers_as_the_run(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, task)
    written = []
    for name, form in (("general", ["--form", "llava"]), ("own", [])):
        path = tmp_path / f"{name}{'.xlsx' if task == 'mmbench' and not form else '.jsonl'}"
        assert main(["export", str(run.folder), "--task", task, "--output", str(path), *form]) == DONE
        written.append(path)
    entries = []
    for path in (run.folder, *written):
        capsys.readouterr()
        argv = ["score", "--task", task, "--data-root", str(tmp_path / "data"), "--predictions", str(path), "--json"]
        assert main([*argv, "--max-missing", "1", "--model", "parrot"]) == DONE
        entry = json.loads(capsys.readouterr().out)["tasks"][task]
        assert not any(entry["predictions"][kind]["n"] for kind in ("duplicates", "unmatched", "unreadable"))
        entries.append(entry)
    journal, general, own = entries
    assert {**general, "predictions": None} == {**journal, "predictions": None}
    assert journal["n"] - journal["n_scored"] == 1
    assert own["headline"]["value"] <= journal["headline"]["value"] + 1e-9
