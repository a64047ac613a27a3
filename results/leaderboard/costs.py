"""What an answer costs: what a run measured, and what follows from its model's shape without running anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from harness.profiler.flops import PAPER, flops
from harness.profiler.shapes import Shape, shape_names, shape_of
from harness.types import Json

COSTS = ("vision_tokens", "tflops_per_sample", "ms_per_sample", "mib_per_image")
"""Costs of a cell; less is better."""
COUNTED = (
    "TFLOPs and MiB an image: counted from the model's shape, as the paper counts them (one answer's prefill at the "
    "run's mean text tokens and frames; 16-bit key/value cache and float32 logits of an image), unless a run was "
    "profiled."
)
_ITEM_BYTES, _LOGIT_BYTES = 2, 4
_MIB = 2**20


def costs_of(task: str, info: Mapping[str, Json]) -> dict[str, float]:
    """By the names in COSTS, those that are known. `info`: run.json; what `--profile` noted counts, null too."""
    own = info["tasks"][task]
    found = {"vision_tokens": own.get("vision_tokens"), **dict(_counted(own, info)), **dict(_pace(task, info))}
    known = {**found, **{name: value for name, value in (own.get("cost") or {}).items() if name in COSTS}}
    return {name: float(known[name]) for name in COSTS if known.get(name) is not None and math.isfinite(known[name])}


def _pace(task: str, info: Mapping[str, Json]) -> Iterator[tuple[str, float]]:
    """Wall clock of the whole run a sample, where nothing came from the cache."""
    speed = info.get("speeds", {}).get(task, {})
    if speed.get("answered") and not speed.get("cached"):
        yield "ms_per_sample", 1000 * speed["seconds"] / speed["answered"]


def _counted(own: Mapping[str, Json], info: Mapping[str, Json]) -> Iterator[tuple[str, float]]:
    """Nothing where the shape is not known, or is not that of the weights that answered."""
    name, model = info["config"]["model"], info.get("model", {})
    shape = shape_of(name) if name in shape_names() else None
    if shape is None or model.get("settings", {}).get("vision_tokens") != shape.vision_tokens:
        return
    text_tokens, frames = own.get("text_tokens"), round(own.get("frames") or 0)
    if text_tokens is not None and frames:
        yield "tflops_per_sample", flops(shape, round(text_tokens), PAPER, frames).total / 1e12
    yield "mib_per_image", image_bytes(shape) / _MIB


def image_bytes(shape: Shape) -> int:
    """What stays of one image after a forward in 16 bits, by the paper's convention: `harness/profiler/memory.py`."""
    llama = shape.config.llama
    heads = llama.get("num_key_value_heads") or llama["num_attention_heads"]
    width = llama.get("head_dim") or llama["hidden_size"] // llama["num_attention_heads"]
    cache = 2 * llama["num_hidden_layers"] * heads * width * _ITEM_BYTES
    return int(shape.vision_tokens * (cache + llama["vocab_size"] * _LOGIT_BYTES))
