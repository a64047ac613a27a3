"""Memory and latency of models with random weights, as one JSON document: what `run-eval profile` prints and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from harness.profiler.frames import (
    CONTEXT_BYTES,
    FrameLimit,
    allocator_limit,
    bisect_frames,
    frames_in,
    out_of_memory_phase,
    phase_lines,
)
from harness.profiler.latency import Case, Latency, Timing, decode_line, flops_line, time_cases
from harness.profiler.memory import MIB, MemorySlopes, measure_memory, paper_bytes_per_token, tensor_bytes
from harness.profiler.nvml import Nvml, energy_per_answer
from harness.profiler.roofline import measure_machine, uses
from harness.profiler.work import Work

if TYPE_CHECKING:
    from harness.types import Json

TOKENS_AT_LEAST = 576
"""Vision tokens between two counts of a memory slope: one image of LLaVA-v1.5."""
PICTURE = (640, 480)
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """`lengths`: new tokens whose times give the decode slope. `energy_s`: seconds of answering, 0 for none."""

    rounds: int = 50
    warmup: int = 10
    lengths: tuple[int, ...] = (8, 16, 32, 64)
    energy_s: float = 30.0


def conditions(work: Work) -> dict[str, Json]:
    """What every number below was made with."""
    device = work.device
    return {
        "weights": "random",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "dtype": str(work.dtype).removeprefix("torch."),
        "attention": work.model.lm.config._attn_implementation,
        "text_tokens": work.text_tokens,
        "text_tokens_with_placeholder": work.text_tokens + 1,
        "batch": 1,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }


def memory_costs(work: Work, budget: int | None = None) -> dict[str, Json]:
    """Memory per image by the paper's convention and by this code's phases; with a budget, the frames that fit."""
    weights = [*work.model.parameters(), *work.model.buffers()]
    step = max(1, TOKENS_AT_LEAST // work.tokens_per_frame)
    paper = measure_memory(work.paper_forward, [step * k for k in (1, 2, 3, 4)], work.device, weights)
    lines = phase_lines(work)
    document: dict[str, Json] = {
        "weights_bytes": tensor_bytes(weights),
        "vision_tokens_per_image": work.tokens_per_frame,
        "paper_convention": {
            "what": "key/value cache and fp32 logits of every position after one forward (transformers < 4.45)",
            **_slopes(paper),
            "closed_form_mib": work.tokens_per_frame * paper_bytes_per_token(work.model.lm.config, work.dtype) / MIB,
        },
        "phases": {name: {**_line_mib(line), "what": "peak beyond the weights"} for name, line in lines.items()},
        "method": paper.method,
    }
    if budget is not None:
        document["frames"] = _frames(work, frames_in(work, budget, lines))
    return document


def _slopes(found: MemorySlopes) -> dict[str, Json]:
    return {
        "images": list(found.counts),
        "live_bytes": list(found.live_bytes),
        "peak_bytes": list(found.peak_bytes),
        "live": _line_mib(found.live),
        "peak": _line_mib(found.peak),
    }


def _line_mib(line: Any) -> dict[str, Json]:
    return {"mib_per_image": line.slope / MIB, "intercept_mib": line.intercept / MIB, "r2": line.r2}


def _frames(work: Work, limit: FrameLimit) -> dict[str, Json]:
    """The prediction, on CUDA beside what bisection finds, to one percent."""
    longest = work.model.lm.config.max_position_embeddings
    needed = (limit.frames or 0) * work.tokens_per_frame + work.text_tokens
    document: dict[str, Json] = {
        "budget_bytes": limit.budget_bytes,
        "fixed_bytes": limit.fixed_bytes,
        "context_bytes_assumed": CONTEXT_BYTES,
        "predicted": limit.frames,
        "first_out": limit.first_out,
        "notes": [f"{needed} positions exceed the model's {longest}: memory only, not quality"] * (needed > longest),
    }
    if work.device.type == "cuda" and limit.frames:
        with allocator_limit(limit.budget_bytes, work.device):
            frames, phase = bisect_frames(partial(out_of_memory_phase, work), limit.frames, resolution=0.01)
        document["bisected"], document["bisected_first_out"] = frames, phase
    return document


def latency_costs(
    works: Mapping[str, Work], flops: Mapping[str, Mapping[str, float]], settings: LatencySettings
) -> dict[str, Json]:
    """Time to first token by stage, decoding, roofline and energy of several models, interleaved.

    `flops`: by model and stage, attention counted; what is not in it has no roofline. Image decoding and processing are
    timed apart, on the CPU.
    """
    device = next(iter(works.values())).device
    nvml = Nvml.open(device)
    notes = [warning] if nvml and (warning := nvml.warning()) else []
    cases = {name: Case(partial(work.first_token, 1), work.stages()) for name, work in works.items()}
    moved = {name: Case(partial(_transfer, work)) for name, work in works.items()}
    prepared = {name: Case(partial(_prepare, work)) for name, work in works.items()}
    first = time_cases(cases, device, settings.rounds, settings.warmup)
    transfer = time_cases(moved, device, settings.rounds, settings.warmup)
    prepare = time_cases(prepared, CPU, min(settings.rounds, 20), warmup=2)
    machine = measure_machine(device, next(iter(works.values())).dtype, min(settings.rounds, 20))
    models: dict[str, Json] = {}
    for name, work in works.items():
        slope, timed = decode_line(work.generate, settings.lengths, device, max(2, settings.rounds // 5))
        weights = {stage: tensor_bytes(module.parameters()) for stage, module in work.stages().items()}
        models[name] = {
            "first_token": _latency(first[name]),
            "transfer": _timing(transfer[name].total),
            "prepare": _timing(prepare[name].total),
            "decode": {"ms_per_token": slope.slope, "intercept_ms": slope.intercept, "r2": slope.r2,
                       "by_length": {length: _timing(one.total) for length, one in timed.items()}},
            "roofline": [asdict(use) for use in uses(first[name], flops.get(name, {}), weights, machine)],
            "energy": _energy(nvml, work, settings.energy_s),
        }  # fmt: skip
    document: dict[str, Json] = {"models": models, "machine": asdict(machine), "notes": notes}
    totals = {name: sum(stages.values()) for name, stages in flops.items() if name in first}
    if len(set(totals.values())) > 2:
        line = flops_line(totals, first, device)
        document["flops_line"] = {"flops_per_s": 1e3 / line.slope, "intercept_ms": line.intercept, "r2": line.r2}
    return document


def _transfer(work: Work) -> torch.Tensor:
    return work.model.tower.normalise(work.pictures(1), work.dtype)


def _prepare(work: Work) -> object:
    import PIL.Image

    from models.llava.preprocess import LlavaPreparer

    split = 2 if work.parts > 1 else 1
    return LlavaPreparer(work.model.tower.processor, split).image(PIL.Image.new("RGB", PICTURE))


def _energy(nvml: Nvml | None, work: Work, seconds: float) -> Json:
    """None where the driver gives no energy: it is left out, not estimated."""
    if nvml is None or not seconds:
        return None
    with torch.inference_mode():
        found = energy_per_answer(nvml, work.first_token, partial(torch.cuda.synchronize, work.device), seconds)
    return found and asdict(found)


def _timing(timing: Timing) -> dict[str, Json]:
    return {name: value for name, value in asdict(timing).items() if value is not None}


def _latency(one: Latency) -> dict[str, Json]:
    return {
        "total": _timing(one.total),
        "wall": _timing(one.wall),
        "stages": {stage: _timing(timing) for stage, timing in one.stages.items()},
        "other_ms": one.other_ms,
        "clock": one.clock,
        "notes": list(one.notes),
    }
