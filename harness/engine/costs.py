"""What a sample of a run cost (`--profile`): FLOPs in closed form at its own token counts, time, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.engine.config import RunConfig
from harness.errors import UserError
from harness.types import Json, Response

if TYPE_CHECKING:
    from harness.profiler.shapes import Shape

MIB = 2**20


def cost_of(config: RunConfig, responses: Sequence[Response], speed: Mapping[str, Json]) -> dict[str, Json]:
    """A task's entry of run.json: means over the samples that were answered, None for what is not known, and why.

    `tflops_per_sample`: one forward over the prompt as the paper counts; `tflops_with_decoding`: every matrix product,
    the answer's steps included. `ms_per_sample`: wall clock of the whole run, decoding of media included; only where no
    answer came from the cache. `mib_per_image`: what one image or frame adds after the paper's forward, in 16 bits.
    """
    from harness.profiler.shapes import shape_of

    cost: dict[str, Json] = {"convention": "paper", "tflops_per_sample": None, "tflops_with_decoding": None}
    cost |= {"ms_per_sample": _ms(speed), "mib_per_image": None}
    notes = [] if cost["ms_per_sample"] is not None else ["no time, since answers came from the cache"]
    if not responses:
        return {**cost, "notes": ["no sample was answered"]}
    try:
        shape = shape_of(config.model)
    except UserError as error:
        return {**cost, "notes": [*notes, f"no FLOPs: {str(error).rstrip('.')}"]}
    if any(one.vision_tokens != one.frames * shape.vision_tokens for one in responses):
        return {**cost, "notes": [*notes, f"no FLOPs: vision tokens are not those of the shape {shape.name}"]}
    if config.checkpoint:
        notes.append(f"FLOPs are those of the shape {shape.name}, whatever --checkpoint holds")
    return {**cost, **_flops(shape, responses), "mib_per_image": _mib(shape), "notes": notes}


def _flops(shape: Shape, responses: Sequence[Response]) -> dict[str, Json]:
    from harness.profiler.flops import decode_flops, flops

    counted = [max(1, one.text_tokens) for one in responses]
    prefill = [flops(shape, text, "paper", one.frames).total for text, one in zip(counted, responses, strict=True)]
    whole = [
        flops(shape, text, "hardware", one.frames).total
        + decode_flops(shape, text + one.vision_tokens, max(0, one.output_tokens - 1))
        for text, one in zip(counted, responses, strict=True)
    ]
    return {"tflops_per_sample": _tera(prefill), "tflops_with_decoding": _tera(whole)}


def _tera(counts: Sequence[int]) -> float:
    return float(f"{sum(counts) / len(counts) / 1e12:.6g}")


def _mib(shape: Shape) -> float:
    import torch

    from harness.profiler.memory import paper_bytes_per_token

    token = paper_bytes_per_token(shape.config.llama_config(), torch.float16)
    return round(shape.vision_tokens * token / MIB, 6)


def _ms(speed: Mapping[str, Json]) -> float | None:
    if not speed.get("answered") or speed.get("cached"):
        return None
    return round(float(1e3 * speed["seconds"] / speed["answered"]), 3)
