"""A run that is killed at random moments, and resumed with other batches and workers, ends with the files of one that
was left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.engine.run import evaluate, resume
from tests.harness.engine.conftest import Configure, files
from tests.support.cli import PROJECT
from tests.support.fakes import Parrot, write_quiz

KILLED = """
import sys, time
from pathlib import Path
import tasks
from harness.registry import Registry
tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, resume
from tests.support.fakes import Parrot
import json

class Slow(Parrot):
    def respond(self, groups):
        for response in super().respond(groups):
            time.sleep(0.004)
            yield response

if __name__ == "__main__":
    config, changes = RunConfig.from_json(json.loads(sys.argv[1])), json.loads(sys.argv[2])
    begun = (config.output / "run.json").is_file()
    resume(config.output, model=Slow(), changes=changes) if begun else evaluate(config, model=Slow())
"""


def test_run_killed_at_random_moments_ends_with_the_same_bytes(configure: Configure, tmp_path: Path) -> None:
    write_quiz(tmp_path / "data", samples=200)
    calm = evaluate(configure("a"), model=Parrot())
    config = configure("b", batch_tokens=90, workers=1)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    rng, kills = random.Random(7), 0
    for _ in range(60):
        changes = {"batch_tokens": rng.choice((10, 40, 90, 1000)), "workers": rng.choice((0, 1, 2))}
        with subprocess.Popen(
            [sys.executable, str(script), json.dumps(config.to_json()), json.dumps(changes)],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stderr=subprocess.DEVNULL,
        ) as process:
            _wait_for_journal(process, config.output)
            time.sleep(rng.uniform(0.0, 0.15))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        if kills >= 6:
            break
    assert kills >= 5, "the run ended before it could be killed often enough"
    assert files(resume(config.output, model=Parrot()).folder) == files(calm.folder)


def _wait_for_journal(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until this process has the folder's lock and answers, or is done."""
    journal = folder / "quiz" / "responses.jsonl"
    before = journal.stat().st_size if journal.is_file() else 0
    while process.poll() is None and not (journal.is_file() and journal.stat().st_size > before):
        time.sleep(0.002)
