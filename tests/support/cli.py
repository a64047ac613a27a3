"""Runs `run-eval` as a user would: a process of its own, offline, with a cache folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def command(*argv: str) -> list[str]:
    """The command line of `run-eval ARGV`."""
    return [sys.executable, "-m", "harness.cli", *argv]


def environment(home: Path) -> dict[str, str]:
    """An environment in which nothing is reachable and nothing outside `home` is written."""
    return {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "XDG_CACHE_HOME": str(home),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def run_eval(*argv: str, home: Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs to the end and returns exit code and both outputs."""
    return subprocess.run(
        command(*argv), cwd=cwd, env=environment(home), capture_output=True, text=True, timeout=timeout, check=False
    )
