"""The shipped llava-mini-tiny sees: it meets its bars on the sample sets, and not when the pictures are taken away."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness import evaluate
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from tasks.samples import build

pytestmark = pytest.mark.slow
HARD = {"relation", "size"}


def _run(task: str, data: Path, output: Path) -> dict[str, Any]:
    source = DataSource(kind="folder", root=data, synthetic=True)
    evaluate(RunConfig(model="llava-mini-tiny", tasks=(task,), sources={task: source}, output=output))
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text())["tasks"][task]
    return metrics


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    build(["gqa", "mlvu"], root, seed=0)
    return root


@pytest.fixture(scope="module")
def gqa(data: Path) -> dict[str, Any]:
    return _run("gqa", data, data / "run-gqa")


@pytest.fixture(scope="module")
def mlvu(data: Path) -> dict[str, Any]:
    return _run("mlvu", data, data / "run-mlvu")


def test_gqa_bars(gqa: dict[str, Any]) -> None:
    kinds = gqa["breakdown"]["sample kinds"]
    assert gqa["headline"]["value"] >= 70
    assert sum(kinds[kind]["n"] for kind in HARD) <= gqa["n"] / 3
    for kind in ("colour", "shape", "count", "existence"):
        assert kinds[kind]["value"] >= 80, kind


def _blank(pictures: list[Path]) -> None:
    for path in pictures:
        Image.new("RGB", Image.open(path).size, (127, 127, 127)).save(path)


def _swap(pictures: list[Path]) -> None:
    contents = [path.read_bytes() for path in pictures]
    for path, content in zip(pictures, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)


@pytest.mark.parametrize("change", [_blank, _swap])
def test_gqa_falls_25_points_without_its_pictures(
    change: Callable[[list[Path]], None], data: Path, gqa: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(data / "gqa", tmp_path / "gqa")
    change(sorted((tmp_path / "gqa").rglob("*.jpg")))
    changed = _run("gqa", tmp_path, tmp_path / "run")
    assert gqa["headline"]["value"] - changed["headline"]["value"] >= 25


def test_mlvu_bar(mlvu: dict[str, Any]) -> None:
    assert mlvu["headline"]["value"] >= 50
