"""Worker processes: same chunks as in the process, bounded, and none of their deaths is ours."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MediaError
from harness.media.workers import PreparePool
from harness.types import FramePolicy, Image, Media


@dataclass(frozen=True)
class Acting:
    """A preparer that does what the medium's id says. `log`: a file that gets a byte a chunk."""

    log: Path

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[np.ndarray]:
        deed, _, count = media.id.partition(" ")
        for index in range(int(count or 1)):
            if index == 1 and deed == "hang":
                time.sleep(60)
            if index == 1 and deed == "die":
                os._exit(9)
            if index == 1 and deed == "refuse":
                raise MediaError("too ugly", "really")
            if index == 1 and deed == "crash":
                raise ZeroDivisionError("of course")
            with self.log.open("ab") as file:
                file.write(b".")
            yield np.full(0 if deed == "empty" else 100_000, index, np.uint8)
            if deed == "empty":
                time.sleep(0.05)


def pool(tmp_path: Path, workers: int = 1, timeout_s: float = 30.0, ahead: int = 10**7) -> PreparePool:
    return PreparePool(Acting(tmp_path / "log"), workers, timeout_s, ahead)


def medium(deed: str) -> Image:
    return Image(deed, Path(deed))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_streams_give_every_chunk_in_order(workers: int, tmp_path: Path) -> None:
    with pool(tmp_path, workers) as workers_pool:
        streams = [workers_pool.submit(medium(f"count {n}"), FramePolicy()) for n in (3, 1, 5)]
        assert [[int(chunk[0]) for chunk in stream] for stream in streams] == [[*range(n)] for n in (3, 1, 5)]


def test_chunk_of_no_bytes_comes_once(tmp_path: Path) -> None:
    with pool(tmp_path) as workers_pool:
        assert [chunk.size for chunk in workers_pool.submit(medium("empty 3"), FramePolicy())] == [0, 0, 0]


@pytest.mark.parametrize(
    ("workers", "deed", "reason"),
    [
        (0, "refuse 3", "too ugly"),
        (1, "refuse 3", "too ugly"),
        (0, "crash 3", "preparation failed"),
        (1, "crash 3", "preparation failed"),
        (1, "die 3", "decoder died"),
    ],
)
def test_failure_is_a_reason_and_the_next_medium_is_served(
    workers: int, deed: str, reason: str, tmp_path: Path
) -> None:
    with pool(tmp_path, workers) as one:
        bad, good = one.submit(medium(deed), FramePolicy()), one.submit(medium("count 2"), FramePolicy())
        assert int(next(bad)[0]) == 0
        with pytest.raises(MediaError) as caught:
            next(bad)
        assert caught.value.reason == reason
        assert len(list(good)) == 2


def test_hanging_medium_is_given_up_and_the_next_one_served(tmp_path: Path) -> None:
    with pool(tmp_path, timeout_s=3.0) as one:
        bad, good = one.submit(medium("hang 3"), FramePolicy()), one.submit(medium("count 2"), FramePolicy())
        with pytest.raises(MediaError, match="timed out"):
            list(bad)
        assert len(list(good)) == 2


def test_worker_stops_when_its_stream_holds_enough(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pool(tmp_path, ahead=300_000) as one:
        stream = one.submit(medium("count 200"), FramePolicy())
        next(stream)
        before = -1
        while before != (before := log.stat().st_size):
            time.sleep(0.5)
        assert before < 20, "chunks must not pile up before they are asked for"
        assert sum(1 for _ in stream) == 199


def test_dropped_stream_frees_its_worker(tmp_path: Path) -> None:
    with pool(tmp_path, ahead=200_000) as one:
        stream = one.submit(medium("count 500"), FramePolicy())
        next(stream)
        del stream
        gc.collect()
        assert len(list(one.submit(medium("count 2"), FramePolicy()))) == 2


def test_end_is_repeated_to_whoever_asks_again(tmp_path: Path) -> None:
    with pool(tmp_path) as one:
        stream = one.submit(medium("count 1"), FramePolicy())
        assert len(list(stream)) == 1
        assert list(stream) == []


def test_closing_in_the_middle_ends_at_once_and_leaks_no_files(tmp_path: Path) -> None:
    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = open_files()
    for _ in range(3):
        with pool(tmp_path, workers=2) as two:
            streams = [two.submit(medium("hang 9"), FramePolicy()) for _ in range(4)]
            next(streams[0])
    with pytest.raises(MediaError):
        list(streams[0])
    assert open_files() <= before + 2


@pytest.mark.timeout(60)
def test_closing_does_not_wait_for_streams_that_nobody_reads(tmp_path: Path) -> None:
    with pool(tmp_path, workers=1, ahead=100_000) as one:
        streams = [one.submit(medium(f"count {number}"), FramePolicy()) for number in (50, 60, 70)]
        next(streams[0])
        time.sleep(0.3)  # by now the worker waits with a full stream
    with pytest.raises(MediaError, match="cancelled"):
        list(streams[0])
    with pytest.raises(MediaError, match="cancelled"):
        list(streams[2])


def test_waiting_is_measured(tmp_path: Path) -> None:
    with pool(tmp_path) as one:
        list(one.submit(medium("count 3"), FramePolicy()))
        assert one.wait_seconds > 0
