"""The shipped llava-mini-tiny sees: it meets its bars on the sample sets, and not when the pictures are taken away."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from harness import evaluate
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from tasks.samples import build
from tasks.samples.video import FPS

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


def test_order_falls_when_seconds_are_shuffled(data: Path, mlvu: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(data / "MLVU", tmp_path / "MLVU")
    for number, clip in enumerate(sorted((tmp_path / "MLVU" / "video" / "5_order").glob("*.mp4"))):
        _shuffle_seconds(clip, random.Random(number))
    changed = _run("mlvu", tmp_path, tmp_path / "run")
    before, after = (metrics["breakdown"]["tasks"]["order"]["value"] for metrics in (mlvu, changed))
    assert before >= 60
    assert before - after >= 20


def _shuffle_seconds(clip: Path, rng: random.Random) -> None:
    """The same frames, second by second in another order."""
    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    seconds = [frames[start : start + FPS] for start in range(0, len(frames), FPS)]
    rng.shuffle(seconds)
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in (frame for second in seconds for frame in second):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
