"""Which plots a profile has: FLOPs and latency by stage, memory against frames, reduction against the question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.types import Json
from results.plots import Axis, Series, bars, lines, nice_ticks
from results.profile.tables import CONVENTIONS, MIB, flops_unit, measured

CARDS_GIB = (24, 40)
MOST_FRAMES = 100_000
"""Frames at which the memory plot ends."""


@dataclass(frozen=True, slots=True)
class Figure:
    title: str
    html: str
    note: str


def figures(document: Mapping[str, Json]) -> Iterator[Figure]:
    """Only those whose numbers are there."""
    if "flops" in document:
        yield _flops(document)
    if "latency" in document and document["latency"]["models"]:
        yield _latency(document)
    if "memory" in document and measured(document):
        yield _memory(document)
    if "flops" in document and len(document["flops"]["text_tokens"]) > 1 and len(document["models"]) > 1:
        yield _reduction(document)


def _flops(document: Mapping[str, Json]) -> Figure:
    scale, unit = flops_unit(document)
    stages = document["stages"]
    rows = {
        f"{name}, {words}": {
            stage: value / scale
            for stage, value in document["flops"][convention][name]["stages"].items()
            if stage in stages
        }
        for name in document["models"]
        for convention, words in CONVENTIONS.items()
    }
    note = f"One forward with T = {document['text_tokens']} text tokens, in {unit}."
    return Figure("FLOPs by stage", bars("flops", unit, 3, rows, stages), note)


def _latency(document: Mapping[str, Json]) -> Figure:
    stages = document["stages"]
    rows = {}
    for name, one in document["latency"]["models"].items():
        first = one["first_token"]
        timed = {stage: timing["median_ms"] for stage, timing in first["stages"].items() if stage in stages}
        rows[name] = {**timed, "other": max(0.0, first["other_ms"])}
    where = document["latency"]["conditions"]["device"]
    note = f"Milliseconds to the first token on {where}; medians of the stages."
    return Figure("Latency by stage", bars("latency", "ms", 2, rows, [*stages, "other"]), note)


def _memory(document: Mapping[str, Json]) -> Figure:
    counts = _frame_counts()
    series = []
    for index, (name, one) in enumerate(measured(document).items()):
        weights = one["weights_bytes"] / MIB
        paper, phases = one["paper_convention"]["live"], one["phases"].values()
        ours = [(n, (weights + max(_at(phase, n) for phase in phases)) / 1024) for n in counts]
        theirs = [(n, (weights + _at(paper, n)) / 1024) for n in counts]
        series.append(Series(f"{name}, streamed", index, tuple(ours)))
        series.append(Series(f"{name}, the paper's way", index, tuple(theirs), dashed=True))
    x = Axis("frames (logarithmic)", 1, MOST_FRAMES, tuple(10**power for power in range(6)), log=True)
    y = Axis("GiB", 0, 48, (0, 8, 16, 24, 32, 40, 48))
    html = lines("memory", x, y, series, {f"{card} GiB card": float(card) for card in CARDS_GIB})
    note = (
        "GiB with weights, without the CUDA context. Streamed: the peak of this harness's phases. The paper's way: "
        "what stays after one forward, with logits of every position."
    )
    return Figure("Memory against frames", html, note)


def _frame_counts() -> list[float]:
    """Evenly spread over the logarithmic axis, close enough for straight lines to look curved."""
    return [float(round(10 ** (step / 40), 4)) for step in range(201)]


def _at(line: Mapping[str, float], frames: float) -> float:
    return line["intercept_mib"] + line["mib_per_image"] * frames


def _reduction(document: Mapping[str, Json]) -> Figure:
    flops = document["flops"]
    counts = flops["text_tokens"]
    others = [name for name in document["models"] if name != flops["baseline"]]
    series = [
        Series(
            f"{name}, {words}",
            index,
            tuple(sorted(zip(map(float, counts), flops["sweep"][convention][name]["reduction_percent"], strict=True))),
            dashed=convention != "paper",
        )
        for index, name in enumerate(others)
        for convention, words in CONVENTIONS.items()
    ]
    x = Axis("text tokens T", 0, nice_ticks(max(counts))[-1], nice_ticks(max(counts)))
    low = min(0.0, *(value for one in series for _, value in one.points))
    ticks = (*(() if low >= 0 else (low,)), 0, 20, 40, 60, 80, 100)
    html = lines("reduction", x, Axis("percent", low, 100, ticks), series, {})
    note = f"Percent fewer FLOPs than {flops['baseline']}. The paper's T is 43."
    return Figure("What is saved, against the length of the question", html, note)
