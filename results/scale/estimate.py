"""GPU hours of every benchmark: FLOPs in closed form over an assumed machine.

A medium's work is done once and its questions share it, as this harness does: `once` is the prefill over the medium
with one token of text, `each` what a question's further tokens add, and then its answer, whose every step reads the
language model's weights for all answers that are made together.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from harness.profiler.flops import decode_flops, flops
from harness.profiler.shapes import Shape, shape_of
from tasks import TASKS

MODELS = ("llava-mini-7b", "llava-v1.5-7b")
GPUS = (1, 8, 64)
POSITIONS = 4096
"""Of Vicuna-7B v1.5: longer prompts are not estimated."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One GPU and what is assumed of it. `utilisation`, `bandwidth_use`: shares of the peaks that are reached.

    `together`: answers that one decoding step makes. `load_s`: from start to a loaded 7B model.
    """

    name: str = "A100 80 GB"
    peak_flops: float = 312e12
    peak_bytes: float = 2.0e12
    utilisation: float = 0.25
    bandwidth_use: float = 0.5
    together: int = 8
    load_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """A benchmark as work. `media_from`: where the numbers of media and frames come from."""

    task: str
    questions: int
    media: int
    frames: int
    text_tokens: int
    answer_tokens: int
    media_from: str


@dataclass(frozen=True, slots=True)
class Cost:
    """`flops`: of all media and questions. `group_s`: of one medium with its questions on one GPU. `tokens`: of its
    prompt, which may be more than the model was made for."""

    work: Work
    flops: float
    group_s: float
    tokens: int

    def wall_s(self, gpus: int, efficiency: float) -> float:
        """Without loading: as many groups as the busiest GPU has, at this efficiency of several."""
        busiest = math.ceil(self.work.media / gpus) * self.group_s
        return busiest / efficiency if gpus > 1 else busiest


def workload() -> list[Work]:
    """The paper's eighteen, with the sizes of their cards."""
    with (files(__package__) / "workload.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Work(
            row["task"],
            TASKS.load(row["task"]).card.full_size,
            *(int(row[name]) for name in ("media", "frames", "text_tokens", "answer_tokens")),
            row["media_from"],
        )
        for row in rows
    ]


def costs(model: str, machine: Machine, works: Sequence[Work]) -> list[Cost]:
    """Each benchmark's cost for a shape of `run-eval profile`. Raises UnknownName."""
    shape = shape_of(model)
    return [_cost(shape, machine, work) for work in works]


def published_utilisation(machine: Machine) -> float:
    """Share of the peak behind the paper's latency of LLaVA-v1.5 on an A100 (Table 13), one question at a time."""
    with (files("results.paper") / "table13.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["row"] == "LLaVA-v1.5")
    seconds = float(row["latency_ms_a100"]) / 1e3
    return flops(shape_of("llava-v1.5-7b"), convention="hardware").total / seconds / machine.peak_flops


def _cost(shape: Shape, machine: Machine, work: Work) -> Cost:
    once = flops(shape, 1, "executed", work.frames).total
    each = flops(shape, work.text_tokens, "executed", work.frames).total - once
    questions = work.questions / work.media
    context = work.text_tokens + work.frames * shape.vision_tokens
    decoded = work.answer_tokens - 1
    steps = decode_flops(shape, context, decoded, "executed")
    weight_bytes = decode_flops(shape, 0, 1, "paper")  # 2 FLOPs and, in 16 bits, 2 bytes a weight
    reading_s = decoded * weight_bytes / (machine.peak_bytes * machine.bandwidth_use)
    together = min(machine.together, max(1.0, questions)) if work.frames > 1 else machine.together
    seconds = (once + questions * each) / (machine.peak_flops * machine.utilisation) + questions * reading_s / together
    return Cost(work, work.media * (once + questions * (each + steps)), seconds, context)
