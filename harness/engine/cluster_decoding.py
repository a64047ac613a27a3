"""Media decoded by Ray tasks, as streams of chunks (see PreparePool, whose place it takes in a replica)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from harness.errors import MediaError
from harness.media.chunks import Chunk, Preparer
from harness.media.workers import DONE, PreparePool, chunks_of
from harness.types import FramePolicy, Media

AHEAD_CHUNKS = 4
"""Chunks of one medium that may lie in the object store before its task waits."""
START_SECONDS = 10.0
"""A task for which no CPU is found in this time is decoded where it is needed, so that nothing ever waits for ever."""
STARVED_SECONDS = 60.0
"""For so long after that, no task is tried."""
RETRIES = 2
"""Of a task whose machine or process dies."""
_STARTED = "started"


class RayPool(PreparePool):
    """Streams made by Ray tasks. `workers` 0: none, chunks are made as they are asked for."""

    def __init__(self, preparer: Preparer, workers: int, timeout_s: float) -> None:
        super().__init__(preparer, 0, timeout_s, 0)
        self.preparer, self.timeout_s = preparer, timeout_s
        self.ray: Any = None
        self.starved = -math.inf
        if workers:
            import ray

            options: dict[str, Any] = {"num_cpus": 1, "num_returns": "streaming", "max_retries": RETRIES}
            options["_generator_backpressure_num_objects"] = AHEAD_CHUNKS
            self._task = ray.remote(**options)(_decode)
            self._sent = ray.put(preparer)
            self.ray = ray

    def submit(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        if self.ray is None or time.monotonic() - self.starved < STARVED_SECONDS:
            return super().submit(media, frames)
        return _Stream(self, self._task.remote(self._sent, media, frames), media, frames)


class _Stream(Iterator[Chunk]):
    """The chunks of one medium, in order, once. Iterating raises MediaError; dropping the stream cancels the task."""

    def __init__(self, pool: RayPool, refs: Any, media: Media, frames: FramePolicy) -> None:
        self._pool, self._refs, self._media, self._frames = pool, refs, media, frames
        self._begun = False
        self._here: Iterator[Any] | None = None
        self._last: list[MediaError | None] = []

    def __next__(self) -> Chunk:
        started = time.perf_counter()
        item = self._last[0] if self._last else self._item()
        self._pool.wait_seconds += time.perf_counter() - started
        if item is DONE or isinstance(item, MediaError):
            self._last = [item]
            if item is DONE:
                raise StopIteration
            raise item
        chunk: Chunk = item
        return chunk

    def _item(self) -> Any:
        """The next chunk, or the last word."""
        if self._here is not None:
            return next(self._here)
        ray = self._pool.ray
        try:
            if not self._begun:
                if not ray.wait([self._refs], timeout=START_SECONDS)[0]:
                    self._cancel()
                    self._pool.starved = time.monotonic()
                    self._here = chunks_of(self._pool.preparer, self._media, self._frames)
                    return next(self._here)
                self._begun = True
                ray.get(next(self._refs))
            if not ray.wait([self._refs], timeout=self._pool.timeout_s)[0]:
                self._cancel()
                return MediaError("timed out", f"{self._media.source}: nothing in {self._pool.timeout_s:g} s")
            item = ray.get(next(self._refs))
        except ray.exceptions.RayError as error:
            return MediaError("decoder died", f"{self._media.source}: {type(error).__name__}")
        return item.copy() if hasattr(item, "nbytes") else item  # a copy can be written to, and frees the store

    def _cancel(self) -> None:
        try:
            self._pool.ray.cancel(self._refs, force=True)  # else a task that hangs keeps its CPU
        except Exception:  # it is over, or Ray is
            self._begun = True

    def __del__(self) -> None:
        if not self._last:
            self._cancel()


def _decode(preparer: Preparer, media: Media, frames: FramePolicy) -> Iterator[Any]:
    """The task: that it has begun, chunks, and the last word."""
    yield _STARTED
    yield from chunks_of(preparer, media, frames)
