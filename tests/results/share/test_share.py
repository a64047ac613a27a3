"""A run as other tools take it: everything is in, nothing is invented, and sample data is no model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.cli import main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.errors import UserError
from harness.records.run import Run, load_run
from harness.registry import Registry
from results.share import SHARED
from tests.support.boards import entry_of, finished_run
from tests.support.fakes import Parrot, write_quiz


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Twelve samples, four of them of a picture that cannot be read."""
    monkeypatch.setattr(tasks, "TASKS", Registry[type[tasks.Task]]("task", {"quiz": "tests.support.fakes:Quiz"}))
    source = DataSource("folder", write_quiz(tmp_path / "data", samples=12, texts={1: "broken"}))
    config = RunConfig("parrot", ("quiz",), {"quiz": source}, tmp_path / "run", workers=0, max_missing=1.0)
    return evaluate(config, model=Parrot())


def test_lmms_eval_gets_shares_of_one_and_every_sample(quiz: Run) -> None:
    files = SHARED.load("lmms-eval")(quiz)
    assert list(files) == ["results.json", "samples_quiz.jsonl"]
    results = json.loads(files["results.json"])
    headline = quiz.metrics["tasks"]["quiz"]["headline"]
    numbers = results["results"]["quiz"]
    assert numbers["accuracy,none"] == headline["value"] / 100
    width = (headline["ci95"][1] - headline["ci95"][0]) / 100
    assert numbers["accuracy_stderr,none"] == pytest.approx(width / 3.92, rel=1e-3)
    assert results["n-samples"] == {"quiz": {"original": 12, "effective": 8}}
    rows = [json.loads(line) for line in files["samples_quiz.jsonl"].splitlines()]
    assert [row["doc_id"] for row in rows] == list(range(12))
    answers = {entry["id"]: entry.get("text", "") for entry in quiz.responses("quiz")}
    assert [row["resps"] for row in rows] == [[[answers[row["doc"]["id"]]]] for row in rows]


def test_a_missing_sample_says_so_and_has_no_score(quiz: Run) -> None:
    rows = [json.loads(line) for line in SHARED.load("lmms-eval")(quiz)["samples_quiz.jsonl"].splitlines()]
    assert [row["doc_id"] for row in rows if "missing" in row] == [4, 5, 6, 7]
    assert all(("accuracy" in row) != ("missing" in row) for row in rows)
    kept = [row["accuracy"] for row in rows if "accuracy" in row]
    assert 100 * sum(kept) / len(kept) == quiz.metrics["tasks"]["quiz"]["headline"]["value"]


def test_wandb_gets_numbers_without_null(quiz: Run) -> None:
    (text,) = SHARED.load("wandb-json")(quiz).values()
    document = json.loads(text)
    summary = document["summary"]
    assert summary["quiz/accuracy"] == quiz.metrics["tasks"]["quiz"]["headline"]["value"]
    assert (summary["quiz/n"], summary["quiz/n_scored"], summary["quiz/data"]) == (12, 8, "folder")
    assert None not in summary.values()
    assert document["config"]["model_digest"] == "feathers"


def card_of(run: Path) -> list[Any]:
    """The evaluation results that the hub's own library reads out of the card."""
    from huggingface_hub import ModelCard

    text = SHARED.load("hf-card")(load_run(run))["README.md"]
    return list(ModelCard(text).data.eval_results or [])


def test_the_card_is_read_by_the_hubs_own_library(tmp_path: Path) -> None:
    entries = {"gqa": entry_of("gqa", 61.5), "mlvu": entry_of("mlvu", 42.0)}
    gqa, mlvu = card_of(finished_run(tmp_path / "run", "llava-mini", entries))
    assert (gqa.metric_value, gqa.metric_type, gqa.dataset_split) == (61.5, "accuracy", "testdev_balanced")
    assert gqa.dataset_args == {"interval_95": [59.5, 63.5]}
    assert (gqa.task_type, mlvu.task_type) == ("visual-question-answering", "video-text-to-text")


def test_what_is_not_as_published_stands_beside_the_number(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", "llava-mini", {"gqa": entry_of("gqa", 61.5, n=100)}, limit=100)
    (gqa,) = card_of(run)
    assert gqa.dataset_args["not_as_published"] == ["100 of 12,578 samples of testdev_balanced"]


def test_sample_data_and_withheld_numbers_make_no_card(tmp_path: Path) -> None:
    withheld = entry_of("pope", None)
    withheld["headline"]["withheld"] = "9.0% of the samples are missing"
    run = finished_run(tmp_path / "run", "tiny", {"gqa": entry_of("gqa", 61.5, True), "pope": withheld})
    with pytest.raises(UserError, match="no number for a model card"):
        card_of(run)


@pytest.mark.parametrize("name", list(SHARED))
def test_an_unfinished_run_is_refused_with_one_message(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(tmp_path / "run", "tiny", {}, running=("gqa",))
    assert main(["export", str(run), "--format", name]) == 2
    err = capsys.readouterr().err
    assert err.startswith("run-eval: ")
    assert "Traceback" not in err


def test_files_go_to_a_folder_of_their_own_and_never_over_others(quiz: Run, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["export", str(quiz.folder), "--format", "wandb-json"]
    assert main(argv) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == quiz.folder / "export-wandb-json" / "wandb.json"
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [str(path)]}
    path.write_text("{}")
    assert main(argv) == 2
    assert path.read_text() == "{}"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "name either --task"),
        (["--task", "quiz", "--format", "hf-card"], "name either --task"),
        (["--format", "hf-crd"], "Did you mean 'hf-card'"),
        (["--format", "hf-card", "--form", "llava"], "--form belongs to --task"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    argv: list[str], says: str, quiz: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(quiz.folder), *argv]) == 2
    assert says in capsys.readouterr().err
