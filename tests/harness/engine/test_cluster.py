"""Replicas on Ray's own cluster of several nodes on this machine: the same finished files as one process, whatever
dies and whoever joins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.engine import cluster
from harness.engine.run import Run, evaluate, resume
from harness.errors import UserError
from harness.records.journal import read_journal
from tests.harness.engine.conftest import Configure, files
from tests.support.cli import PROJECT
from tests.support.crew import acting
from tests.support.fakes import Parrot, write_quiz


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster whose head has two CPUs: one replica, and one for decoding."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(PROJECT)
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield found
    import ray

    ray.shutdown()
    found.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def told(log: Path) -> list[int]:
    """Process ids, one an answer."""
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.is_file() else []


def missing(run: Run) -> dict[str, str]:
    entries = read_journal(run.folder / "quiz" / "responses.jsonl")
    return {entry["id"]: entry["missing"]["reason"] for entry in entries if "missing" in entry}


def on(nodes: Any, **fields: object) -> dict[str, Any]:
    return {"executor": "ray", "address": nodes.address, "workers": 1, **fields}


@pytest.mark.slow
def test_ray_ends_with_the_files_of_one_process(configure: Configure, tmp_path: Path, nodes: Any) -> None:
    write_quiz(tmp_path / "data", texts={3: "broken"}, samples=80)
    one = evaluate(configure("one", batch_tokens=80), model=Parrot())
    for replicas in (1, 3):
        added = [nodes.add_node(num_cpus=1) for _ in range(replicas - 1)]
        nodes.wait_for_nodes()
        log = tmp_path / f"log{replicas}"
        load = acting(seconds=0.1, log=str(log))
        run = evaluate(configure(f"ray{replicas}", **on(nodes, replicas=replicas)), load=load)
        assert files(run.folder) == files(one.folder)
        assert len(set(told(log))) == replicas
        for node in added:
            nodes.remove_node(node)


@pytest.mark.slow
def test_node_that_dies_and_node_that_joins(configure: Configure, tmp_path: Path, nodes: Any) -> None:
    write_quiz(tmp_path / "data", samples=160)
    dying, log = nodes.add_node(num_cpus=1), tmp_path / "log"
    nodes.wait_for_nodes()
    config = configure("changing", **on(nodes))
    with ThreadPoolExecutor() as threads:  # nodes can only be started by the main thread
        running = threads.submit(evaluate, config, load=acting(seconds=0.4, log=str(log)))
        _wait_for(log, 2, running)
        nodes.remove_node(dying, allow_graceful=False)
        joining = nodes.add_node(num_cpus=1)
        _wait_for(log, 3, running)
        run = running.result()
    nodes.remove_node(joining)
    assert not missing(run)
    assert any("died" in note for note in run.info["sessions"][0]["notes"])
    assert files(run.folder) == files(evaluate(configure("calm"), model=Parrot()).folder)


def _wait_for(log: Path, replicas: int, running: Future[Run]) -> None:
    while len(set(told(log))) < replicas:
        assert not running.done(), f"{len(set(told(log)))} replicas answered, not {replicas}"
        time.sleep(0.05)


@pytest.mark.slow
def test_group_that_kills_two_actors_is_missing_and_no_other(configure: Configure, nodes: Any) -> None:
    config = configure("deadly", **on(nodes, max_missing=1.0, replicas=1))
    run = evaluate(config, load=acting(fatal="q9"))
    assert missing(run) == dict.fromkeys(("q8", "q9", "q10", "q11"), "model process died")


INTERRUPTED = """
import json, sys
import tasks
from harness.registry import Registry
tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from tests.support.crew import acting

if __name__ == "__main__":
    evaluate(RunConfig.from_json(json.loads(sys.argv[1])), load=acting(seconds=0.3, log=sys.argv[2]))
"""


@pytest.mark.slow
def test_interrupted_run_frees_the_cluster_and_can_be_resumed(configure: Configure, tmp_path: Path, nodes: Any) -> None:
    config, log, script = configure("stopped", **on(nodes)), tmp_path / "log", tmp_path / "run.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, str(script), json.dumps(config.to_json()), str(log)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        journal = config.output / "quiz" / "responses.jsonl"
        while not (journal.is_file() and journal.stat().st_size):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
    assert "run-eval resume" in error
    assert 0 < len(list(read_journal(config.output / "quiz" / "responses.jsonl"))) < 40
    run = resume(config.output, load=acting(seconds=0.01))
    assert files(run.folder) == files(evaluate(configure("calm"), model=Parrot()).folder)


def test_absent_ray_is_named_with_the_command_that_installs_it(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        evaluate(configure("absent", executor="ray"), load=acting())
