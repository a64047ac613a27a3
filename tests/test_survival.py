"""A run of the real model, killed again and again, ends with the very files of a run that was left alone."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.cli import command, environment, run_eval

FINISHED = ("metrics.json", "gqa/scores.jsonl", "mlvu/scores.jsonl")
KILLS = 5


def _arguments(folder: Path, batch_tokens: int) -> list[str]:
    return [
        *("--model", "llava-mini-tiny", "--tasks", "gqa,mlvu", "--data", "sample", "--limit", "60", "--no-cache"),
        *("--batch-tokens", str(batch_tokens), "--output", str(folder)),
    ]


def _answers(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/responses.jsonl"))


def _kill_after(process: subprocess.Popen[bytes], folder: Path, answers: int) -> bool:
    """SIGKILL once the journal holds `answers` lines. False if the run ended before."""
    while _answers(folder) < answers:
        if process.poll() is not None:
            return False
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


@pytest.mark.slow
def test_killed_and_resumed_run_equals_an_undisturbed_one_byte_for_byte(tmp_path: Path) -> None:
    home, calm, wild = tmp_path / "home", tmp_path / "calm", tmp_path / "wild"
    done = run_eval(*_arguments(calm, 16384), home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    rng = random.Random(20)
    moments = sorted(rng.randrange(1, 120) for _ in range(KILLS))
    argv = _arguments(wild, 700)
    for kills, moment in enumerate(moments):
        with subprocess.Popen(
            command(*argv), cwd=tmp_path, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            assert _kill_after(process, wild, max(moment, _answers(wild) + 1)), f"run ended before kill {kills + 1}"
        argv = ["resume", str(wild), "--batch-tokens", str(rng.randrange(300, 20000)), "--workers", str(kills % 3)]
    resumed = run_eval(*argv, home=home, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    for name in FINISHED:
        assert (wild / name).read_bytes() == (calm / name).read_bytes(), name
