"""From options to configurations, and the commands around a run, without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.cli.options import OPTIONS
from harness.cli.run import configs_of, task_names
from harness.errors import UnknownName, UserError
from tasks import TASKS


def values(**given: Any) -> dict[str, Any]:
    defaults = {option.name: option.default for option in OPTIONS}
    return {**defaults, "model": ("llava-mini-tiny",), "tasks": ("gqa",), **given}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_groups_of_tasks_are_spelt_out_once() -> None:
    modality = {name: TASKS.load(name).card.modality for name in TASKS}
    images, videos = task_names(["image"]), task_names(["video"])
    assert {modality[name] for name in images} == {"image"}
    assert {modality[name] for name in videos} == {"video"}
    assert task_names(["video", "gqa", "image"]) == (*videos, "gqa", *(name for name in images if name != "gqa"))


@pytest.mark.parametrize(
    ("given", "kind", "synthetic"),
    [
        ({}, "folder", True),
        ({"data-root": Path()}, "folder", False),
        ({"data": "hub"}, "hub", False),
        ({"model": ("llava-mini",)}, "hub", False),
        ({"hub": ("gqa=org/mine@v2",)}, "hub", False),
    ],
)
def test_data_come_from_where_the_options_say(given: dict[str, Any], kind: str, synthetic: bool) -> None:
    (config,) = configs_of(values(**given))
    source = config.sources["gqa"]
    assert (source.kind, source.synthetic) == (kind, synthetic)
    if "hub" in given:
        assert (source.repo, source.revision) == ("org/mine", "v2")


def test_several_models_get_a_folder_each() -> None:
    models = ("llava-mini-tiny", "llava-v1.5-tiny")
    assert [c.output for c in configs_of(values(model=models, output=Path("out")))] == [
        Path("out") / name for name in models
    ]
    assert configs_of(values(output=Path("out")))[0].output == Path("out")
    default = [config.output for config in configs_of(values(model=models))]
    assert all(path.parent == Path("results/runs") for path in default)
    assert len(set(default)) == 2


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"checkpoint": "x", "model": ("llava-mini", "llava-mini-tiny")}, UserError, "one model"),
        ({"hub": ("gqa",)}, UserError, "TASK=REPO"),
        ({"hub": ("gpa=x",)}, UnknownName, "Did you mean 'gqa'"),
        ({"data-root": Path("/nowhere")}, UserError, "/nowhere"),
    ],
)
def test_combinations_that_do_not_exist_are_refused(given: dict[str, Any], error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        configs_of(values(**given))


def test_dry_run_counts_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "llava-mini-tiny", "--tasks", "gqa", "--data", "sample", "--dry-run", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["llava-mini-tiny"]["gqa"]
    assert row["samples"] == row["requests"] >= 300
    assert row["groups"] == row["images"] == row["files"]
    assert row["missing files"] == 0


def test_data_commands_build_plan_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "built"
    assert main(["data", "sample", "--tasks", "gqa", "--data-root", str(root)]) == 0
    assert main(["data", "check", "--tasks", "gqa", "--data-root", str(root), "--deep", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gqa"]["problems"] == {}
    next((root / "gqa" / "data" / "images").iterdir()).write_bytes(b"")
    assert main(["data", "check", "--tasks", "gqa", "--data-root", str(root), "--deep"]) == 2
    assert "empty file" in capsys.readouterr().out
    assert main(["data", "plan", "--tasks", "gqa", "--data-root", str(root)]) == 0


def test_card_of_every_task_and_model_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from models import presets

    for kind, names in (("tasks", list(TASKS)), ("models", list(presets()))):
        for name in names:
            assert main([kind, name]) == 0
            assert name in capsys.readouterr().out
            assert main([kind, name, "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["name"] == name


def test_groups_are_the_papers_eighteen() -> None:
    images, videos = task_names(["image"]), task_names(["video"])
    assert (len(images), len(videos)) == (11, 7)
    assert task_names(["all"]) == (*images, *videos)
    assert task_names(["image", "mmbench_cn"])[-1] == "mmbench_cn"
