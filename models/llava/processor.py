"""CLIP's image processing as its `preprocessor_config.json` states it, up to normalisation. Torch-free."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from harness.errors import CheckpointError, MediaError, UserError
from models.llava.config import read_json

Pixels = NDArray[np.uint8]
FILE = "preprocessor_config.json"
MAX_ASPECT = 200
"""Longer side over shorter. Beyond it, resizing the short side blows a picture up to gigabytes, to show a sliver."""


@dataclass(frozen=True, slots=True)
class Processor:
    """`size`: short side after bicubic resizing; `crop`: side of the centre crop; `mean`, `std` of channels in 0..1."""

    size: int
    crop: int
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    def __call__(self, image: PIL.Image.Image) -> Pixels:
        """RGB picture -> [crop, crop, 3]. Raises MediaError for a sliver."""
        width, height = image.size
        short, long = sorted((width, height))
        if long > MAX_ASPECT * short:
            raise MediaError("picture too narrow", f"{width} x {height}")
        scaled = int(self.size * long / short)
        to = (self.size, scaled) if width <= height else (scaled, self.size)
        resized = image if image.size == to else image.resize(to, PIL.Image.Resampling.BICUBIC)
        left, top = ((side - self.crop) // 2 for side in to)
        return np.asarray(resized.crop((left, top, left + self.crop, top + self.crop)))

    @property
    def background(self) -> tuple[int, ...]:
        """The mean colour, with which pictures are padded to a square."""
        return tuple(int(255 * channel) for channel in self.mean)


def read_processor(tower: Path) -> Processor:
    """The processing of a CLIP tower's folder. Raises CheckpointError."""
    path = tower / FILE
    try:
        raw = read_json(path)
        size, crop = raw["size"], raw["crop_size"]
        found = Processor(
            size["shortest_edge"] if isinstance(size, dict) else size,
            crop["height"] if isinstance(crop, dict) else crop,
            tuple(raw["image_mean"]),
            tuple(raw["image_std"]),
        )
    except (UserError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: no usable CLIP preprocessing ({type(error).__name__}: {error}).") from error
    if found.crop > found.size:
        raise CheckpointError(f"{path}: crop_size {found.crop} is larger than size {found.size}.")
    return found


def write_processor(processor: Processor, tower: Path) -> None:
    """Writes the tower's `preprocessor_config.json` as CLIP checkpoints have it."""
    raw = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": processor.size},
        "resample": int(PIL.Image.Resampling.BICUBIC),
        "do_center_crop": True,
        "crop_size": {"height": processor.crop, "width": processor.crop},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(processor.mean),
        "image_std": list(processor.std),
    }
    (tower / FILE).write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")
