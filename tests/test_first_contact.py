"""What a new user meets: the real job without weights, real media, unknown names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import run_eval
from tests.support.golden import REAL_MEDIA, needs_real_media


def test_real_model_without_weights_says_what_to_download_and_what_works_now(tmp_path: Path) -> None:
    done = run_eval("--model", "llava-mini", "--tasks", "gqa,mlvu", home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for words in ("llava-mini-llama-3.1-8b", "--checkpoint", "run-eval --model llava-mini-tiny", "--data sample"):
        assert words in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--model", "llava-mini-tin", "--tasks", "gqa"), "Did you mean 'llava-mini-tiny'"),
        (("--model", "llava-mini-tiny", "--tasks", "gpa"), "Did you mean 'gqa'"),
        (("--model", "llava-mini-tiny"), "--tasks"),
        (("--tasks", "gqa"), "--model"),
        (("--model", "llava-mini-tiny", "--tasks", "gqa", "--data", "folder"), "--data-root"),
        (("--model", "llava-mini-tiny", "--tasks", "gqa", "--data-root", "/nowhere"), "/nowhere"),
        (("--model", "llava-mini-tiny", "--tasks", "gqa", "--data", "sample", "--prompt", "llavaa"), "'llava'"),
        (("--model", "llava-mini-tiny", "--tasks", "gqa", "--data", "sample", "--samples", "no-such"), "no-such"),
        (("--model", "llava-mini-tiny", "--tasks", "gqa", "--data", "sample", "--device", "cuda:99"), "cuda:99"),
    ],
)
def test_mistake_gets_one_message_and_exit_code_2(argv: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = run_eval(*argv, home=tmp_path / "home", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.published
@needs_real_media
def test_real_photographs_and_videos_are_all_answered(tmp_path: Path) -> None:
    done = run_eval(
        *("--model", "llava-mini-tiny", "--tasks", "gqa,mlvu", "--data", "folder"),
        *("--data-root", str(REAL_MEDIA), "--json"),
        *("--output", str(tmp_path / "run")),
        home=tmp_path / "home",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    tasks = json.loads(done.stdout)["tasks"]
    assert {name: task["n_scored"] for name, task in tasks.items()} == {name: task["n"] for name, task in tasks.items()}
    assert sum(task["n"] for task in tasks.values()) == 34
    assert all("not comparable" in task["paper"]["verdict"] for task in tasks.values())
