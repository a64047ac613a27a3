"""The closed form against two counters that run the modules themselves, on the meta device: no weights, no memory.

calflops (attention by SDPA, which it does not see) is what `paper` must equal; torch.utils.flop_counter (eager
attention, all products seen) is what `hardware` must equal, both to the last FLOP. calflops is optional: where it is
absent, that comparison is said to be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import UserError
from harness.profiler.flops import HARDWARE, PAPER, STAGES, TEXT_TOKENS, Convention, flops
from harness.profiler.reducers import OWN_PROJECTION
from harness.profiler.shapes import Shape

INSTALL = "pip install calflops==0.3.2"


class Disagreement(UserError):
    """A counter and the closed form differ, so that one of them counts something else than it says."""


@dataclass(frozen=True, slots=True)
class Counter:
    """`count(module, inputs)`: FLOPs of one call. `attention`: how the module must compute it to be counted so."""

    name: str
    convention: Convention
    attention: str
    count: Callable[[nn.Module, Mapping[str, Tensor]], int]


@dataclass(frozen=True, slots=True)
class Checked:
    """By counter, the FLOPs of each stage, all equal to the closed form. `notes`: what could not be compared."""

    text_tokens: int
    stages: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()


def checked(shape: Shape, text_tokens: int = TEXT_TOKENS) -> Checked:
    """Compares the closed form with every counter that is installed. Raises Disagreement above 0 FLOPs.

    The baselines' own reducers are compared with torch's counter alone: calflops takes resizing for work, and a plain
    product for none.
    """
    own = shape.compression in OWN_PROJECTION
    found = {counter.name: counted(shape, counter, text_tokens) for counter in COUNTERS if available(counter)}
    for counter in COUNTERS:
        expected = flops(shape, text_tokens, counter.convention).stages
        for stage, count in found.get(counter.name, {}).items():
            if own and counter is CALFLOPS and stage == "compression":
                continue
            if count != expected[stage]:
                raise Disagreement(
                    f"{shape.name} with {text_tokens} text tokens, stage {stage}: {counter.name} counts {count} FLOPs, "
                    f"the closed form ({counter.convention.name}) {expected[stage]}, {count - expected[stage]:+d}. "
                    "Another version of torch, transformers or calflops than requirements.lock may count otherwise; "
                    "install the locked versions, or report this with yours."
                )
    notes = [_absent(counter) for counter in COUNTERS if not available(counter)]
    if own:
        notes.append(f"the reducer of {shape.name} is compared with {FLOP_COUNTER.name} alone")
    return Checked(text_tokens, MappingProxyType(found), tuple(notes))


def available(counter: Counter) -> bool:
    """Whether the counter's package is installed."""
    return counter.name != "calflops" or find_spec("calflops") is not None


def counted(shape: Shape, counter: Counter, text_tokens: int = TEXT_TOKENS) -> Mapping[str, int]:
    """FLOPs by stage as a counter sees them, one image; 0 for a stage that the model lacks."""
    counts = dict.fromkeys(STAGES, 0)
    with torch.device("meta"):
        stages = _stages(shape, counter.attention, text_tokens)
    with torch.no_grad():  # outside the device's mode, in which calflops' patched functions are called twice
        for stage, (module, inputs, times) in stages.items():
            counts[stage] = times * counter.count(module.eval(), inputs)
    return MappingProxyType(counts)


