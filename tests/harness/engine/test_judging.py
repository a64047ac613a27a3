"""Judging a run against a real server: nothing lost, nothing asked twice, nothing spent beyond the limit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.judging import forecast
from harness.engine.run import evaluate, judge_run
from harness.errors import UserError
from harness.judge.judgements import outcome_of_line
from harness.records.journal import read_lines
from harness.registry import Registry
from tests.support.cli import PROJECT
from tests.support.fakes import Parrot, write_quiz
from tests.support.judge_server import MODEL, Answer, JudgeServer, judge_server

SAMPLES = 12
SECRET = "a-planted-and-long-enough-secret"
PRICES = f"{MODEL}: [1000.0, 1000.0]\n"
"""USD a million tokens; the server's 14 tokens a call cost 0.014."""

Run = Callable[[str], Path]


@pytest.fixture
def answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Makes run folders of the judged quiz, answered and not judged."""
    quiz = Registry[type[tasks.Task]]("task", {"judgedquiz": "tests.support.judged:JudgedQuiz"})
    monkeypatch.setattr(tasks, "TASKS", quiz)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    root = write_quiz(tmp_path / "data", samples=SAMPLES)

    def made(name: str) -> Path:
        sources = {"judgedquiz": DataSource("folder", root)}
        evaluate(RunConfig("parrot", ("judgedquiz",), sources, tmp_path / name, workers=0), model=Parrot())
        return tmp_path / name

    return made


def verdicts(body: Mapping[str, Any], before: int) -> Answer:
    """Says yes to even samples."""
    number = int(body["messages"][0]["content"].partition(":")[0].removeprefix("q"))
    return Answer("no" if number % 2 else "yes")


def judged(run: Path, server: JudgeServer, **changes: object) -> dict[str, Any]:
    entry: dict[str, Any] = judge_run(run, f"openai:{MODEL}@{server.url}", None, changes)["tasks"]["judgedquiz"]
    return entry


def lines(run: Path) -> list[dict[str, Any]]:
    return list(read_lines(run / "judgedquiz" / "judgements.jsonl", outcome_of_line))


def finished(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in ("judgedquiz/scores.jsonl", "metrics.json")]


def test_a_second_run_asks_nothing_and_writes_the_same_bytes(answered: Run) -> None:
    run = answered("run")
    with judge_server(verdicts) as server:
        first = judged(run, server)
        before = finished(run)
        judged(run, server)
    assert len(server.calls) == SAMPLES
    assert finished(run) == before
    assert first["headline"]["value"] == 50.0
    assert first["n_scored"] == SAMPLES


def test_every_reply_is_kept_with_judge_parameters_prompt_date_and_tokens(answered: Run) -> None:
    run = answered("run")
    with judge_server(verdicts) as server:
        judged(run, server)
    assert len(lines(run)) == SAMPLES
    for line in lines(run):
        assert line["judge"]["endpoint"] == server.url
        assert line["parameters"] == {"temperature": 0.0, "max_tokens": 8}
        assert line["prompt"] == {"name": "quiz", "sha256": "0" * 64}
        assert (line["model"], line["input_tokens"], line["output_tokens"]) == (MODEL, 11, 3)
        assert line["date"]


def test_scores_are_the_same_through_faults(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.judge.client.FIRST_WAIT", 0.01)
    faults = [
        Answer(status=500),
        Answer(status=429, headers={"Retry-After": "0"}),
        Answer(raw=b"{"),
        Answer("x", cut=5),
    ]

    def script(body: Mapping[str, Any], before: int) -> Answer:
        number = int(body["messages"][0]["content"].partition(":")[0].removeprefix("q"))
        return faults[number % len(faults)] if before == 0 else verdicts(body, before)

    calm, stormy = answered("calm"), answered("stormy")
    with judge_server(verdicts) as server:
        judged(calm, server)
    with judge_server(script) as server:
        judged(stormy, server)
    assert len(server.calls) == 2 * SAMPLES
    scores = [(run / "judgedquiz" / "scores.jsonl").read_bytes() for run in (calm, stormy)]
    assert scores[0] == scores[1]


def test_a_reply_that_cannot_be_read_is_missing_and_one_that_is_unclear_is_asked_again(answered: Run) -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        text = body["messages"][0]["content"]
        if text.startswith("q0:"):
            return Answer("perhaps")
        if text.startswith("q2:") and "Yes or no." not in text:
            return Answer("what?")
        return verdicts(body, before)

    run = answered("run")
    with judge_server(script) as server:
        entry = judged(run, server)
    assert len(server.calls) == SAMPLES + 1
    assert entry["missing"] == {"unreadable reply": 1}
    assert entry["n_scored"] == SAMPLES - 1


def test_a_request_without_a_reply_is_asked_again_by_the_next_run(answered: Run) -> None:
    run, down = answered("run"), True

    def script(body: Mapping[str, Any], before: int) -> Answer:
        refused = down and body["messages"][0]["content"].startswith("q4:")
        return Answer(status=400, code="content_filter") if refused else verdicts(body, before)

    with judge_server(script) as server:
        entry = judged(run, server)
        assert entry["missing"] == {"judge failed": 1}
        down = False
        entry = judged(run, server)
    assert entry["missing"] == {}
    assert len(server.calls) == SAMPLES + 1


def test_no_more_is_spent_than_max_cost(answered: Run, tmp_path: Path) -> None:
    run = answered("run")
    (tmp_path / "prices.yaml").write_text(PRICES)
    changes = {"judge_prices": tmp_path / "prices.yaml", "max_cost": 0.1, "judge_concurrency": 2}
    with judge_server(verdicts) as server:
        entry = judged(run, server, **changes)
        spent = 0.014 * len(server.calls)
        assert 0 < len(server.calls) < SAMPLES
        assert spent <= 0.1
        assert entry["missing"] == {"not judged": SAMPLES - len(server.calls)}
        entry = judged(run, server, **changes | {"max_cost": 10.0})
    assert len(server.calls) == SAMPLES
    assert entry["missing"] == {}


def test_a_limit_without_a_price_is_refused_before_anything_is_asked(answered: Run) -> None:
    run = answered("run")
    with judge_server(verdicts) as server, pytest.raises(UserError, match="--judge-prices"):
        judged(run, server, max_cost=1.0)
    assert server.calls == []


def test_a_forecast_asks_nothing_and_counts_what_is_open(answered: Run) -> None:
    run = answered("run")
    with judge_server(verdicts) as server:
        spec = f"openai:{MODEL}@{server.url}"
        assert forecast(run, spec, {})["judgedquiz"]["calls"] == SAMPLES
        assert server.calls == []
        judged(run, server)
        assert forecast(run, spec, {})["judgedquiz"]["calls"] == 0


def test_a_second_judge_stands_beside_the_first(answered: Run) -> None:
    run = answered("run")
    with judge_server(verdicts) as server:
        judged(run, server)
    before = finished(run)
    with judge_server("yes") as other:
        entry = judged(run, other)
    assert finished(run) == before
    assert entry["headline"]["value"] == 100.0
    assert len(list(run.glob("metrics-*.json"))) == 1


def test_the_key_is_sent_and_stands_in_no_file(answered: Run) -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        refused = body["messages"][0]["content"].startswith("q4:")
        return Answer(f"no, {SECRET}", status=400) if refused else verdicts(body, before)

    run = answered("run")
    with judge_server(script) as server:
        judged(run, server)
    assert server.keys == {f"Bearer {SECRET}"}
    for path in run.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_batch_judges_like_single_requests(answered: Run) -> None:
    one, other = answered("one"), answered("other")
    with judge_server(verdicts) as server:
        judged(one, server)
        judged(other, server, judge_batch=True)
    assert len(server.batches) == 1
    assert finished(one) == finished(other)
    assert not (other / "judge-batch.json").exists()


KILLED = f"""
import sys
from pathlib import Path
import tasks
from harness.registry import Registry
tasks.TASKS = Registry("task", {{"judgedquiz": "tests.support.judged:JudgedQuiz"}})
from harness.engine.run import judge_run
judge_run(Path(sys.argv[1]), "openai:{MODEL}@" + sys.argv[2], None, {{"judge_concurrency": 2}})
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_reply_is_lost_when_judging_is_stopped(answered: Run, number: signal.Signals) -> None:
    run = answered("run")

    def slow(body: Mapping[str, Any], before: int) -> Answer:
        return Answer(verdicts(body, before).text, wait=0.15)

    with judge_server(slow) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(run), server.url],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stderr=subprocess.DEVNULL,
        )
        journal = run / "judgedquiz" / "judgements.jsonl"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        process.wait(timeout=60)
        kept = {line["id"] for line in lines(run)}
        assert 4 <= len(kept) < SAMPLES
        sent = len(server.calls)
        entry = judged(run, server)
        again = {json.dumps(body) for body in server.calls[sent:]}
    assert len(again) == len(server.calls) - sent == SAMPLES - len(kept)
    assert entry["n_scored"] == SAMPLES
