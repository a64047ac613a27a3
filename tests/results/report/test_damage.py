"""Runs that are damaged, foreign or half there: one message, or what is left of them; never a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run
from harness.errors import NotAvailable, UserError
from harness.records.folder import RUN
from harness.records.run import load_run
from harness.registry import Registry
from results.report.items import items_of
from results.report.write import write_report
from tests.support.fakes import Parrot, write_quiz

SAMPLES = 8


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The judged quiz, graded by rules."""
    names = {"judgedquiz": "tests.support.judged:JudgedQuiz"}
    monkeypatch.setattr(tasks, "TASKS", Registry[type[tasks.Task]]("task", names))
    source = DataSource("folder", write_quiz(tmp_path / "data", SAMPLES))
    evaluate(RunConfig("parrot", tuple(names), {"judgedquiz": source}, tmp_path / "run", workers=0), model=Parrot())
    judge_run(tmp_path / "run", "rules")
    return tmp_path / "run"


def change(run: Path, **changes: Any) -> None:
    """Other values in the run's config."""
    info = json.loads((run / RUN).read_text())
    (run / RUN).write_text(json.dumps({**info, "config": {**info["config"], **changes}}))


@pytest.mark.parametrize("name", ["scores.jsonl", "responses.jsonl", "judgements.jsonl"])
@pytest.mark.parametrize("content", [b"{}\n", b"[]\n", b'{"id":\n', b"\xff\n", b'{"id":"q0","cluster":"m0"}\n'])
def test_a_file_that_is_none_of_ours_is_one_message_that_names_it(
    name: str, content: bytes, run: Path, tmp_path: Path
) -> None:
    (run / "judgedquiz" / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        write_report([run], tmp_path / "report")


def test_a_config_without_its_fields_is_one_message(run: Path, tmp_path: Path) -> None:
    info = json.loads((run / RUN).read_text())
    del info["config"]["cache"]
    (run / RUN).write_text(json.dumps(info))
    with pytest.raises(UserError, match="cache"):
        write_report([run], tmp_path / "report")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", ".."])
def test_a_tasks_name_cannot_lead_out_of_the_report(name: str, run: Path, tmp_path: Path) -> None:
    change(run, tasks=[name], sources={name: {"kind": "folder", "root": None}})
    with pytest.raises(UserError, match="no task's name"):
        write_report([run], tmp_path / "report")
    assert not list((tmp_path / "report").rglob("*.js"))


def test_without_the_judges_prompts_the_replies_still_stand_by_their_samples(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(items_of(load_run(run), "judgedquiz"))

    def absent(*_: object) -> None:
        raise NotAvailable("the package of the judge's prompts is not installed")

    monkeypatch.setattr("tests.support.judged.JudgedQuiz.judge_requests", absent)
    assert list(items_of(load_run(run), "judgedquiz")) == whole
    assert any(one.replies for one in whole)


def test_without_the_benchmark_answers_scores_and_replies_are_left(run: Path) -> None:
    whole = list(items_of(load_run(run), "judgedquiz"))
    shutil.rmtree(run.parent / "data")

    def absent(*_: object) -> None:
        raise NotAvailable("the files are gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.judged.JudgedQuiz.samples", absent)
        left = list(items_of(load_run(run), "judgedquiz"))
    assert [(one.id, one.answer, one.why, one.replies) for one in left] == [
        (one.id, one.answer, one.why, one.replies) for one in whole
    ]
    assert not any(one.question or one.reference or one.media for one in left)
