"""Every family through the engine: an image task, and a video task where it takes videos."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from models.transformers_native.adapter import NativeAdapter
from tasks.samples import build
from tests.support.cli import PROJECT, environment
from tests.support.native_tiny import PRESETS, VIDEOS, write_native


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    build(["gqa", "mvbench"], root, 0)
    return root


@pytest.mark.parametrize(("case", "task"), [*((one, "gqa") for one in PRESETS), *((one, "mvbench") for one in VIDEOS)])
def test_a_task_is_answered_whatever_the_batches(
    case: str, task: str, native: Mapping[str, NativeAdapter], data: Path, tmp_path: Path
) -> None:
    model, sources = native[case], {task: DataSource("folder", data, synthetic=True)}
    config = RunConfig(PRESETS[case], (task,), sources, tmp_path / "shared", limit=6, max_new_tokens=4, workers=0)
    one_by_one = replace(config, output=tmp_path / "alone", sharing=False, batch_tokens=1)
    found = []
    for one in (config, one_by_one):
        evaluate(one, model=model)
        lines = (one.output / task / "responses.jsonl").read_text().splitlines()
        found.append({row["id"]: (row["text"], row["vision_tokens"], row["frames"]) for row in map(json.loads, lines)})
        assert json.loads((one.output / "metrics.json").read_text())["tasks"][task]["n_scored"] == 6
    assert found[0] == found[1]
    assert all(vision and frames for _, vision, frames in found[0].values())


def test_the_command_runs_where_there_is_no_torchvision(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "model", "qwen2_vl")
    code = "import sys; sys.modules['torchvision'] = None; from harness.cli import main; sys.exit(main(sys.argv[1:]))"
    argv = ("--model", "qwen2-vl-7b", "--checkpoint", str(folder), "--device", "cpu", "--max-new-tokens", "4")
    task = ("--tasks", "gqa", "--data", "sample", "--limit", "4", "--output", str(tmp_path / "run"), "--json")
    done = subprocess.run(
        [sys.executable, "-c", code, *argv, *task],
        cwd=PROJECT,
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tasks"]["gqa"]["n_scored"] == 4
    card = json.loads((tmp_path / "run" / "run.json").read_text())["model"]
    assert card["settings"]["family"] == "qwen2_vl"
