"""The one command that makes a tiny model again, at a thousandth of its size."""

from pathlib import Path

import pytest

from models.llava.training.recipe import STAGE_2
from models.llava.training.tiny import main
from tests.support.cli import run_eval

NAME, SCALE = "llava-mini-tiny", 0.0005


@pytest.mark.slow
def test_the_command_makes_a_checkpoint_from_nothing_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    work, first, second = tmp_path / "work", tmp_path / "first", tmp_path / "second"
    asked = ["--model", NAME, "--work", str(work), "--scale", str(SCALE), "--output"]
    main([*asked, str(first)])
    last = work / f"{NAME}-{STAGE_2[-1].name}.safetensors"
    kept = [path.stat().st_mtime_ns for path in work.glob("*.safetensors") if path != last]
    last.unlink()
    main([*asked, str(second)])
    assert [path.stat().st_mtime_ns for path in work.glob("*.safetensors") if path != last] == kept
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    asked = ["--model", NAME, "--checkpoint", str(second), "--tasks", "gqa", "--limit", "4", "--output", "run"]
    ran = run_eval(*asked, home=tmp_path / "home", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
