"""Decoding ahead of the device in worker processes, bounded in bytes and in time.

Each medium becomes a stream of chunks. A thread a worker moves chunks from the process's pipe into the stream, and
stops while the stream holds enough, so that the process blocks in its pipe: memory stays flat however long a video is.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any
from weakref import WeakSet

from harness.errors import MediaError, UserError
from harness.media.chunks import Chunk, Preparer
from harness.types import FramePolicy, Media

DONE = None


class ChunkStream(Iterator[Chunk]):
    """The chunks of one medium, in order, once. Dropping the stream cancels the work.

    Iterating raises MediaError, and UserError where no process can be started for it.
    """

    def __init__(self, pool: PreparePool, shared: _Shared) -> None:
        self._pool, self._shared = pool, shared

    def __next__(self) -> Chunk:
        started = time.perf_counter()
        item = self._shared.take()
        self._pool.wait_seconds += time.perf_counter() - started
        if isinstance(item, (MediaError, UserError)):
            raise item
        if item is DONE:
            raise StopIteration
        chunk: Chunk = item
        return chunk

    def __del__(self) -> None:
        self._shared.cancel()


class _Shared:
    """What lies between a worker's thread and the consumer. After its end it repeats its last word."""

    def __init__(self, limit: int) -> None:
        self._items: deque[Any] = deque()
        self._bytes, self._limit = 0, limit
        self._changed = threading.Condition()
        self.cancelled = False

    def put(self, item: Chunk | MediaError | UserError | None) -> None:
        """Waits while the stream is full. A cancelled stream takes everything and keeps nothing."""
        with self._changed:
            size = getattr(item, "nbytes", 0)
            self._changed.wait_for(lambda: self.cancelled or not size or self._bytes < self._limit)
            if not self.cancelled:
                self._items.append(item)
                self._bytes += size
                self._changed.notify_all()

    def take(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items))
            item = self._items[0]
            last_word = item is DONE or isinstance(item, MediaError)
            if not last_word or len(self._items) > 1:
                self._items.popleft()
                self._bytes -= getattr(item, "nbytes", 0)
                self._changed.notify_all()
            return item

    def cancel(self) -> None:
        with self._changed:
            self.cancelled = True
            self._changed.notify_all()

    def end(self, error: MediaError) -> None:
        """The stream's last word, whatever it holds; nobody needs to add to it any more."""
        with self._changed:
            self._items.append(error)
            self.cancelled = True
            self._changed.notify_all()


class PreparePool:
    """Worker processes that run a preparer. `workers` 0: no process, chunks are made as they are asked for.

    `timeout_s`: a medium without progress for that long is given up ("timed out") and its process replaced.
    `ahead_bytes`: what one stream may hold before its worker waits. `wait_seconds`: how long consumers have waited.
    """

    def __init__(self, preparer: Preparer, workers: int, timeout_s: float, ahead_bytes: int) -> None:
        self.wait_seconds = 0.0
        self._preparer, self._timeout_s, self._ahead_bytes = preparer, timeout_s, ahead_bytes
        self._jobs: queue.SimpleQueue[tuple[Media, FramePolicy, _Shared] | None] = queue.SimpleQueue()
        self._streams: WeakSet[_Shared] = WeakSet()
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> PreparePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every worker, also in the middle of a file. Streams that are still open end with a MediaError."""
        self._closed.set()
        for stream in list(self._streams):
            stream.end(MediaError("cancelled", "the run has ended"))
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        """A stream of the medium's chunks; work on it starts as soon as a worker is free, in order of submission."""
        if not self._threads:
            return self._here(media, frames)
        shared = _Shared(self._ahead_bytes)
        self._streams.add(shared)
        self._jobs.put((media, frames, shared))
        return ChunkStream(self, shared)

    def _here(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        chunks = chunks_of(self._preparer, media, frames)
        while True:
            started = time.perf_counter()
            item = next(chunks)
            self.wait_seconds += time.perf_counter() - started
            if isinstance(item, MediaError):
                raise item
            if item is DONE:
                return
            yield item

    def _serve(self) -> None:
        """A worker's thread: one process, replaced whenever it dies or hangs."""
        process = _Process(self._preparer)
        try:
            while (job := self._jobs.get()) is not None:
                media, frames, shared = job
                if not shared.cancelled:
                    self._stream(process, media, frames, shared)
        finally:
            process.stop()

    def _stream(self, process: _Process, media: Media, frames: FramePolicy, shared: _Shared) -> None:
        try:
            process.send((media, frames))
            while True:
                item = process.receive(self._timeout_s, self._closed)
                shared.put(item)
                if item is DONE or isinstance(item, MediaError):
                    return
                if shared.cancelled:
                    process.stop()
                    return
        except TimeoutError:
            process.stop()
            reason = "cancelled" if self._closed.is_set() else "timed out"
            shared.put(MediaError(reason, f"{media.source}: nothing in {self._timeout_s:g} s"))
        except UserError as error:
            shared.put(error)
        except (EOFError, OSError):
            code = process.stop()
            shared.put(MediaError("decoder died", f"{media.source}: exit code {code}"))


class _Process:
    """One worker process and its pipe, started when needed."""

    def __init__(self, preparer: Preparer) -> None:
        self._preparer = preparer
        self._process: Any = None
        self._pipe: Connection[Any, Any] | None = None

    def send(self, job: tuple[Media, FramePolicy]) -> None:
        if self._process is None:
            try:
                self._start()
            except OSError as error:
                raise UserError(
                    f"a decoding process cannot be started ({error.strerror}). Take fewer --workers, or raise what "
                    "this machine allows (`ulimit -n`, `ulimit -u`, memory), then `run-eval resume` goes on from here."
                ) from error
        assert self._pipe is not None
        self._pipe.send(job)

    def _start(self) -> None:
        """Leaves nothing behind where it fails."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._preparer), daemon=True)
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._process, self._pipe = process, ours

    def receive(self, timeout_s: float, closed: threading.Event) -> Any:
        """The next message. Raises TimeoutError, EOFError when the process is gone."""
        assert self._pipe is not None
        deadline = time.monotonic() + timeout_s
        while not self._pipe.poll(min(0.2, max(0.0, deadline - time.monotonic()))):
            if closed.is_set() or time.monotonic() >= deadline:
                raise TimeoutError
        return self._pipe.recv()

    def stop(self) -> int | None:
        """Kills the process, if there is one, and returns its exit code."""
        if self._process is None or self._pipe is None:
            return None
        self._process.join(0.1)
        self._process.kill()
        self._process.join()
        code: int | None = self._process.exitcode
        self._process.close()
        self._pipe.close()
        self._process = self._pipe = None
        return code


def _work(pipe: Connection[Any, Any], preparer: Preparer) -> None:
    """The worker process: one job after the other until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        while True:
            media, frames = pipe.recv()
            for item in chunks_of(preparer, media, frames):
                pipe.send(item)
    except (EOFError, OSError):
        return


def chunks_of(preparer: Preparer, media: Media, frames: FramePolicy) -> Iterator[Chunk | MediaError | None]:
    """The preparer's chunks, then DONE or what went wrong."""
    try:
        yield from preparer(media, frames)
    except MediaError as error:
        yield error
    except Exception as error:  # whatever a decoder throws costs this medium, not the run
        yield MediaError("preparation failed", f"{media.source}: {type(error).__name__}: {error}")
    else:
        yield DONE