def _calflops(module: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    from calflops import calculate_flops

    with _unpatched():
        found = calculate_flops(module, kwargs=dict(inputs), print_results=False, output_as_string=False)
    return int(found[0])


@contextmanager
def _unpatched() -> Iterator[None]:
    """Undoes what calflops leaves behind when a forward raises: patched functions that would count twice next time."""
    from calflops import calculate_pipline

    owners = (nn.functional, torch, torch.Tensor)
    before = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, known in zip(owners, before, strict=True):
            for name, value in dict(vars(owner)).items():
                if name in known and known[name] is not value:
                    setattr(owner, name, known[name])
                elif name not in known and owner is torch.Tensor:
                    delattr(owner, name)
        for counts in (calculate_pipline.module_flop_count, calculate_pipline.module_mac_count):
            counts.clear()


def _flop_counter(module: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module(**inputs)
    return int(counter.get_total_flops())


CALFLOPS = Counter("calflops", PAPER, "sdpa", _calflops)
FLOP_COUNTER = Counter("torch.utils.flop_counter", HARDWARE, "eager", _flop_counter)
COUNTERS = (CALFLOPS, FLOP_COUNTER)


def _absent(counter: Counter) -> str:
    return f"{counter.name} is not installed, so '{counter.convention.name}' was not compared with it ({INSTALL})"


def _stages(shape: Shape, attention: str, text_tokens: int) -> dict[str, tuple[nn.Module, dict[str, Tensor], int]]:
    """Stage -> module, inputs of one call, number of calls."""
    from transformers import CLIPVisionModel, LlamaForCausalLM

    from models.llava.prefusion import PreFusion
    from models.llava.projector import build_projector

    config, clip, llama = shape.config, shape.vision, shape.config.llama_config()
    clip._attn_implementation = llama._attn_implementation = attention
    side, width, hidden = shape.tower["image_size"], config.vision_width, llama.hidden_size
    fused = shape.patches + shape.vision_tokens + text_tokens
    length = shape.vision_tokens + text_tokens
    sequence = {"inputs_embeds": torch.empty(1, length, hidden), "attention_mask": torch.zeros(1, 1, length, length)}
    stages: dict[str, tuple[nn.Module, dict[str, Tensor], int]] = {
        "tower": (CLIPVisionModel(clip), {"pixel_values": torch.empty(1, 3, side, side)}, shape.crops),
        "projector": (
            build_projector(config.projector, width, hidden),
            {"input": torch.empty(1, shape.patches, width)},
            1,
        ),
        "language_model": (LlamaForCausalLM(llama), sequence, 1),
    }
    if shape.compression in OWN_PROJECTION:
        del stages["projector"]
        stages["compression"] = (_Reducer(shape), {"features": torch.empty(1, shape.patches, width)}, 1)
    elif shape.compression != "none":
        stages["compression"] = (_compressor(shape), {"features": torch.empty(1, shape.compressed_patches, width)}, 1)
    if config.prefusion_layers:
        blocks = _Blocks(PreFusion(llama, config.prefusion_layers))
        stages["prefusion"] = (blocks, {"hidden": torch.empty(1, fused, hidden)}, 1)
    return stages


def _compressor(shape: Shape) -> nn.Module:
    from models.llava.compression import Compression

    assert shape.config.compressor_size is not None
    if shape.compression == "average-pooling":
        return _Pooling(shape.config.compressor_size)
    return _Queries(Compression(shape.config.compressor_size, shape.config.vision_width))


class _Reducer(nn.Module):
    """A baseline's reducer, projection included, on features of one picture."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        from models.llava.reducers.table import build_reducer

        self.reducer = build_reducer(shape.config)

    def forward(self, features: Tensor) -> Tensor:
        from models.llava.tower import VisualFeatures

        layers = dict.fromkeys(self.reducer.request.layers, features)
        return self.reducer.encode(VisualFeatures(layers), parts=1).tokens


class _Queries(nn.Module):
    """The compressor as released, attention weights included, but for its constant position table."""

    def __init__(self, compression: Any) -> None:
        super().__init__()
        self.compression = compression

    def forward(self, features: Tensor) -> Tensor:
        values = self.compression.ln_kv(features)
        queries = self.compression.ln_q(self.compression.query).expand(len(features), -1, -1)
        out: Tensor = self.compression.attn(queries, values, values, need_weights=True)[0]
        return out


class _Pooling(nn.Module):
    """Table 8's other compression: means over the squares of a map."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.anchor = nn.Parameter(torch.empty(1))  # calflops takes the device from a parameter

    def forward(self, features: Tensor) -> Tensor:
        grid = int(features.shape[1] ** 0.5)
        pooled: Tensor = self.pool(features.mT.reshape(len(features), -1, grid, grid))
        return pooled.flatten(2).mT


class _Blocks(nn.Module):
    """Pre-fusion over a whole sequence."""

    def __init__(self, prefusion: Any) -> None:
        super().__init__()
        self.prefusion = prefusion

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.prefusion.blocks(hidden)
        return out
