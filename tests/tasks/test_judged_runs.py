"""The judged video benchmarks from files to metrics, through the engine, with a model that is told what to say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from tasks.videochatgpt_rows import FILES, QUESTIONS, VIDEOS
from tests.support.fakes import Parrot
from tests.support.folders import write_json

ROWS = {
    "generic": [{"video_name": "a", "Q": "What?", "A": "a red circle"}],
    "temporal": [{"video_name": "b", "Q": "When?", "A": "at night"}],
    "consistency": [{"video_name": "a", "Q1": "What?", "Q2": "What is it?", "A": "circle"}],
}


def run(tmp_path: Path, task: str, answer: str, **fields: Any) -> dict[str, Any]:
    sources = {task: DataSource("folder", tmp_path / "data")}
    config = RunConfig("parrot", (task,), sources, tmp_path / "run", workers=0, judge="rules", **fields)
    parrot = Parrot(answer=answer)
    parrot.card = replace(parrot.card, modalities=("video",))
    metrics: dict[str, Any] = evaluate(config, model=parrot).metrics["tasks"][task]
    return metrics


def generative_folder(root: Path) -> None:
    for part, name in FILES.items():
        write_json(root / QUESTIONS / name, ROWS[part])
    (root / VIDEOS).mkdir()
    for name in "ab":
        (root / VIDEOS / f"{name}.mp4").write_text(name)


def judgements(tmp_path: Path, task: str) -> list[dict[str, Any]]:
    lines = (tmp_path / "run" / task / "judgements.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_five_dimensions_under_one_headline_and_a_pair_judged_once(tmp_path: Path) -> None:
    generative_folder(tmp_path / "data")
    entry = run(tmp_path, "videochatgpt", "A red circle.")
    values = {name: row["value"] for name, row in entry["breakdown"]["dimensions"].items()}
    assert values == {"correctness": 5.0, "detail": 5.0, "context": 5.0, "temporal": 0.0, "consistency": 5.0}
    assert entry["headline"]["value"] == pytest.approx(4.0)
    assert (entry["n"], entry["n_scored"]) == (4, 4)
    assert entry["variants"] == {"official": pytest.approx(4.0), "lmms_eval": pytest.approx(4.0)}
    assert len(judgements(tmp_path, "videochatgpt")) == 5


def test_an_absent_video_is_missing_by_name_and_not_wrong(tmp_path: Path) -> None:
    generative_folder(tmp_path / "data")
    (tmp_path / "data" / VIDEOS / "b.mp4").unlink()
    entry = run(tmp_path, "videochatgpt", "circle", allow_missing_files=True, max_missing=0.5)
    assert (entry["n"], entry["n_scored"], sum(entry["missing"].values())) == (4, 3, 1)
    assert entry["breakdown"]["dimensions"]["temporal"] == {"value": None, "n": 0}
    assert entry["bounds"][0] < entry["bounds"][1]


def test_question_answering_with_numbers_as_ids(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "MSVD_Zero_Shot_QA"
    asked = [{"video_name": "clip", "question": f"who {place}?", "question_id": place} for place in range(3)]
    write_json(folder / "test_q.json", asked)
    write_json(folder / "test_a.json", [{"answer": "woman"}, {"answer": "man"}, {"answer": "a woman"}])
    (folder / "videos").mkdir()
    (folder / "videos" / "clip.avi").write_text("clip")
    entry = run(tmp_path, "msvdqa", "The woman sings.")
    assert entry["headline"]["value"] == pytest.approx(200 / 3)
    assert entry["breakdown"]["answers without verdict"] == 0
    assert entry["variants"]["official"] == pytest.approx(200 / 3)
    assert "our own" in entry["prompt_note"]
