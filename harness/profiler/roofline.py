"""How much of a machine a model uses: FLOPs and bytes of a stage against peaks measured on that very machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from harness.profiler.latency import Case, Latency, time_cases

_SIDE = {"cuda": 8192, "cpu": 768}
_BUFFER_BYTES = {"cuda": 2**30, "cpu": 2**26}


@dataclass(frozen=True, slots=True)
class Machine:
    """Measured peaks: FLOP/s of a square matrix product in `dtype`, bytes/s (read and written) of a copy."""

    device: str
    dtype: str
    flops_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Use:
    """A stage on a machine. `mfu`, `bandwidth_use`: shares of the measured peaks, 0 to 1. `least_ms`: what the roofline
    allows, by `bound` ("compute" or "memory"). `intensity`: FLOPs a byte of weights."""

    stage: str
    flops: float
    weight_bytes: int
    ms: float
    mfu: float
    bandwidth_use: float
    least_ms: float
    bound: str
    intensity: float


def measure_machine(device: torch.device, dtype: torch.dtype, rounds: int = 20) -> Machine:
    """The best of `rounds` matrix products and of as many copies; on CPU of one thread, as latencies are."""
    side, size = _SIDE[device.type], _BUFFER_BYTES[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    cases = {
        "product": Case(partial(torch.matmul, left, right)),
        "copy": Case(partial(Tensor.copy_, target, source)),
    }
    timed = time_cases(cases, device, rounds, warmup=3)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, one thread"
    return Machine(
        name,
        str(dtype).removeprefix("torch."),
        2 * side**3 / (timed["product"].total.least_ms / 1e3),
        2 * size / (timed["copy"].total.least_ms / 1e3),
    )


def use_of(stage: str, flops: float, weight_bytes: int, ms: float, machine: Machine) -> Use:
    """A stage's FLOPs, and its weights read once, against the machine's peaks."""
    compute_ms, memory_ms = 1e3 * flops / machine.flops_per_s, 1e3 * weight_bytes / machine.bytes_per_s
    return Use(
        stage,
        flops,
        weight_bytes,
        ms,
        compute_ms / ms if ms else 0.0,
        memory_ms / ms if ms else 0.0,
        max(compute_ms, memory_ms),
        "compute" if compute_ms >= memory_ms else "memory",
        flops / weight_bytes if weight_bytes else float("inf"),
    )


def uses(
    latency: Latency, flops: Mapping[str, float], weight_bytes: Mapping[str, int], machine: Machine
) -> tuple[Use, ...]:
    """Every stage that was timed and whose FLOPs are known."""
    return tuple(
        use_of(stage, flops[stage], weight_bytes.get(stage, 0), timing.median_ms, machine)
        for stage, timing in latency.stages.items()
        if stage in flops
    )
