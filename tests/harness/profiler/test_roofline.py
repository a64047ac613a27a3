from __future__ import annotations

import pytest
import torch

from harness.profiler.latency import Latency, summarise
from harness.profiler.roofline import Machine, measure_machine, use_of, uses

MACHINE = Machine("test", "float16", flops_per_s=1e12, bytes_per_s=1e11)


def test_a_stage_with_many_flops_a_byte_is_bound_by_compute() -> None:
    use = use_of("tower", flops=1e10, weight_bytes=10**8, ms=20.0, machine=MACHINE)
    assert (use.mfu, use.bandwidth_use, use.least_ms, use.bound) == pytest.approx((0.5, 0.05, 10.0, "compute"))
    assert use.intensity == 100.0


def test_a_stage_with_few_flops_a_byte_is_bound_by_memory() -> None:
    use = use_of("lm", flops=1e9, weight_bytes=10**9, ms=20.0, machine=MACHINE)
    assert (use.least_ms, use.bound) == (10.0, "memory")
    assert use.bandwidth_use == pytest.approx(0.5)


def test_stages_without_known_flops_are_left_out() -> None:
    timing = summarise([2.0] * 6)
    latency = Latency(timing, timing, {"tower": timing, "unknown": timing}, 0.0, "ticks")
    assert [use.stage for use in uses(latency, {"tower": 1e9}, {"tower": 10**6}, MACHINE)] == ["tower"]


def test_the_machine_is_measured() -> None:
    found = measure_machine(torch.device("cpu"), torch.float32, rounds=1)
    assert found.flops_per_s > 0
    assert found.bytes_per_s > 0
    assert (found.device, found.dtype) == ("CPU, one thread", "float32")
