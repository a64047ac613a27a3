"""Latency without self-deception: warm-up, interleaved cases, medians with intervals, two clocks that must agree.

Source: specs/efficiency.md sections 4 and 6.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from harness.errors import UserError
from harness.profiler.clocks import WallClock, clock_of, one_thread, watched
from harness.profiler.lines import Line, fit

CLOCKS_APART = 0.03
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of several runs. `low_ms`, `high_ms`: 95 % interval of the median, None with too few runs.

    `p95_ms`, `p99_ms`: None unless so many runs were made that, with 95 % certainty, one of them lies beyond.
    """

    runs: int
    median_ms: float
    least_ms: float
    low_ms: float | None
    high_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Case:
    """Something to time: `run`, and the modules of its stages if they are known."""

    run: Callable[[], object]
    stages: Mapping[str, nn.Module] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Latency:
    """`total` by the device's clock, `wall` beside it, `stages` by name, `other`: what no stage took (medians).

    `clock`: which one. `notes`: what a reader must know, e.g. that the clocks disagree.
    """

    total: Timing
    wall: Timing
    stages: Mapping[str, Timing]
    other_ms: float
    clock: str
    notes: tuple[str, ...] = ()


def summarise(samples: Sequence[float]) -> Timing:
    """Median, its interval by order statistics (no distribution assumed), and percentiles where runs suffice."""
    ordered = sorted(samples)
    low, high = _median_interval(len(ordered))
    return Timing(
        len(ordered),
        statistics.median(ordered),
        ordered[0],
        None if low is None else ordered[low],
        None if high is None else ordered[high],
        _percentile(ordered, 0.95),
        _percentile(ordered, 0.99),
    )


def _median_interval(runs: int) -> tuple[int | None, int | None]:
    """Indices of the order statistics between which the median lies with 95 % certainty."""
    outside, index = 0.0, -1
    for k in range(runs // 2):
        outside += math.comb(runs, k) / 2**runs
        if 2 * outside > 1 - CONFIDENCE:
            break
        index = k
    return (None, None) if index < 0 else (index, runs - 1 - index)


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    if share ** len(ordered) > 1 - CONFIDENCE:
        return None
    return ordered[math.ceil(share * len(ordered)) - 1]


def time_cases(cases: Mapping[str, Case], device: torch.device, rounds: int, warmup: int = 10) -> dict[str, Latency]:
    """Times every case once a round, in an order that rotates, so that drift of the machine hits all alike.

    On CUDA by events, with the wall clock beside them; on CPU by the CPU time of one thread.
    """
    if rounds < 1:
        raise UserError(f"a latency needs at least one round, not {rounds}.")
    clock, wall = clock_of(device), WallClock(device)
    totals: dict[str, list[float]] = {name: [] for name in cases}
    walls: dict[str, list[float]] = {name: [] for name in cases}
    parts: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    names = list(cases)
    with torch.inference_mode(), nullcontext() if device.type == "cuda" else one_thread():
        for _ in range(warmup):
            for case in cases.values():
                case.run()
        for turn in range(rounds):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                with watched(cases[name].stages, clock) as stages:
                    begin, start = wall.mark(), clock.mark()
                    cases[name].run()
                    end = clock.mark()
                    walls[name].append(wall.ms(begin, wall.mark()))
                clock.finish()
                totals[name].append(clock.ms(start, end))
                parts[name].append(stages.ms())
    return {name: _latency(totals[name], walls[name], parts[name], clock.name) for name in names}


def _latency(totals: list[float], walls: list[float], parts: list[dict[str, float]], clock: str) -> Latency:
    names = list(dict.fromkeys(name for one in parts for name in one))
    stages = {name: summarise([one.get(name, 0.0) for one in parts]) for name in names}
    total, wall = summarise(totals), summarise(walls)
    other = statistics.median([whole - sum(one.values()) for whole, one in zip(totals, parts, strict=True)])
    return Latency(total, wall, stages, other, clock, _disagreement(total, wall, clock))


def _disagreement(total: Timing, wall: Timing, clock: str) -> tuple[str, ...]:
    """On CUDA both clocks measure the same; a thread's CPU time leaves out what others take, which is no error."""
    apart = abs(wall.median_ms - total.median_ms) / wall.median_ms if wall.median_ms else 0.0
    if clock != "CUDA events" or apart <= CLOCKS_APART:
        return ()
    return (
        f"CUDA events ({total.median_ms:.2f} ms) and wall clock ({wall.median_ms:.2f} ms) differ by "
        f"{100 * apart:.1f} %, more than {100 * CLOCKS_APART:.0f} %: the GPU may be busy with other "
        "work; do not quote this number.",
    )


def decode_line(
    generate: Callable[[int], object], lengths: Sequence[int], device: torch.device, rounds: int, warmup: int = 2
) -> tuple[Line, dict[int, Latency]]:
    """Milliseconds against the number of new tokens: the slope is the time of a token, the intercept that to the first.

    `generate(n)` makes exactly n tokens. The least of the rounds counts at each length on CPU, the median on CUDA.
    """
    cases = {str(length): Case(partial(generate, length)) for length in lengths}
    timed = time_cases(cases, device, rounds, warmup)
    chosen = [_typical(timed[str(length)], device) for length in lengths]
    return fit([float(length) for length in lengths], chosen), {int(name): one for name, one in timed.items()}


def flops_line(flops: Mapping[str, float], timed: Mapping[str, Latency], device: torch.device) -> Line:
    """Milliseconds against FLOPs over several cases: 1 / slope is the speed reached, the intercept what does not
    shrink with the tokens (weights, launches). The claim to test on a CPU is the slope, not a ratio of two times."""
    names = [name for name in timed if name in flops]
    return fit([flops[name] for name in names], [_typical(timed[name], device) for name in names], least=3)


def _typical(one: Latency, device: torch.device) -> float:
    return one.total.median_ms if device.type == "cuda" else one.total.least_ms
