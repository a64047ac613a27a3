"""LLaVA-Mini's golden cases as fp32 tensors, and the models they were made with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.llava.checkpoint import load
from models.llava.model import LlavaModel
from tests.support.golden import golden_path

EMBEDDING, LOGIT, LOSS = 5e-5, 1e-4, 1e-5
"""Tolerances of the goldens' FORMAT.md, absolute, in fp32."""


@dataclass(frozen=True)
class Case:
    """One golden case: what goes in and what the released code makes of it."""

    name: str
    meta: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def model(self) -> LlavaModel:
        return _model(self.meta["checkpoint"])

    @property
    def ids(self) -> Tensor:
        return self.tensors["input.input_ids"]

    @property
    def labels(self) -> Tensor | None:
        return self.tensors.get("input.labels")

    @property
    def mask(self) -> Tensor | None:
        mask = self.tensors.get("input.attention_mask")
        return None if mask is None else mask.bool()

    @property
    def images(self) -> Tensor | list[Tensor] | None:
        """One tensor, or a list with an entry a row; None in a text-only case."""
        if "input.images" in self.tensors:
            return self.tensors["input.images"]
        rows = [self.tensors[f"input.images.{i}"] for i in range(len(self.ids)) if f"input.images.{i}" in self.tensors]
        return rows or None

    def calls(self) -> Iterator[tuple[list[int], Tensor]]:
        """Rows and pixels [b, P, 3, S, S] of each encode call: one for images, else one a frame."""
        images, rows = self.images, list(range(len(self.ids)))
        if isinstance(images, Tensor):
            yield from ((rows, images),) if images.dim() == 5 else ((rows, frame) for frame in images.unbind(1))
        else:
            for row, medium in enumerate(images or ()):
                yield from (([row], frame[None]) for frame in (medium if medium.dim() == 5 else medium[None]))


@cache
def _model(checkpoint: str) -> LlavaModel:
    return load(golden_path("llava_mini", checkpoint))


@cache
def case(name: str) -> Case:
    """A case by name."""
    folder = golden_path("llava_mini", "cases")
    tensors = load_file(folder / f"{name}.safetensors")
    floats = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
    return Case(name, json.loads((folder / f"{name}.json").read_text()), floats)


def case_names(*keys: str) -> list[str]:
    """Cases that hold all of the tensors."""
    metas = {path.stem: json.loads(path.read_text()) for path in golden_path("llava_mini", "cases").glob("*.json")}
    return sorted(name for name, meta in metas.items() if all(key in meta["tensors"] for key in keys))


def close(got: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance)
