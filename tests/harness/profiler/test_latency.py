from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.profiler import latency
from harness.profiler.latency import Case, decode_line, flops_line, summarise, time_cases
from tests.harness.profiler.test_clocks import Ticks

CPU = torch.device("cpu")


@given(st.lists(st.floats(0.1, 1e3), min_size=6, max_size=80))
def test_the_median_lies_in_its_interval(samples: list[float]) -> None:
    found = summarise(samples)
    assert found.low_ms is not None
    assert found.high_ms is not None
    assert found.least_ms <= found.low_ms <= found.median_ms <= found.high_ms


def test_five_runs_have_no_95_percent_interval() -> None:
    assert summarise([1.0, 2.0, 3.0, 4.0, 5.0]).low_ms is None


def test_the_interval_is_that_of_the_binomial_distribution() -> None:
    found = summarise([float(i) for i in range(1, 21)])  # n = 20: the 6th and the 15th, 95.9 %
    assert (found.low_ms, found.high_ms) == (6.0, 15.0)


@pytest.mark.parametrize(("runs", "p95", "p99"), [(58, False, False), (59, True, False), (299, True, True)])
def test_percentiles_need_enough_runs(runs: int, p95: bool, p99: bool) -> None:
    found = summarise([float(i) for i in range(runs)])
    assert (found.p95_ms is not None, found.p99_ms is not None) == (p95, p99)


def test_cases_are_interleaved_and_take_turns_to_be_first() -> None:
    order: list[str] = []
    cases = {name: Case(lambda name=name: order.append(name)) for name in "abc"}
    found = time_cases(cases, CPU, rounds=3, warmup=1)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {one.total.runs for one in found.values()} == {3}


def test_no_rounds_are_refused() -> None:
    with pytest.raises(UserError, match="at least one round"):
        time_cases({"a": Case(int)}, CPU, rounds=0)


def test_stages_and_the_rest_add_up_to_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Ticks()
    monkeypatch.setattr(latency, "clock_of", lambda _: clock)
    layer = torch.nn.Linear(2, 2)
    found = time_cases({"a": Case(lambda: layer(torch.zeros(1, 2)), {"layer": layer})}, CPU, rounds=7, warmup=0)["a"]
    assert found.stages["layer"].median_ms + found.other_ms == found.total.median_ms
    assert found.clock == "ticks"


def test_clocks_that_disagree_on_cuda_are_said_to() -> None:
    one, other = summarise([100.0] * 9), summarise([104.0] * 9)
    assert "differ by 3.8 %" in latency._disagreement(one, other, "CUDA events")[0]
    assert latency._disagreement(one, summarise([102.0] * 9), "CUDA events") == ()


def test_decoding_is_asked_for_exactly_the_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Ticks()
    monkeypatch.setattr(latency, "clock_of", lambda _: clock)

    def generate(tokens: int) -> None:
        clock.now += 10 + 3 * tokens

    line, timed = decode_line(generate, (4, 8, 16), CPU, rounds=2)
    assert (line.slope, line.intercept, line.r2) == pytest.approx((3.0, 11.0, 1.0))
    assert set(timed) == {4, 8, 16}


def test_time_against_flops_is_a_line_with_the_speed_as_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Ticks()
    monkeypatch.setattr(latency, "clock_of", lambda _: clock)
    flops = {"a": 1e9, "b": 2e9, "c": 4e9}

    def work(cost: float) -> None:
        clock.now += 20 + int(cost / 1e8)

    timed = time_cases({name: Case(lambda f=f: work(f)) for name, f in flops.items()}, CPU, rounds=2)
    line = flops_line(flops, timed, CPU)
    assert 1e3 / line.slope == pytest.approx(1e11), "FLOP/s"
    assert line.intercept == pytest.approx(21.0)
