"""From media to uint8 pictures of the tower's size, on the CPU, without torch.

Images: n x n crops of the original pixels and the whole, each through CLIP's processing (short side bicubic, centre
crop) or padded to a square first. Frames: resized to the square by nearest neighbour, aspect ratio not kept, as
released; then CLIP's processing. Normalisation happens on the device.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from harness.media.image import open_image
from harness.media.video import read_frames
from numpy.typing import NDArray

from harness.errors import CheckpointError
from harness.types import FramePolicy, Image, Media, Video

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Processor:
    """CLIP's image processing. `size`: short side after resizing; `crop`: side of the centre crop."""

    size: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, image: PIL.Image.Image) -> Pixels:
        """RGB picture -> [crop, crop, 3]."""
        width, height = image.size
        short, long = sorted((width, height))
        scaled = int(self.size * long / short)
        to = (self.size, scaled) if width <= height else (scaled, self.size)
        resized = image if image.size == to else image.resize(to, PIL.Image.Resampling.BICUBIC)
        return np.asarray(_centre_crop(resized, self.crop))

    @property
    def background(self) -> tuple[int, ...]:
        """The mean colour, with which pictures are padded to a square."""
        return tuple(int(255 * channel) for channel in self.mean)


def read_processor(tower: Path) -> Processor:
    """`preprocessor_config.json` of a CLIP tower. Raises CheckpointError."""
    path = tower / "preprocessor_config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        size, crop = raw["size"], raw["crop_size"]
        return Processor(
            size["shortest_edge"] if isinstance(size, dict) else size,
            crop["height"] if isinstance(crop, dict) else crop,
            tuple(raw["image_mean"]),
            tuple(raw["image_std"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: no usable CLIP preprocessing ({type(error).__name__}: {error}).") from error


@dataclass(frozen=True, slots=True)
class LlavaPreparer:
    """The CPU side of a LLaVA-family model: chunks [frames, parts, S, S, 3], `chunk` frames at a time."""

    processor: Processor
    split: int = 1
    pad: bool = False
    reader: str = "pyav"
    chunk: int = 16

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Pixels]:
        """Raises MediaError."""
        if isinstance(media, Image):
            yield self.image(open_image(media))[None]
            return
        waiting: list[Pixels] = []
        for frame in read_frames(media, frames, reader=self.reader):
            waiting.append(self.frame(frame, media))
            if len(waiting) == self.chunk:
                yield np.stack(waiting)
                waiting = []
        if waiting:
            yield np.stack(waiting)

    def image(self, picture: PIL.Image.Image) -> Pixels:
        """[parts, S, S, 3]."""
        parts = split_image(picture, self.split)
        return np.stack([self.processor(self._square(part) if self.pad else part) for part in parts])

    def frame(self, frame: Pixels, video: Video) -> Pixels:
        """[parts, S, S, 3]. Frames are never padded; those of a frame folder are not squeezed to a square."""
        if video.folder_fps is None:
            frame = nearest(frame, self.processor.crop)
        parts = split_image(PIL.Image.fromarray(frame), self.split)
        return np.stack([self.processor(part) for part in parts])

    def _square(self, picture: PIL.Image.Image) -> PIL.Image.Image:
        width, height = picture.size
        side = max(width, height)
        square = PIL.Image.new("RGB", (side, side), self.processor.background)
        square.paste(picture, ((side - width) // 2, (side - height) // 2))
        return square


def split_image(picture: PIL.Image.Image, n: int) -> list[PIL.Image.Image]:
    """n x n crops in row-major order (remainder pixels at the right and bottom dropped), then the whole; n = 1: the
    whole."""
    if n == 1:
        return [picture]
    width, height = picture.size[0] // n, picture.size[1] // n
    boxes = [(x * width, y * height, (x + 1) * width, (y + 1) * height) for y in range(n) for x in range(n)]
    return [*(picture.crop(box) for box in boxes), picture]


def nearest(frame: Pixels, side: int) -> Pixels:
    """[H, W, 3] -> [side, side, 3]; source index = floor(target * in / out) in single precision, as torch computes
    it."""
    rows, columns = (
        np.minimum(np.floor(np.arange(side, dtype=np.float32) * np.float32(length / side)).astype(int), length - 1)
        for length in frame.shape[:2]
    )
    return frame[rows[:, None], columns[None]]


def _centre_crop(image: PIL.Image.Image, side: int) -> PIL.Image.Image:
    width, height = image.size
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))
