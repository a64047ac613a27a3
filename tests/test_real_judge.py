"""A run's answers judged by a real chat model behind a real server, through the command line.

MM-Vet's judge is the one whose replies are bounded, to three tokens; a server gives others a thousand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import DONE, WITHHELD
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.judge.contract import Reply
from harness.judge.load import load_judge
from tasks.mmvet import sound_grade
from tasks.samples import build
from tests.support.cli import run_eval
from tests.support.fakes import Parrot
from tests.support.requests import asking
from tests.support.smollm2 import serving, write_smollm2

ASKED = 1

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_smollm2(tmp_path_factory.mktemp("smollm2"))


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(folder, folder / "server.log") as base_url:
        yield base_url


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Answers that nobody has judged yet."""
    build(["mmvet"], tmp_path / "data", 0)
    sources = {"mmvet": DataSource("folder", tmp_path / "data", synthetic=True)}
    config = RunConfig("parrot", ("mmvet",), sources, tmp_path / "run", workers=0, limit=ASKED)
    evaluate(config, model=Parrot(answer="a red circle"))
    return tmp_path / "run"


def judge(run: Path, spec: str) -> dict[str, Any]:
    argv = ["judge", str(run), "--judge", spec, "--judge-concurrency", "1", "--json"]
    done = run_eval(*argv, home=run.parent / "home", cwd=run.parent, timeout=500)
    assert done.returncode in (DONE, WITHHELD), done.stderr
    entry: dict[str, Any] = json.loads(done.stdout)["tasks"]["mmvet"]
    return entry


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_served_chat_model_judges_a_run_and_what_cannot_be_read_is_missing(run: Path, folder: Path, url: str) -> None:
    spec = f"openai:{folder}@{url}"
    entry = judge(run, spec)
    replies = lines(run / "mmvet" / "judgements.jsonl")
    assert len(replies) >= ASKED
    for line in replies:
        assert line["judge"] == {"spec": spec, "model": str(folder), "endpoint": url}
        assert line["input_tokens"] > 300
        assert 0 < line["output_tokens"] <= 3
        assert line["reply"] is not None
    graded = {line["id"] for line in replies if sound_grade(line["reply"]) is not None}
    rows = lines(run / "mmvet" / "scores.jsonl")
    assert len(rows) == ASKED
    assert {row["id"] for row in rows if "values" in row} == graded
    assert entry["n_scored"] + sum(entry["missing"].values()) == entry["n"] == ASKED
    assert entry["judge"]["endpoint"] == url


def test_the_model_in_its_folder_says_what_the_server_says(folder: Path, url: str) -> None:
    asked = [asking("What is 2 + 2?", "q0"), asking("Name a colour of the sky.", "q1")]
    by_spec = [
        {request.sample_id: reply for request, reply in load_judge(spec).replies(asked)}
        for spec in (f"openai:{folder}@{url}", f"transformers:{folder}")
    ]
    for served, local in zip(*(map(replies.get, ("q0", "q1")) for replies in by_spec), strict=True):
        assert isinstance(served, Reply)
        assert isinstance(local, Reply)
        assert replace(served, model=local.model) == local
