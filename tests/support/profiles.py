"""A profile of the tiny shipped models and the document of the 7B shapes, for what shows them."""

from __future__ import annotations

from functools import cache

from harness.profiler.costs import LatencySettings
from harness.profiler.document import ProfileSettings, profile
from harness.profiler.shapes import shape_of
from harness.types import Json

TINY = ("llava-mini-tiny", "llava-v1.5-tiny")
QUICK = LatencySettings(rounds=2, warmup=1, lengths=(2, 3), energy_s=0)


@cache
def tiny_profile() -> dict[str, Json]:
    """Everything, on the CPU. Not to be changed by a test."""
    settings = ProfileSettings(text_tokens=(43, 60, 100), budget=2**30, device="cpu", latency=QUICK)
    return profile({name: shape_of(name) for name in TINY}, settings)
