"""A run that may open few files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness.cli import DONE, WITHHELD
from tests.support.cli import command, environment, run_eval

ASKED = ["--model", "llava-mini-tiny", "--tasks", "gqa", "--data", "sample", "--limit", "12", "--no-cache"]


@pytest.mark.slow
@pytest.mark.parametrize("most", [20, 32, 64])
def test_run_short_of_file_descriptors_ends_whole_or_says_so_and_resumes(tmp_path: Path, most: int) -> None:
    home = tmp_path / "home"
    whole = run_eval(*ASKED, "--output", "whole", home=home, cwd=tmp_path)
    assert whole.returncode == DONE, whole.stderr
    limited = ["bash", "-c", f'ulimit -n {most}; exec "$@"', "-", *command(*ASKED, "--workers", "2", "--output", "few")]
    done = subprocess.run(limited, cwd=tmp_path, env=environment(home), capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode != DONE:
        assert done.returncode in (2, WITHHELD), done.stderr
        if (tmp_path / "few" / "run.json").is_file():
            again = run_eval("resume", "few", "--retry-missing", home=home, cwd=tmp_path)
        else:
            again = run_eval(*ASKED, "--output", "few", home=home, cwd=tmp_path)
        assert again.returncode == DONE, again.stderr
    assert (tmp_path / "few" / "gqa" / "scores.jsonl").read_bytes() == (
        tmp_path / "whole" / "gqa" / "scores.jsonl"
    ).read_bytes()
    assert json.loads((tmp_path / "few" / "metrics.json").read_text())["tasks"]["gqa"]["n"] == 12
