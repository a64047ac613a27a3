"""A reader sees of each sample what was asked, what came, how it was graded and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run, load_run
from harness.types import Image, Video
from results.report.items import Item, items_of
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.reports import finished_run, source
from tests.support.runs import answered_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return source(tmp_path_factory.mktemp("data"))


def by_id(folder: Path, task: str) -> dict[str, Item]:
    return {one.id: one for one in items_of(load_run(folder), task)}


def test_a_sample_is_right_wrong_or_missing_and_says_why(data: DataSource, tmp_path: Path) -> None:
    said = {"00000": "no such answer", "00001": None}
    finished_run(tmp_path / "run", data, said)
    items = by_id(tmp_path / "run", "gqa")
    assert [items[name].state for name in ("00000", "00001", "00002")] == ["wrong", "missing", "right"]
    assert items["00000"].answer == "no such answer"
    assert items["00000"].why == {"answer": "no such answer"}
    assert "no answer" in items["00001"].why["missing"]
    assert items["00001"].answer is None
    assert items["00002"].prompt.startswith(items["00002"].question)
    assert items["00002"].reference == items["00002"].answer
    assert isinstance(items["00002"].media, Image)
    assert items["00002"].vision_tokens == 1


def test_a_question_about_a_clip_has_its_options_and_frames(data: DataSource, tmp_path: Path) -> None:
    finished_run(tmp_path / "run", data, {})
    one = next(iter(by_id(tmp_path / "run", "mlvu").values()))
    assert isinstance(one.media, Video)
    assert len(one.choices) == 4
    assert one.frames is not None


def test_a_run_in_progress_shows_what_it_has_answered(data: DataSource, tmp_path: Path) -> None:
    answered_run(tmp_path / "run", "gqa", data, {"00000": "nonsense", "00001": "nonsense"})
    assert {name: one.state for name, one in by_id(tmp_path / "run", "gqa").items()} == {
        "00000": "wrong",
        "00001": "wrong",
    }


def test_without_the_benchmarks_files_the_run_folder_still_shows(data: DataSource, tmp_path: Path) -> None:
    finished_run(tmp_path / "run", data, {"00000": "nonsense"})
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    for one in document["config"]["sources"].values():
        one["root"] = str(tmp_path / "gone")
    (tmp_path / "run" / "run.json").write_text(json.dumps(document))
    item = by_id(tmp_path / "run", "gqa")["00000"]
    assert (item.state, item.answer, item.prompt, item.media) == ("wrong", "nonsense", "", None)


def test_judged_answers_wait_and_then_show_what_was_said(tmp_path: Path) -> None:
    build(["mmvet"], tmp_path / "data", 0)
    sources = {"mmvet": DataSource("folder", tmp_path / "data", synthetic=True)}
    config = RunConfig("parrot", ("mmvet",), sources, tmp_path / "run", workers=0, limit=3)
    evaluate(config, model=Parrot(answer="a red circle"))
    assert {one.state for one in by_id(tmp_path / "run", "mmvet").values()} == {"waiting"}
    judge_run(tmp_path / "run", "rules")
    for one in by_id(tmp_path / "run", "mmvet").values():
        assert one.state in ("right", "partly", "wrong")
        assert [(reply.judge, reply.missing) for reply in one.replies] == [("rules", False)]
        assert not one.disputed


def test_rules_that_grade_differently_are_a_dispute(data: DataSource, tmp_path: Path) -> None:
    finished_run(tmp_path / "run", data, {"00000": "Purple."})
    rows = [json.loads(line) for line in (tmp_path / "run" / "gqa" / "scores.jsonl").read_text().splitlines()]
    rows[1]["values"]["lmms_eval"] = 0.0
    (tmp_path / "run" / "gqa" / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [one.id for one in by_id(tmp_path / "run", "gqa").values() if one.disputed][-1:] == [rows[1]["id"]]


def test_another_judge_who_differs_is_a_dispute(data: DataSource, tmp_path: Path) -> None:
    finished_run(tmp_path / "run", data, {})
    rows = [json.loads(line) for line in (tmp_path / "run" / "gqa" / "scores.jsonl").read_text().splitlines()]
    rows[2]["values"] = {"accuracy": 0.5}
    (tmp_path / "run" / "gqa" / "scores-other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [one.id for one in by_id(tmp_path / "run", "gqa").values() if one.disputed] == [rows[2]["id"]]
