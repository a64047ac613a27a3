"""The executor of one process: media prepared ahead, batches by token budget, failures kept where they belong."""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.engine.budget import Budget
from harness.engine.prepared import Prefetch, Prepared
from harness.errors import MediaError, UserError
from harness.media.workers import PreparePool
from harness.model import Model
from harness.records.redaction import redacted
from harness.types import Failure, Group, Missing, Response, Video

LEAST_AHEAD, MOST_AHEAD = 8, 64
"""Groups whose media are prepared beyond the batch in hand: the first of videos, up to the second of pictures."""
FAILURES_IN_A_ROW = 5
Take: TypeAlias = Callable[[bool], Group | None]
"""Gives the next group, or None: called with False, that there is none now; called with True, that it is the end."""
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request's end: its group, its id, the response or why there is none, and its share of the batch's time."""

    group: Group
    sample_id: str
    result: Response | Missing
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a call ended early, in words alone: an exception would keep the tensors of its frames alive."""

    error: str
    detail: str
    memory: bool


class LocalExecutor:
    """Answers groups with one model in this process."""

    def __init__(self, model: Model, pool: PreparePool, batch_tokens: int) -> None:
        self._model, self._budget = model, Budget(batch_tokens)
        self._prefetch = Prefetch(pool, model)
        self._failures = 0
        self._held: list[Outcome] = []

    @property
    def notes(self) -> list[str]:
        """What a person should know about the calls so far."""
        low = self._budget.low
        shrunk = [] if low is None else [f"memory ran out; batches went down to {low} tokens (--batch-tokens)"]
        return [*shrunk, *self._model.notes()]

    def run(self, groups: Iterable[Group]) -> Iterator[Outcome]:
        """Outcomes of every request of every group, as they come. Raises UserError when the model fails on
        everything."""
        iterator = iter(groups)
        return self.answer(lambda wait: next(iterator, None))

    def answer(self, take: Take) -> Iterator[Outcome]:
        """The same for groups that come from elsewhere, while others are being answered."""
        for batch in self._batches(take):
            calls = self._within_budget(batch)
            while calls:
                call, *calls = calls
                unanswered, fault = yield from self._call(call)
                calls = [*(yield from self._after(call, unanswered, fault)), *calls]
        held, self._held = self._held, []
        yield from held

    def _batches(self, take: Take) -> Iterator[list[Prepared]]:
        waiting: deque[Prepared] = deque()
        while True:
            self._fill(waiting, take)
            if not waiting:
                return
            batch = [waiting.popleft()]
            cost = batch[0].cost
            while True:
                self._fill(waiting, take, wait=False)
                if not waiting or cost + waiting[0].cost > self._budget.tokens:
                    break
                cost += waiting[0].cost
                batch.append(waiting.popleft())
            yield batch

    def _fill(self, waiting: deque[Prepared], take: Take, wait: bool = True) -> None:
        """Starts groups until the next batch is under way."""
        while len(waiting) < LEAST_AHEAD or (
            len(waiting) < MOST_AHEAD
            and not isinstance(waiting[-1].group.media, Video)
            and sum(one.cost for one in waiting) < self._budget.tokens
        ):
            if (group := take(wait and not waiting)) is None:
                return
            waiting.append(self._prefetch.start(group))

    def _within_budget(self, batch: list[Prepared]) -> list[Sequence[Prepared]]:
        """Calls of a batch: one, but several for a single group beyond the budget."""
        if len(batch) > 1 or batch[0].cost <= self._budget.tokens:
            return [batch]
        return [[part] for part in batch[0].split(-(-batch[0].cost // self._budget.tokens))]

    def _call(self, batch: Sequence[Prepared]) -> Generator[Outcome, None, tuple[set[str], _Fault | None]]:
        """One call of the model. Returns the ids without an answer, and what ended the call early."""
        unanswered = {request.sample_id: one.group for one in batch for request in one.group.requests}
        fault = None
        clock = time.perf_counter()
        try:
            for response in self._model.respond([one.ready() for one in batch]):
                group = unanswered.pop(response.sample_id)
                seconds, clock = time.perf_counter() - clock, time.perf_counter()
                if isinstance(response, Failure):
                    why = Missing(response.reason, redacted(response.detail))
                    yield Outcome(group, response.sample_id, why, seconds)
                    continue
                yield from self._release_held()
                yield Outcome(group, response.sample_id, response, seconds)
        except UserError:
            raise
        except Exception as error:  # whatever an adapter raises costs its groups, not the run
            fault = _Fault(type(error).__name__, redacted(str(error)), out_of_memory(error))
        return set(unanswered), fault

    def _after(
        self, batch: Sequence[Prepared], unanswered: set[str], fault: _Fault | None
    ) -> Generator[Outcome, None, list[Sequence[Prepared]]]:
        """What follows from a call: Missing where there is nothing more to try, and the calls to make instead."""
        left = [one.only(unanswered) for one in batch if any(r.sample_id in unanswered for r in one.group.requests)]
        if fault is None:
            self._budget.fits()
            yield from _missing(left, Missing("no answer from the model"))
            return []
        if fault.memory:
            return (yield from self._smaller(batch, left))
        broken = [one for one in left if one.medium.error is not None]
        for one in broken:
            cause = one.medium.error or MediaError(fault.error, fault.detail)
            yield from _missing([one], Missing(cause.reason, cause.detail))
        if broken:
            rest = [one for one in left if one.medium.error is None]
            return [rest] if rest else []
        if len(left) > 1:
            return [[one] for one in left]
        yield from self._failed(left, fault)
        return []

    def _smaller(
        self, batch: Sequence[Prepared], left: list[Prepared]
    ) -> Generator[Outcome, None, list[Sequence[Prepared]]]:
        """Halves: of the groups, then of one group's questions. A single question that does not fit is Missing."""
        _free_memory()
        self._budget.shrink(sum(one.cost for one in batch))
        if len(left) > 1:
            return [left[: len(left) // 2], left[len(left) // 2 :]]
        if left and len(left[0].group.requests) > 1:
            return [[part] for part in left[0].split(2)]
        if left and sum(len(one.group.requests) for one in batch) > 1:
            return [left]  # the one question that a call had left: it has not been tried by itself
        yield from _missing(left, Missing("out of memory"))
        return []

    def _failed(self, left: Sequence[Prepared], fault: _Fault) -> Iterator[Outcome]:
        """A group on which the model fails by itself. In a row of failures only the first is Missing at once: the
        others may be its victims, and are tried again by whoever resumes if the row ends the run."""
        self._failures += 1
        outcomes = list(_missing(left, Missing(f"model error: {fault.error}", fault.detail)))
        if self._failures == 1:
            yield from outcomes
            return
        self._held += outcomes
        if self._failures >= FAILURES_IN_A_ROW:
            raise UserError(
                f"the model failed on {self._failures} groups in a row, the last time with {fault.error}: "
                f"{fault.detail}. What was answered before is kept; mend the model, then resume."
            )

    def _release_held(self) -> Iterator[Outcome]:
        """The model works again, so its failures before were their own."""
        self._failures = 0
        held, self._held = self._held, []
        yield from held


def out_of_memory(error: Exception) -> bool:
    """Whether an exception means that the device or the machine had no memory left."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _NO_MEMORY)
    )


def _missing(batch: Iterable[Prepared], why: Missing) -> Iterator[Outcome]:
    for one in batch:
        for request in one.group.requests:
            yield Outcome(one.group, request.sample_id, why)


def _free_memory() -> None:
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
