"""The executor: media prepared ahead in worker processes, batches by token budget, failures kept where they belong."""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.errors import MediaError, UserError
from harness.media.chunks import Chunk
from harness.media.workers import PreparePool
from harness.model import Model, ReadyGroup
from harness.types import Group, Media, Missing, Request, Response

AHEAD = 8
"""Groups whose media are prepared beyond the batch in hand."""
KEPT_BYTES = 64 * 2**20
"""Chunks of one medium up to this much are kept until its group is done, so that a retry need not decode again."""
FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request's end: its group, its id, the response or why there is none, and its share of the batch's time."""

    group: Group
    sample_id: str
    result: Response | Missing
    seconds: float


class LocalExecutor:
    """Answers groups with one model in this process."""

    def __init__(self, model: Model, pool: PreparePool, batch_tokens: int) -> None:
        self._model, self._pool, self._budget = model, pool, batch_tokens
        self._failures = 0
        self.notes: list[str] = []

    def run(self, groups: Iterable[Group]) -> Iterator[Outcome]:
        """Outcomes of every request of every group, as they come. Raises UserError when the model fails on
        everything."""
        waiting: deque[_Prepared] = deque()
        source = iter(groups)
        while True:
            while len(waiting) < AHEAD and (group := next(source, None)) is not None:
                waiting.append(_Prepared(group, self._pool))
            if not waiting:
                return
            batch = [waiting.popleft()]
            cost = self._model.cost_tokens(batch[0].group)
            while waiting and cost + (more := self._model.cost_tokens(waiting[0].group)) <= self._budget:
                batch.append(waiting.popleft())
                cost += more
                if (group := next(source, None)) is not None:
                    waiting.append(_Prepared(group, self._pool))
            if len(batch) == 1 and cost > self._budget:
                for part in batch[0].split(-(-cost // self._budget)):
                    yield from self._answer([part])
            else:
                yield from self._answer(batch)

    def _answer(self, batch: Sequence[_Prepared]) -> Iterator[Outcome]:
        """One call of the model, and whatever smaller calls its failures make necessary."""
        open_ids = {request.sample_id: one for one in batch for request in one.group.requests}
        clock = time.perf_counter()
        try:
            for response in self._model.respond([ReadyGroup(one.group, one.chunks()) for one in batch]):
                one = open_ids.pop(response.sample_id)
                now = time.perf_counter()
                yield Outcome(one.group, response.sample_id, response, now - clock)
                clock = now
        except MediaError as error:
            yield from self._without_broken_media([one.left(open_ids) for one in batch], error)
        except Exception as error:
            left = [kept for one in batch if (kept := one.left(open_ids)).group.requests]
            if out_of_memory(error):
                self._free()
                yield from self._smaller(left)
            else:
                yield from self._one_by_one(left, error)
        else:
            self._failures = 0
            for sample_id, one in open_ids.items():
                yield Outcome(one.group, sample_id, Missing("no answer from the model"), 0.0)

    def _without_broken_media(self, batch: Sequence[_Prepared], error: MediaError) -> Iterator[Outcome]:
        broken = [one for one in batch if one.media.error is not None]
        for one in broken:
            cause = one.media.error or error
            yield from one.missing(Missing(cause.reason, cause.detail))
        rest = [one for one in batch if one.media.error is None and one.group.requests]
        if rest and broken:
            yield from self._answer(rest)
        elif rest:
            yield from self._one_by_one(rest, error)

    def _smaller(self, batch: Sequence[_Prepared]) -> Iterator[Outcome]:
        """Halves: of the groups, then of one group's questions. A single question that does not fit is Missing."""
        if len(batch) == 1 and len(batch[0].group.requests) <= 1:
            for one in batch:
                yield from one.missing(Missing("out of memory"))
            return
        halved = max(1, self._budget // 2)
        self.notes.append(f"out of memory: batches of {halved} instead of {self._budget} tokens from here on")
        self._budget = halved
        if len(batch) == 1:
            for part in batch[0].split(2):
                yield from self._answer([part])
        else:
            middle = len(batch) // 2
            yield from self._answer(batch[:middle])
            yield from self._answer(batch[middle:])

    def _one_by_one(self, batch: Sequence[_Prepared], error: Exception) -> Iterator[Outcome]:
        """A failure that is nobody's in particular: each group again by itself, then Missing."""
        if len(batch) > 1:
            for one in batch:
                yield from self._answer([one])
            return
        self._failures += 1
        what = f"{type(error).__name__}: {error}"
        if self._failures >= FAILURES_IN_A_ROW:
            raise UserError(
                f"the model failed on {self._failures} groups in a row, the last time with {what}. What was answered "
                "before is kept; mend the model, then resume."
            ) from error
        for one in batch:
            yield from one.missing(Missing(f"model error: {type(error).__name__}", str(error)))

    @staticmethod
    def _free() -> None:
        gc.collect()
        if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def out_of_memory(error: Exception) -> bool:
    """Whether an exception means that the device or the machine had no memory left."""
    text = str(error).lower()
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or (isinstance(error, RuntimeError) and ("out of memory" in text or "not enough memory" in text))


class _Prepared:
    """A group with its medium under preparation."""

    def __init__(self, group: Group, pool: PreparePool, media: _Medium | None = None) -> None:
        self.group, self._pool = group, pool
        self.media = media or _Medium(group, pool)

    def chunks(self) -> Iterator[Chunk]:
        return iter(self.media)

    def left(self, open_ids: Iterable[str]) -> _Prepared:
        """The same medium with only the requests that are still open."""
        kept = set(open_ids)
        return self._with(tuple(request for request in self.group.requests if request.sample_id in kept))

    def split(self, parts: int) -> list[_Prepared]:
        """The requests in at most `parts` runs, on the same medium."""
        size = max(1, -(-len(self.group.requests) // parts))
        starts = range(0, len(self.group.requests), size)
        return [self._with(self.group.requests[start : start + size]) for start in starts]

    def missing(self, why: Missing) -> Iterator[Outcome]:
        for request in self.group.requests:
            yield Outcome(self.group, request.sample_id, why, 0.0)

    def _with(self, requests: tuple[Request, ...]) -> _Prepared:
        return _Prepared(replace(self.group, requests=requests), self._pool, self.media)


class _Medium:
    """A medium's chunks, which can be gone through again: from memory while they are few, else decoded anew."""

    def __init__(self, group: Group, pool: PreparePool) -> None:
        self._media: Media | None = group.media
        self._frames = group.requests[0].frames
        self._pool = pool
        self._kept: list[Chunk] | None = []
        self._kept_bytes = 0
        self._stream = self._submit()
        self.error: MediaError | None = None

    def _submit(self) -> Iterator[Chunk]:
        return iter(()) if self._media is None else self._pool.submit(self._media, self._frames)

    def __iter__(self) -> Iterator[Chunk]:
        if self._kept is None:
            self._kept, self._kept_bytes, self._stream = [], 0, self._submit()
        yield from self._kept
        try:
            for chunk in self._stream:
                if self._kept is not None:
                    self._kept.append(chunk)
                    self._kept_bytes += chunk.nbytes
                    if self._kept_bytes > KEPT_BYTES:
                        self._kept = None
                yield chunk
        except MediaError as error:
            self.error = error
            raise
