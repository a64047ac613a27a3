"""Latency: Table 13, section 5.3 and Figure 1. Latencies are measurements; what follows from them can be checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from harness.profiler.flops import flops
from harness.profiler.lines import Line, fit
from results.paper.check import Check
from results.paper.check.computation import TERA, baseline, mini
from results.paper.tables import PaperRow, load_table

GPUS = {"RTX 3090": "latency_ms_rtx3090", "A100": "latency_ms_a100", "A800": "latency_ms_a800"}


@dataclass(frozen=True, slots=True)
class LatencyLine:
    """Latency of Table 13 as a line over FLOPs: `constant_ms`, `tflops_per_s`, `worst_ms` (largest residual).

    `speedup`: of LLaVA-Mini with 1 token over LLaVA-v1.5.
    """

    gpu: str
    constant_ms: float
    tflops_per_s: float
    worst_ms: float
    speedup: float


def latency_lines(tokens: int) -> list[LatencyLine]:
    """One a GPU of Table 13."""
    return [_line(gpu, column, _costs(tokens)) for gpu, column in GPUS.items()]


def latency_points(tokens: int) -> dict[str, list[tuple[float, float]]]:
    """(TFLOPs, ms) of Table 13's rows, by GPU."""
    table, costs = load_table("table13"), _costs(tokens)
    return {
        gpu: [(cost, float(_ms(table[name], column))) for name, cost in costs.items()] for gpu, column in GPUS.items()
    }


def time(tokens: int) -> Iterator[Check]:
    section, figure, table = load_table("section5"), load_table("figure1"), load_table("table13")
    slow, fast = (_ms(table[name], GPUS["A100"]) for name in ("LLaVA-v1.5", "LLaVA-Mini, 1 token"))
    for row in (section["Speed-up at 336 pixels"], figure["Speed-up at 336 pixels"]):
        yield _check(row, slow / fast)
    at_hd = [_extrapolated(count, tokens) for count in (64, 1)]
    note = (
        "no latencies at 672 pixels are printed; the line through Table 13's gives "
        f"{at_hd[0]:.1f} (64 tokens) to {at_hd[1]:.1f} (1 token)"
    )
    yield _check(section["Speed-up at 672 pixels"], Fraction(at_hd[0]), note)
    bound = _check(section["Latency bound"], fast)
    yield Check(bound.source, bound.row, bound.printed, bound.unit, bound.ours, bound="under", note="Table 13, A100")


def _check(row: PaperRow, ours: Fraction, note: str = "") -> Check:
    printed = row.number("value")
    assert printed is not None
    return Check(row.source.removeprefix("LLaVA-Mini paper, "), row.name, printed, row.text("unit"), ours, note=note)


def _ms(row: PaperRow, column: str) -> Fraction:
    printed = row.number(column)
    assert printed is not None
    return Fraction(printed)


def _costs(tokens: int) -> Mapping[str, float]:
    """TFLOPs of Table 13's rows."""
    found = {}
    for row in load_table("table13"):
        visual = int(row.number("vision_tokens") or 0)
        shape = baseline() if row.name == "LLaVA-v1.5" else mini(vision_tokens=visual)
        found[row.name] = flops(shape, tokens).total / TERA
    return found


def _fitted(column: str, costs: Mapping[str, float]) -> Line:
    return fit(list(costs.values()), [float(_ms(load_table("table13")[name], column)) for name in costs])


def _line(gpu: str, column: str, costs: Mapping[str, float]) -> LatencyLine:
    line, table = _fitted(column, costs), load_table("table13")
    found = {name: float(_ms(table[name], column)) for name in costs}
    worst = max(abs(found[name] - line.intercept - line.slope * cost) for name, cost in costs.items())
    speedup = found["LLaVA-v1.5"] / found["LLaVA-Mini, 1 token"]
    return LatencyLine(gpu, line.intercept, 1000 / line.slope, worst, speedup)


def _extrapolated(visual: int, tokens: int) -> float:
    """The speed-up at 672 pixels on an A100, were latency the line through Table 13."""
    line = _fitted(GPUS["A100"], _costs(tokens))
    sides = (baseline(672), mini(resolution=672, vision_tokens=visual))
    slow, fast = (line.intercept + line.slope * flops(shape, tokens).total / TERA for shape in sides)
    return slow / fast
