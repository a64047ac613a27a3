"""Models of every family, made and loaded once for all tests that ask for them; a few pictures and a video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.types import Image, Video
from models import load_model
from models.transformers_native.adapter import NativeAdapter
from tests.support.native_tiny import PRESETS, write_native


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, NativeAdapter]:
    """By case: a family, and the language model of a BLIP where it is not the usual one."""

    class Loaded(dict[str, NativeAdapter]):
        def __missing__(self, case: str) -> NativeAdapter:
            family, _, text = case.partition(" ")
            folder = write_native(tmp_path_factory.mktemp(family), family, text or None)
            model = load_model(PRESETS[case], checkpoint=str(folder), device="cpu")
            assert isinstance(model, NativeAdapter)
            self[case] = model
            return model

    return Loaded()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    folder = tmp_path_factory.mktemp("pictures")
    for index, size in enumerate([(45, 30), (31, 90), (28, 28)]):
        _noise(size, index).save(folder / f"{index}.png")
    return [Image(f"picture {index}", folder / f"{index}.png") for index in range(3)]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Five frames in a folder, so that no codec changes them."""
    folder: Path = tmp_path_factory.mktemp("video")
    for index in range(5):
        _noise((40, 30), index).save(folder / f"{index}.png")
    return Video("video", folder)


def _noise(size: tuple[int, int], seed: int) -> PIL.Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)
