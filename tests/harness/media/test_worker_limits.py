"""Decoding processes on a machine that has no room for them."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from harness.errors import MediaError, UserError
from harness.media.workers import PreparePool
from harness.types import FramePolicy, Image, Media


@dataclass(frozen=True)
class Mortal:
    """A preparer whose process the kernel kills over one medium, as it does for want of memory."""

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[np.ndarray]:
        if media.id == "huge":
            os.kill(os.getpid(), signal.SIGKILL)
        yield np.ones(3, np.uint8)


def medium(name: str) -> Image:
    return Image(name, Path(name))


def test_worker_killed_for_memory_costs_its_medium_and_the_next_is_served() -> None:
    with PreparePool(Mortal(), 1, 30.0, 1000) as pool:
        huge, small = pool.submit(medium("huge"), FramePolicy()), pool.submit(medium("small"), FramePolicy())
        with pytest.raises(MediaError, match="exit code -9") as caught:
            next(huge)
        assert caught.value.reason == "decoder died"
        assert [chunk.size for chunk in small] == [3]


@pytest.mark.parametrize("step", ["the pipe", "the process"])
def test_process_that_cannot_be_started_is_one_message_and_hangs_nobody(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    where = {"the pipe": "socket.socketpair", "the process": "multiprocessing.util.spawnv_passfds"}[step]
    with PreparePool(Mortal(), 1, 30.0, 1000) as pool, monkeypatch.context() as short:
        short.setattr(where, full)
        for _ in range(2):  # the worker's thread outlives it
            with pytest.raises(UserError, match=r"cannot be started \(Too many open files\).*fewer --workers"):
                next(pool.submit(medium("small"), FramePolicy()))
        short.undo()
        assert [chunk.size for chunk in pool.submit(medium("small"), FramePolicy())] == [3]


def test_real_limit_of_open_files_is_the_same_message() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with PreparePool(Mortal(), 1, 30.0, 1000) as pool:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())), hard))
        try:
            with pytest.raises(UserError, match="cannot be started"):
                next(pool.submit(medium("small"), FramePolicy()))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert [chunk.size for chunk in pool.submit(medium("small"), FramePolicy())] == [3]
