"""What models cost, as one JSON document: `run-eval profile` prints it as tables and writes it as JSON, CSV and HTML.

FLOPs follow the closed form; memory is counted on the meta device or measured by the CUDA allocator; time is measured
where a model fits. What could not be made is left out with its reason, never estimated in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from harness.errors import UnknownName, UserError
from harness.profiler.costs import LatencySettings, conditions, latency_costs, memory_costs
from harness.profiler.counted import checked
from harness.profiler.flops import STAGES, Flops, flops
from harness.profiler.fresh import fresh_model
from harness.profiler.memory import GIB, tensor_bytes
from harness.profiler.shapes import Shape
from harness.profiler.work import Work

if TYPE_CHECKING:
    from harness.types import Json

CONVENTIONS = ("paper", "hardware")
PARTS = ("flops", "memory", "latency")
CPU_BYTES = 2 * GIB
"""Most bytes of weights that are timed on a CPU."""
COUNTED_ONLY = "average pooling is counted, but there is no such model to run"


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """`text_tokens`: the first counts for every table, all for the sweep. `baseline`: None, the
    first model without compression, else the first.

    `device`, `dtype`: None, CUDA where there is one, and float16 as released (time on a CPU: float32).
    """

    parts: tuple[str, ...] = PARTS
    text_tokens: tuple[int, ...] = (43, 60, 100, 200, 500, 1000)
    stages: tuple[str, ...] = STAGES
    baseline: str | None = None
    budget: int | None = None
    device: str | None = None
    dtype: str | None = None
    latency: LatencySettings = field(default_factory=LatencySettings)

    def __post_init__(self) -> None:
        for kind, names, known in (("part", self.parts, PARTS), ("stage", self.stages, STAGES)):
            for name in names:
                if name not in known:
                    raise UnknownName(f"{kind} of a profile", name, known)
        if not self.text_tokens or min(self.text_tokens) < 1:
            raise UserError("--text-tokens must be whole numbers of at least 1, e.g. 43,60,100,200.")


def default_rounds(device: str | None, rounds: int | None) -> LatencySettings:
    """Fewer and shorter runs on a CPU, where nothing warms up and every run is long."""
    if device_of(device)[0].type == "cuda":
        return LatencySettings(rounds=rounds or LatencySettings().rounds)
    return LatencySettings(rounds=rounds or 10, warmup=2, lengths=(2, 4, 8, 16))


def profile(shapes: Mapping[str, Shape], settings: ProfileSettings) -> dict[str, Json]:
    """The document. Raises UserError and UnknownName."""
    device, notes = device_of(settings.device)
    document: dict[str, Json] = {
        "text_tokens": settings.text_tokens[0],
        "stages": list(settings.stages),
        "weights": "random: cost does not depend on what weights say",
        "notes": notes,
        "models": {name: _identity(shape) for name, shape in shapes.items()},
    }
    if "flops" in settings.parts:
        document["flops"] = flops_document(shapes, settings)
    if "memory" in settings.parts:
        document["memory"] = memory_document(shapes, settings, device)
    if "latency" in settings.parts:
        document["latency"] = latency_document(shapes, settings, device)
    return document


def device_of(name: str | None) -> tuple[torch.device, list[str]]:
    """The device, and what to say where the one that was asked for is absent. Raises UserError for other names."""
    try:
        wanted = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise UserError(f"--device {name}: no such device; write cpu, cuda or cuda:1.") from error
    if wanted.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: a profile is made on cpu or cuda.")
    if wanted.type == "cuda" and not torch.cuda.is_available():
        return torch.device("cpu"), ["--device cuda: no NVIDIA GPU here; everything that needs one is skipped."]
    return wanted, [] if wanted.type == "cuda" else ["no NVIDIA GPU is used: nothing here was measured on one."]


def flops_document(shapes: Mapping[str, Shape], settings: ProfileSettings) -> dict[str, Json]:
    """FLOPs of one forward by convention, model and stage, the sweep over T, and reductions in percent.

    Compared with every installed counter at the first T; raises Disagreement if one of them is off by a FLOP.
    """
    head = settings.text_tokens[0]
    made = {
        convention: {name: _counted(flops(shape, head, convention)) for name, shape in shapes.items()}
        for convention in CONVENTIONS
    }
    whole = [name for name, shape in shapes.items() if shape.compression == "none"]
    baseline = settings.baseline or (whole or list(shapes))[0]
    if baseline not in shapes:
        raise UnknownName("model of --baseline", baseline, shapes)
    sweep: dict[str, Json] = {convention: {} for convention in CONVENTIONS}
    for convention in CONVENTIONS:
        at = {name: [flops(shape, t, convention).total for t in settings.text_tokens] for name, shape in shapes.items()}
        for name, values in at.items():
            percents = [reduction(value, full) for value, full in zip(values, at[baseline], strict=True)]
            sweep[convention][name] = {"total": values, "reduction_percent": percents}
    checks = {name: checked(shape, head) for name, shape in shapes.items()}
    notes = list(dict.fromkeys(text for one in checks.values() for text in one.notes))
    equal = sorted({counter for one in checks.values() for counter in one.stages})
    return {
        "equal_to": equal,
        "notes": notes,
        "baseline": baseline,
        "text_tokens": list(settings.text_tokens),
        **made,
        "sweep": sweep,
    }


def reduction(ours: float, baseline: float) -> float:
    """Percent less than the baseline."""
    return 100.0 * (1.0 - ours / baseline)


def memory_document(shapes: Mapping[str, Shape], settings: ProfileSettings, device: torch.device) -> dict[str, Json]:
    """Memory per image of each model: on the GPU by the allocator, else counted on meta, to the byte."""
    where = device if device.type == "cuda" else torch.device("meta")
    models: dict[str, Json] = {}
    for name, shape in shapes.items():
        if shape.compression == "average-pooling":
            models[name] = {"skipped": COUNTED_ONLY}
            continue
        try:
            work = _work(shape, settings.text_tokens[0], where, settings.dtype or "float16")
            with torch.inference_mode():
                models[name] = {"conditions": conditions(work), **memory_costs(work, settings.budget)}
        except torch.OutOfMemoryError:
            models[name] = {"skipped": f"does not fit on {torch.cuda.get_device_name(where)}"}
    return models


def latency_document(shapes: Mapping[str, Shape], settings: ProfileSettings, device: torch.device) -> dict[str, Json]:
    """Times of the models that fit, interleaved; the others with the reason why they were left out."""
    dtype = settings.dtype or ("float16" if device.type == "cuda" else "float32")
    skipped, works = {}, {}
    for name, shape in shapes.items():
        if reason := _no_time(shape, device, dtype):
            skipped[name] = reason
            continue
        try:
            works[name] = _work(shape, settings.text_tokens[0], device, dtype)
        except torch.OutOfMemoryError:
            skipped[name] = f"does not fit on {torch.cuda.get_device_name(device)} beside the others"
    if not works:
        return {"models": {}, "skipped": skipped, "notes": []}
    stages = {name: dict(flops(shapes[name], settings.text_tokens[0], "executed").stages) for name in works}
    made = latency_costs(works, stages, settings.latency)
    unsplit = [name for name, one in made["models"].items() if not one["first_token"]["stages"]]
    notes = [*made["notes"], *(f"{name}: its stages cannot be found, so only totals are given." for name in unsplit)]
    first = next(iter(works.values()))
    return {**made, "conditions": conditions(first), "skipped": skipped, "notes": notes}


def _no_time(shape: Shape, device: torch.device, dtype: str) -> str | None:
    if shape.compression == "average-pooling":
        return COUNTED_ONLY
    if device.type == "cuda":
        return None
    weights = tensor_bytes(_work(shape, 1, torch.device("meta"), dtype).model.parameters())
    if weights <= CPU_BYTES:
        return None
    return (
        f"{weights / GIB:.1f} GiB of weights in {dtype} are too much to time on a CPU (limit {CPU_BYTES / GIB:.0f} GiB)"
    )


def _work(shape: Shape, text_tokens: int, device: torch.device, dtype: str) -> Work:
    return Work(fresh_model(shape.config, shape.vision, device, getattr(torch, dtype)), text_tokens, shape.crops)


def _counted(found: Flops) -> dict[str, Json]:
    return {"stages": dict(found.stages), "total": found.total}


def _identity(shape: Shape) -> dict[str, Json]:
    llama = shape.config.llama
    return {
        "vision_tokens": shape.vision_tokens,
        "prefusion_layers": shape.config.prefusion_layers,
        "hidden_size": llama["hidden_size"],
        "layers": llama["num_hidden_layers"],
        "resolution": shape.resolution,
        "compression": shape.compression,
        "overrides": dict(shape.overrides),
    }
