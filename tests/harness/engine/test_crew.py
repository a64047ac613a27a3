"""Replicas in processes of this machine: the same finished files as one process, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.engine.processes import _devices
from harness.engine.run import Run, evaluate, resume
from harness.errors import UserError
from harness.records.journal import read_journal
from tests.harness.engine.conftest import Configure, files
from tests.support.cli import PROJECT
from tests.support.crew import acting
from tests.support.fakes import Parrot, write_quiz


def pids(log: Path) -> list[int]:
    return list(dict.fromkeys(int(line.split()[0]) for line in log.read_text().splitlines())) if log.is_file() else []


def missing(run: Run) -> dict[str, str]:
    entries = read_journal(run.folder / "quiz" / "responses.jsonl")
    return {entry["id"]: entry["missing"]["reason"] for entry in entries if "missing" in entry}


def test_three_replicas_end_with_the_files_of_one_process(configure: Configure, tmp_path: Path) -> None:
    write_quiz(tmp_path / "data", texts={3: "broken"}, samples=160)
    one = evaluate(configure("one", batch_tokens=80), model=Parrot())
    log = tmp_path / "log"
    three = evaluate(configure("three", replicas=3, workers=1), load=acting(seconds=0.02, log=str(log)))
    assert files(one.folder) == files(three.folder)
    assert len(pids(log)) == 3


def test_killed_replica_costs_only_time(configure: Configure, tmp_path: Path) -> None:
    write_quiz(tmp_path / "data", samples=160)
    log = tmp_path / "log"

    def kill() -> None:
        while not (some := pids(log)):
            time.sleep(0.01)
        os.kill(some[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    run = evaluate(configure("killed", replicas=2), load=acting(seconds=0.03, log=str(log)))
    killer.join()
    assert not missing(run)
    assert files(run.folder) == files(evaluate(configure("calm"), model=Parrot()).folder)
    assert any("killed by SIGKILL" in note for note in run.info["sessions"][0]["notes"])
    assert len(pids(log)) == 3, "a new process takes the dead one's place"


def test_group_that_kills_two_replicas_is_missing_and_no_other(configure: Configure) -> None:
    run = evaluate(configure("deadly", replicas=2, max_missing=1.0), load=acting(fatal="q9", seconds=0.005))
    assert missing(run) == dict.fromkeys(("q8", "q9", "q10", "q11"), "model process died")
    again = resume(run.folder, retry_missing=True, load=acting())
    assert files(again.folder) == files(evaluate(configure("calm", max_missing=1.0), model=Parrot()).folder)


def test_group_that_fails_is_missing_though_failures_are_held_back(configure: Configure) -> None:
    run = evaluate(configure("failing", replicas=2, max_missing=1.0), load=acting(failing="q39"))
    assert missing(run) == dict.fromkeys(("q36", "q37", "q38", "q39"), "model error: ValueError")


def test_memory_that_runs_out_makes_a_replicas_calls_smaller(configure: Configure) -> None:
    run = evaluate(configure("small", replicas=2), load=acting(memory=1))
    assert files(run.folder) == files(evaluate(configure("calm"), model=Parrot()).folder)
    assert any("memory ran out" in note for note in run.info["sessions"][0]["notes"])


def dying(config: object) -> Parrot:
    os.kill(os.getpid(), signal.SIGKILL)
    return Parrot()


def unloadable(config: object) -> Parrot:
    raise UserError("no such weights")


def test_replicas_that_die_while_loading_end_the_run(configure: Configure) -> None:
    with pytest.raises(UserError, match="killed by SIGKILL"):
        evaluate(configure("dead", replicas=2), load=dying)


def test_what_a_replica_cannot_load_is_said_once(configure: Configure) -> None:
    with pytest.raises(UserError, match=r"^no such weights$"):
        evaluate(configure("unloaded", replicas=2), load=unloadable)


INTERRUPTED = """
import json, sys
import tasks
from harness.registry import Registry
tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from tests.support.crew import acting

if __name__ == "__main__":
    evaluate(RunConfig.from_json(json.loads(sys.argv[1])), load=acting(seconds=0.05, log=sys.argv[2]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_run_leaves_no_process_and_can_be_resumed(
    configure: Configure, tmp_path: Path, number: signal.Signals
) -> None:
    write_quiz(tmp_path / "data", samples=160)
    config, log, script = configure("stopped", replicas=2, workers=1), tmp_path / "log", tmp_path / "run.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, str(script), json.dumps(config.to_json()), str(log)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        journal = config.output / "quiz" / "responses.jsonl"
        while len(pids(log)) < 2 or not (journal.is_file() and journal.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        error = process.communicate()[1]
    assert process.returncode != 0
    assert number != signal.SIGINT or "run-eval resume" in error
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids(log)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids(log) if Path(f"/proc/{pid}").exists()]
    begun = len(list(read_journal(config.output / "quiz" / "responses.jsonl")))
    assert 0 < begun < 160
    run = resume(config.output, load=acting(), changes={"replicas": None})
    assert files(run.folder) == files(evaluate(configure("calm"), model=Parrot()).folder)


def test_each_replica_needs_a_device_of_its_own() -> None:
    assert _devices("cpu", 2) == ["cpu", "cpu"]
    with pytest.raises(UserError, match="leave --device out"):
        _devices("cuda:1", 2)


def test_loaded_model_cannot_be_sent_to_replicas(configure: Configure) -> None:
    with pytest.raises(UserError, match="pass `load`"):
        evaluate(configure("loaded", replicas=2), model=Parrot())
