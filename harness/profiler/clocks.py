"""Clocks for the stages of a model: CUDA events, wall time, and the CPU time of one thread."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn


class Clock(Protocol):
    """Marks points in time; `ms` between two of them is known after `finish`."""

    name: str

    def mark(self) -> Any: ...

    def finish(self) -> None:
        """Waits until all work that was asked for is done."""

    def ms(self, start: Any, end: Any) -> float: ...


class WallClock:
    """Time on the wall, with the device waited for at every mark."""

    name = "wall clock"

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> float:
        self.finish()
        return time.perf_counter()

    def finish(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def ms(self, start: float, end: float) -> float:
        return 1e3 * (end - start)


class ThreadClock:
    """CPU time of the calling thread: other work on the machine does not enter. Only whole with one torch thread."""

    name = "CPU time of one thread"

    def mark(self) -> float:
        return time.thread_time()

    def finish(self) -> None:
        """Nothing runs behind this thread's back."""

    def ms(self, start: float, end: float) -> float:
        return 1e3 * (end - start)


class EventClock:
    """CUDA events, which do not stop the device: what a kernel queue takes between two of its points."""

    name = "CUDA events"

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def finish(self) -> None:
        torch.cuda.synchronize(self._device)

    def ms(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        return float(start.elapsed_time(end))


def clock_of(device: torch.device) -> Clock:
    """Events on CUDA, else the thread's CPU time."""
    return EventClock(device) if device.type == "cuda" else ThreadClock()


class StageTimes:
    """What passes through the stages while they are watched; a stage called several times adds up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
        self._open: dict[str, Any] = {}

    def enter(self, stage: str) -> None:
        self._open[stage] = self._clock.mark()

    def leave(self, stage: str) -> None:
        self._marks[stage].append((self._open.pop(stage), self._clock.mark()))

    def ms(self) -> dict[str, float]:
        """Milliseconds by stage, after the clock's `finish`."""
        return {stage: sum(self._clock.ms(*pair) for pair in pairs) for stage, pairs in self._marks.items()}


@contextmanager
def watched(stages: Mapping[str, nn.Module], clock: Clock) -> Iterator[StageTimes]:
    """Times every forward of the stages' modules, which must not lie inside one another."""
    times = StageTimes(clock)
    hooks = []
    for stage, module in stages.items():
        hooks.append(module.register_forward_pre_hook(lambda *_, stage=stage: times.enter(stage)))
        hooks.append(module.register_forward_hook(lambda *_, stage=stage: times.leave(stage)))
    try:
        yield times
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, so that a thread's CPU time is all the CPU time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
