"""Media decoded by Ray tasks: the same chunks in the same order; what dies, hangs or finds no CPU costs one medium at
most."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.engine import cluster_decoding
from harness.engine.cluster_decoding import AHEAD_CHUNKS, RayPool
from harness.errors import MediaError
from harness.media.chunks import Chunk
from harness.types import FramePolicy, Image, Media
from tests.support.cli import PROJECT


@dataclass(frozen=True)
class Acting:
    """Ten chunks, each with its number, told to a log; the source's name says how it goes wrong in the third."""

    log: Path

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        for number in range(10):
            if number == 2:
                self._act(str(media.source))
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{os.getpid()} {number}\n")
            yield np.full(3, number, np.uint8)

    def _act(self, source: str) -> None:
        if source == "dies" or (source == "dies-once" and not self.log.with_name("dead").exists()):
            self.log.with_name("dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if source == "hangs":
            time.sleep(600)
        if source == "broken":
            raise MediaError("unreadable", "third chunk")

    def told(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.is_file() else []


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """One CPU."""
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = str(PROJECT)
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()
    os.environ["PYTHONPATH"] = before


@pytest.fixture
def acting(tmp_path: Path) -> Acting:
    return Acting(tmp_path / "log")


def read(pool: RayPool, name: str) -> list[int]:
    return [int(chunk[0]) for chunk in pool.submit(Image(name, Path(name)), FramePolicy())]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["calm", "dies-once"])
def test_chunks_come_in_order_from_another_process_also_when_one_dies(ray: Any, acting: Acting, name: str) -> None:
    pool = RayPool(acting, 1, 60.0)
    assert read(pool, name) == list(range(10))
    assert str(os.getpid()) not in {line.split()[0] for line in acting.told()}
    assert pool.wait_seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"), [("dies", "decoder died"), ("broken", "unreadable"), ("hangs", "timed out")]
)
def test_medium_that_cannot_be_decoded_says_why_and_the_next_one_can(
    ray: Any, acting: Acting, name: str, reason: str
) -> None:
    pool = RayPool(acting, 1, 3.0 if name == "hangs" else 60.0)
    with pytest.raises(MediaError) as caught:
        read(pool, name)
    assert caught.value.reason == reason
    if name != "hangs":
        assert read(pool, "calm") == list(range(10))


@pytest.mark.slow
def test_task_waits_for_its_reader_with_few_chunks_ahead(ray: Any, acting: Acting) -> None:
    stream = RayPool(acting, 1, 60.0).submit(Image("calm", Path("calm")), FramePolicy())
    assert next(stream)[0] == 0
    time.sleep(1.0)
    assert len(acting.told()) <= AHEAD_CHUNKS + 3, "one read, one under way, one that says that the task has begun"
    assert [int(chunk[0]) for chunk in stream] == list(range(1, 10))


@pytest.mark.slow
def test_medium_for_which_no_cpu_is_found_is_decoded_by_its_reader(
    ray: Any, acting: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_decoding, "START_SECONDS", 0.5)

    @ray.remote(num_cpus=1)
    class Hog:
        def here(self) -> None:
            """The CPU is taken."""

    hog = Hog.remote()
    ray.get(hog.here.remote())
    try:
        assert read(RayPool(acting, 1, 60.0), "calm") == list(range(10))
        assert {line.split()[0] for line in acting.told()} == {str(os.getpid())}
    finally:
        ray.kill(hog)


def test_without_workers_the_reader_decodes(acting: Acting) -> None:
    assert read(RayPool(acting, 0, 60.0), "calm") == list(range(10))
