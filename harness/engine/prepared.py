"""Groups whose media are being prepared, and media whose chunks can be gone through more than once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from weakref import WeakSet

from harness.errors import MediaError
from harness.media.chunks import Chunk
from harness.media.workers import PreparePool
from harness.model import Model, ReadyGroup
from harness.types import Group, Request

KEPT_BYTES = 64 * 2**20
"""Chunks of one medium up to this much are kept until its group is done, so that a retry need not decode again."""


class Prefetch:
    """Starts the preparation of groups, in the order in which they will be read."""

    def __init__(self, pool: PreparePool, model: Model) -> None:
        self._pool, self._model = pool, model
        self._under_way: WeakSet[Medium] = WeakSet()

    def start(self, group: Group) -> Prepared:
        medium = Medium(group, self._pool, self._under_way)
        self._under_way.add(medium)
        return Prepared(group, medium, self._model)


class Prepared:
    """A group, or some of its requests, with its medium under preparation. `cost`: in the model's tokens."""

    def __init__(self, group: Group, medium: Medium, model: Model) -> None:
        self.group, self.medium, self._model = group, medium, model
        self.cost = model.cost_tokens(group)

    def ready(self) -> ReadyGroup:
        return ReadyGroup(self.group, iter(self.medium))

    def only(self, sample_ids: Collection[str]) -> Prepared:
        """The same medium with only these requests. Raises ValueError if that leaves none."""
        return self._with(tuple(one for one in self.group.requests if one.sample_id in sample_ids))

    def split(self, parts: int) -> list[Prepared]:
        """The requests in at most `parts` runs, on the same medium."""
        size = max(1, -(-len(self.group.requests) // parts))
        return [self._with(self.group.requests[at : at + size]) for at in range(0, len(self.group.requests), size)]

    def _with(self, requests: tuple[Request, ...]) -> Prepared:
        if not requests:
            raise ValueError("a group has at least one request")
        return Prepared(replace(self.group, requests=requests), self.medium, self._model)


class Medium:
    """A medium's chunks, which can be gone through again: from memory while they are few, else prepared anew.

    `error`: why it cannot be read, once that is known.
    """

    def __init__(self, group: Group, pool: PreparePool, beside: Collection[Medium]) -> None:
        self._media, self._frames = group.media, group.requests[0].frames
        self._pool, self._beside = pool, beside
        self._kept: list[Chunk] | None = []
        self._kept_bytes = 0
        self._finished = False
        self.error: MediaError | None = None
        self._stream: Iterator[Chunk] | None = self._submitted()

    def _submitted(self) -> Iterator[Chunk]:
        return iter(()) if self._media is None else self._pool.submit(self._media, self._frames)

    def __iter__(self) -> Iterator[Chunk]:
        if self._stream is None or self._kept is None:
            self._begin_anew()
        yield from self._kept or ()
        try:
            for chunk in self._stream or ():
                self._keep(chunk)
                yield chunk
            self._finished = True
        except MediaError as error:
            self.error = MediaError(error.reason, error.detail)  # without the traceback, which holds on to tensors
            raise

    def _keep(self, chunk: Chunk) -> None:
        if self._kept is not None:
            self._kept.append(chunk)
            self._kept_bytes += chunk.nbytes
            if self._kept_bytes > KEPT_BYTES:
                self._kept = None

    def _begin_anew(self) -> None:
        """Workers may be waiting with full streams of media that are read after this one: those are put off, or this
        one would never get a worker."""
        for other in self._beside:
            if other is not self:
                other._put_off()
        self._forget()
        self._stream = self._submitted()

    def _put_off(self) -> None:
        if not self._finished and self.error is None:
            self._forget()

    def _forget(self) -> None:
        self._kept, self._kept_bytes, self._finished = [], 0, False
        self._stream = None  # dropping it frees its worker
