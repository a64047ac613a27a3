"""The multimodal projector: CLIP width D to language model width H."""

from __future__ import annotations

from torch import nn


def build_projector(kind: str, width: int, hidden: int) -> nn.Module:
    """`linear`, `identity` or `mlp{n}x_gelu` (n linear layers with exact GELU between them, keys 0, 2, 4, ..)."""
    if kind == "identity":
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(width, hidden)
    layers: list[nn.Module] = [nn.Linear(width, hidden)]
    for _ in range(int(kind.removeprefix("mlp").removesuffix("x_gelu")) - 1):
        layers += [nn.GELU(), nn.Linear(hidden, hidden)]
    return nn.Sequential(*layers)
