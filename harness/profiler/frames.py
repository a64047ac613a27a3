"""How many frames of a video fit into a memory budget, and which phase runs out first.

Predicted from bytes counted on the meta device; on a GPU also found by bisection with the real model.
Source: specs/efficiency.md section 3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from harness.errors import UserError
from harness.profiler.lines import Line
from harness.profiler.memory import GIB, measure_memory, tensor_bytes
from harness.profiler.work import Work

STREAM, PREFILL = "frame pass (tower to pre-fusion)", "prefill (language model)"
CONTEXT_BYTES = GIB // 2
"""What a CUDA context takes, assumed."""
_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True)
class FrameLimit:
    """`frames` that fit (None: no end), `first_out`: the phase that runs out with one more.

    `fixed_bytes`: weights and context. `phases`: peak bytes beyond the weights against frames.
    """

    frames: int | None
    first_out: str | None
    budget_bytes: int
    fixed_bytes: int
    phases: Mapping[str, Line]


def parse_bytes(text: str) -> int:
    """ "24GiB", "512 MiB", "24GB" -> bytes. Raises UserError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", text, re.IGNORECASE)
    if not found or found[2].upper() not in _UNITS:
        raise UserError(f"'{text}' is no size: write a number and a unit, e.g. 24GiB (2^30 bytes) or 24GB (10^9).")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def phase_lines(work: Work, blocks: int = 4) -> dict[str, Line]:
    """Peak bytes beyond the weights against frames, phase by phase, at 1 to `blocks` chunks of frames."""
    counts = [work.chunk * (index + 1) for index in range(blocks)]
    weights = [*work.model.parameters(), *work.model.buffers()]
    passed = measure_memory(work.stream, counts, work.device, weights)
    filled = measure_memory(work.prefill, counts, work.device, weights, before=work.streamed)
    return {STREAM: passed.peak, PREFILL: filled.peak}


def predict_frames(budget: int, fixed: int, phases: Mapping[str, Line]) -> FrameLimit:
    """The most frames whose peak fits in every phase, by the phases' lines."""
    most = {
        name: math.floor((budget - fixed - line.intercept) / line.slope) if line.slope > 0 else None
        for name, line in phases.items()
    }
    too_big = {name: -1 for name, line in phases.items() if fixed + line.intercept > budget}
    ends = {**{name: frames for name, frames in most.items() if frames is not None}, **too_big}
    if not ends:
        return FrameLimit(None, None, budget, fixed, phases)
    first = min(ends, key=lambda name: ends[name])
    return FrameLimit(max(0, ends[first]), first, budget, fixed, phases)


def bisect_frames(fails: Callable[[int], str | None], start: int, resolution: float = 0.0) -> tuple[int, str]:
    """The most frames for which `fails` gives None, and what it names just above, to a relative `resolution`."""
    low, high = 0, start
    while (phase := fails(high)) is None:
        low, high = high, high * 2
    while high - low > max(1, low * resolution):
        middle = (low + high) // 2
        if (named := fails(middle)) is None:
            low = middle
        else:
            high, phase = middle, named
    return low, phase


def out_of_memory_phase(work: Work, frames: int) -> str | None:
    """Runs both phases; the one that runs out of memory, or None."""
    phase = STREAM
    try:
        with torch.inference_mode():
            fused = work.stream(frames)
            phase = PREFILL
            work.prefill(fused)
    except torch.OutOfMemoryError:
        return phase
    finally:
        if work.device.type == "cuda":
            torch.cuda.empty_cache()
    return None


@contextmanager
def allocator_limit(budget: int, device: torch.device) -> Iterator[None]:
    """Lets the CUDA allocator take no more than the budget without the context. Raises UserError beyond the card."""
    total = torch.cuda.get_device_properties(device).total_memory
    if budget > total:
        raise UserError(f"{budget / GIB:.1f} GiB is more than this card's {total / GIB:.1f} GiB.")
    torch.cuda.set_per_process_memory_fraction((budget - CONTEXT_BYTES) / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def frames_in(work: Work, budget: int, phases: Mapping[str, Line] | None = None) -> FrameLimit:
    """The prediction for a model: its weights and an assumed CUDA context are fixed."""
    weights = tensor_bytes([*work.model.parameters(), *work.model.buffers()])
    return predict_frames(budget, weights + CONTEXT_BYTES, phases or phase_lines(work))
