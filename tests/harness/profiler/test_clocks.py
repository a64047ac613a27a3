from __future__ import annotations

import torch
from torch import nn

from harness.profiler.clocks import ThreadClock, clock_of, one_thread, watched


class Ticks:
    """A clock that goes one millisecond a mark."""

    name = "ticks"

    def __init__(self) -> None:
        self.now = 0

    def mark(self) -> int:
        self.now += 1
        return self.now

    def finish(self) -> None:
        self.finished = True

    def ms(self, start: int, end: int) -> float:
        return float(end - start)


def test_a_stage_called_several_times_adds_up_and_one_never_called_is_absent() -> None:
    stages = {"one": nn.Linear(2, 2), "two": nn.Linear(2, 2), "never": nn.Linear(2, 2)}
    x = torch.zeros(1, 2)
    with watched(stages, Ticks()) as times:
        stages["two"](stages["one"](stages["one"](x)))
    assert times.ms() == {"one": 2.0, "two": 1.0}


def test_nothing_is_watched_afterwards() -> None:
    layer = nn.Linear(2, 2)
    with watched({"layer": layer}, Ticks()) as times:
        layer(torch.zeros(1, 2))
    layer(torch.zeros(1, 2))
    assert times.ms() == {"layer": 1.0}
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks


def test_watching_changes_no_result() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    with watched({"layer": layer}, Ticks()):
        inside = layer(x)
    assert torch.equal(inside, layer(x))


def test_a_cpu_is_timed_by_its_threads_time_in_one_thread() -> None:
    before = torch.get_num_threads()
    assert isinstance(clock_of(torch.device("cpu")), ThreadClock)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
