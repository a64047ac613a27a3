"""A run as a table: what stands where, and what is absent where nothing is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import load_run
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.errors import UnknownName
from harness.records.folder import RUN, RunFolder
from harness.records.journal import Journal, entry_of
from harness.types import Missing, Response
from tests.support.cli import PROJECT

SCORES = [
    {"id": "1", "cluster": "cat.jpg", "values": {"accuracy": 1.0, "answer": 0.5}, "detail": {}},
    {"id": "2", "cluster": "cat.jpg", "missing": "media error"},
]
ANSWERS = {"2": Missing("media error"), "1": Response("1", "None")}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two tasks, one of them scored and one not yet."""
    folder = RunFolder(tmp_path / "run")
    tasks = ("gqa", "pope")
    config = RunConfig("parrot", tasks, {task: DataSource("folder", Path("x")) for task in tasks}, folder.path)
    for task in tasks:
        with Journal(folder.journal(task)) as journal:
            for name, outcome in ANSWERS.items():
                journal.append(entry_of(name, outcome, 0.1, False, None))
    folder.write(RUN, {"status": "running", "config": config.to_json()})
    folder.write_scores("gqa", SCORES)
    return folder.path


def test_one_row_a_sample_in_the_order_of_the_scores(run: Path) -> None:
    frame = load_run(run).to_pandas(["gqa"])
    assert frame.columns.tolist() == ["task", "id", "group", "answer", "missing", "accuracy", "score.answer"]
    assert frame["id"].tolist() == ["1", "2"]
    assert frame["group"].tolist() == ["cat.jpg", "cat.jpg"]
    assert frame["accuracy"].dtype == "float64"
    assert frame["score.answer"].tolist()[0] == 0.5


def test_missing_is_not_a_number_and_an_answer_of_none_is_a_text(run: Path) -> None:
    frame = load_run(run).to_pandas(["gqa"])
    assert frame["answer"].tolist()[0] == "None"
    assert frame["answer"].isna().tolist() == [False, True]
    assert frame["missing"].isna().tolist() == [True, False]
    assert frame["accuracy"].isna().tolist() == [False, True]
    assert frame["accuracy"].mean() == 1.0
    assert frame[frame["missing"] == "media error"]["id"].tolist() == ["2"]


def test_a_task_without_scores_shows_its_answers(run: Path) -> None:
    frame = load_run(run).to_pandas()
    pope = frame[frame["task"] == "pope"]
    assert pope["id"].tolist() == ["2", "1"]
    assert pope["missing"].tolist()[0] == "media error"
    assert pope["accuracy"].isna().all()
    assert pope["group"].isna().all()


def test_a_run_without_answers_is_an_empty_table_with_its_columns(run: Path) -> None:
    for path in run.glob("*/*.jsonl"):
        path.unlink()
    frame = load_run(run).to_pandas()
    assert len(frame) == 0
    assert frame.columns.tolist() == ["task", "id", "group", "answer", "missing"]


def test_half_a_surrogate_pair_is_kept(run: Path) -> None:
    with Journal(RunFolder(run).journal("gqa")) as journal:
        journal.append(entry_of("1", Response("1", "\ud83d"), 0.1, False, None))
    assert load_run(run).to_pandas(["gqa"])["answer"].tolist()[0] == "\ud83d"


def test_an_unknown_task_gets_the_nearest(run: Path) -> None:
    with pytest.raises(UnknownName, match="gqa"):
        load_run(run).to_pandas(["gqaa"])


def test_pandas_is_imported_only_when_a_table_is_made(run: Path) -> None:
    script = f"import sys\nfrom harness import load_run\nload_run({str(run)!r}).info\nprint('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
