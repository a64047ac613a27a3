"""Golden cases of the token reducers as fp32 tensors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from models.llava.config import LlavaConfig
from tests.support.golden import golden_path

TOLERANCE = 1e-4
"""Of the goldens' FORMAT.md: relative to the largest value, or absolute below 1."""


@dataclass(frozen=True)
class Case:
    """`inputs` and `expected` by name; `weights` under the released module's own keys."""

    name: str
    meta: Mapping[str, Any]
    inputs: Mapping[str, Tensor]
    expected: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]

    def fill(self, module: nn.Module, prefix: str = "") -> nn.Module:
        """The module with the case's weights, every one of them, in evaluation mode."""
        module.load_state_dict({key.removeprefix(prefix): value for key, value in self.weights.items()}, strict=True)
        return module.eval()


def cases(*kinds: str) -> Iterator[Case]:
    """All cases of some kinds, whatever the folder holds; there must be one at least."""
    index = json.loads(golden_path("reducers", "index.json").read_text())
    names = [name for name, meta in index.items() if meta["kind"] in kinds]
    if not names:
        golden_path("reducers", f"case of kind {' or '.join(kinds)}")  # the compact copy may lack it, and says so
    assert names, f"no case of kind {kinds}"
    for name in names:
        with safe_open(golden_path("reducers", f"{name}.safetensors"), "pt") as file:
            tensors = {key: _single(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118 (no mapping)
        yield Case(name, index[name], _part(tensors, ""), _part(tensors, "expected."), _part(tensors, "weight."))


def config(width: int, hidden: int, **options: Any) -> LlavaConfig:
    """A configuration with the two widths that reducers ask for."""
    return LlavaConfig(llama={"hidden_size": hidden}, vision_tower="", vision_width=width, options=options)


def close(got: Tensor, expected: Tensor) -> None:
    assert got.shape == expected.shape
    assert float((got - expected).abs().max()) < TOLERANCE * max(1.0, float(expected.abs().max()))


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    if prefix:
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return {key: value for key, value in tensors.items() if not key.startswith(("expected.", "weight."))}


def tower(case: Case) -> nn.Module:
    """The case's tiny CLIP in our tower."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    from models.llava.tower import ClipTower

    clip = CLIPVisionModel(CLIPVisionConfig(**case.meta["clip_config"]))
    own = {key.removeprefix("vision_model."): value for key, value in case.weights.items()}
    missing, extra = clip.load_state_dict(own, strict=False)
    assert not [key for key in missing if "position_ids" not in key]
    assert not [key for key in extra if "position_ids" not in key]
    return ClipTower(clip.eval())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
