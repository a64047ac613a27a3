"""From media to the pixels that a family's vision tower takes, on the CPU, without torch or torchvision.

The rules are those of transformers' own image processors, whose settings lie in preprocessor_config.json; a test
compares them. A chunk's records hold uint8 pixels; normalisation happens on the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from harness.errors import MediaError
from harness.media.image import open_image
from harness.media.video import count_frames, measure, read_frames
from harness.types import FramePolicy, Image, Media, Video
from models.llava.processor import MAX_ASPECT, Processor

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True, slots=True)
class Picturing:
    """How one picture or frame becomes pixels.

    `way`: "crop" (short side to `size`, centre crop), "square" (to `crop`, aspect ratio not kept), "tiles" (the whole
    as a square, and squares of the best of `grids`), "patches" (both sides to multiples of `factor`, so that there are
    `least`..`most` pixels).
    """

    way: Literal["crop", "square", "tiles", "patches"]
    size: int = 0
    crop: Size = (0, 0)
    resample: int = int(PIL.Image.Resampling.BICUBIC)
    grids: tuple[Size, ...] = ()
    factor: int = 28
    least: int = 0
    most: int = 0

    def __call__(self, picture: PIL.Image.Image) -> Pixels:
        """[parts, H, W, 3]. Raises MediaError for a sliver."""
        short, long = sorted(picture.size)
        if long > MAX_ASPECT * short:
            raise MediaError("picture too narrow", f"{picture.width} x {picture.height}")
        if self.way == "crop":
            return Processor(self.size, self.crop[0])(picture)[None]
        if self.way == "square":
            return self._resized(picture, self.crop)[None]
        if self.way == "tiles":
            return np.stack([self._resized(picture, self.crop), *self._tiles(picture)])
        return self._resized(picture, fitted((picture.height, picture.width), self.factor, self.least, self.most))[None]

    def facts(self) -> dict[str, Any]:
        """What of it counts, for a model's card."""
        used = {
            "crop": ("size", "crop", "resample"),
            "square": ("crop", "resample"),
            "tiles": ("crop", "resample", "grids"),
            "patches": ("resample", "factor", "least", "most"),
        }
        facts = {key: getattr(self, key) for key in used[self.way]}
        return {"way": self.way, **facts, **({"grids": [list(one) for one in self.grids]} if self.grids else {})}

    def most_parts(self) -> int:
        """Parts of the picture that is cut into most."""
        side = self.crop[0]
        return 1 + max((height * width // side**2 for height, width in self.grids), default=0)

    def _resized(self, picture: PIL.Image.Image, to: Size) -> Pixels:
        return np.asarray(picture.resize((to[1], to[0]), PIL.Image.Resampling(self.resample)))

    def _tiles(self, picture: PIL.Image.Image) -> Iterator[Pixels]:
        """Squares in row-major order of the picture on black, in the middle of the grid that suits it best."""
        height, width = best_grid((picture.height, picture.width), self.grids)
        inner = within((picture.height, picture.width), (height, width))
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[top : top + inner[0], left : left + inner[1]] = self._resized(picture, inner)
        side = self.crop[0]
        for row in range(0, height, side):
            for column in range(0, width, side):
                yield canvas[row : row + side, column : column + side]


def best_grid(size: Size, grids: Sequence[Size]) -> Size:
    """The grid in which most of the picture's pixels remain, then the one that wastes least."""

    def value(grid: Size) -> tuple[int, int]:
        scale = min(grid[1] / size[1], grid[0] / size[0])
        kept = min(int(size[1] * scale) * int(size[0] * scale), size[0] * size[1])
        return kept, kept - grid[0] * grid[1]

    return max(grids, key=value)


def within(size: Size, box: Size) -> Size:
    """The largest size of the same shape inside the box."""
    tall, wide = box[0] / size[0], box[1] / size[1]
    if wide < tall:
        return min(math.ceil(size[0] * wide), box[0]), box[1]
    return box[0], min(math.ceil(size[1] * tall), box[1])


def fitted(size: Size, factor: int, least: int, most: int) -> Size:
    """Both sides as multiples of `factor`, their product within bounds, the shape about as it was (Qwen2-VL's rule)."""
    height, width = (round(side / factor) * factor for side in size)
    if height * width > most:
        scale = math.sqrt(size[0] * size[1] / most)
        return tuple(max(factor, math.floor(side / scale / factor) * factor) for side in size)  # type: ignore[return-value]
    if height * width < least:
        scale = math.sqrt(least / (size[0] * size[1]))
        return tuple(math.ceil(side * scale / factor) * factor for side in size)  # type: ignore[return-value]
    return height, width


def picturing(raw: Mapping[str, Any], patch: int = 14, merge: int = 1, bounds: Size | None = None) -> Picturing:
    """The rule that a preprocessor_config.json states. `patch`, `merge`, `bounds`: of towers that take any size.

    Raises KeyError, TypeError and ValueError for a file that states none.
    """
    resample = int(raw.get("resample", PIL.Image.Resampling.BICUBIC))
    size = raw.get("size", raw.get("image_size", {}))
    size = {"height": size, "width": size} if isinstance(size, int) else size
    if merge > 1:
        least, most = bounds or (
            raw.get("min_pixels") or size.get("shortest_edge") or 56 * 56,
            raw.get("max_pixels") or size.get("longest_edge") or 28 * 28 * 1280,
        )
        return Picturing("patches", factor=patch * merge, least=int(least), most=int(most), resample=resample)
    crop = raw.get("crop_size") or {}
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    short = size.get("shortest_edge") or size.get("height")
    if grids := raw.get("image_grid_pinpoints"):
        side = int(crop.get("height") or short)
        return Picturing("tiles", crop=(side, side), grids=tuple((h, w) for h, w in grids), resample=resample)
    if "shortest_edge" in size and raw.get("do_center_crop", True):
        return Picturing("crop", int(short), (int(crop["height"]), int(crop["width"])), resample)
    return Picturing("square", crop=(int(size["height"]), int(size["width"])), resample=resample)


@dataclass(frozen=True, slots=True)
class NativePreparer:
    """The CPU side of a model of transformers' own: chunks of one record a picture or frame.

    Fields of a record: `pixels` [parts, H, W, 3]; `size`: height and width as it was; `seconds`: between frames.
    `frames`, `spread`: as in `Family`.
    """

    image: Picturing
    video: Picturing | None = None
    frames: int = 0
    spread: bool = False
    reader: str = "pyav"

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[NDArray[Any]]:
        """Raises MediaError."""
        if isinstance(media, Image):
            yield record(self.image, open_image(media))
            return
        if self.video is None:
            raise MediaError("no video input", "this model takes pictures only")
        most = min(self.frames, frames.max_frames or self.frames)
        policy = FramePolicy(frames.fps, most, frames.clip_bounds)
        seconds = 0.0 if self.spread else self._seconds(media, policy, most)
        for frame in read_frames(media, policy, self.reader, spread=most if self.spread else None):
            yield record(self.video, PIL.Image.fromarray(frame), seconds)

    def _seconds(self, video: Video, policy: FramePolicy, most: int) -> float:
        """Between frames: as the policy wants, or longer where there are more than `most`."""
        if video.source.is_dir():
            wanted = video.folder_fps or policy.fps  # every picture of a folder is shown
            length = count_frames(video, replace(policy, max_frames=None)) / wanted
        else:
            wanted = policy.fps
            total, fps = measure(video, self.reader)
            length = total / fps if fps > 0 else 0.0
            if policy.clip_bounds and video.start_s is not None and video.end_s is not None:
                length = min(length, video.end_s - video.start_s)
        return max(1 / wanted, length / most)


def record(way: Picturing, picture: PIL.Image.Image, seconds: float = 0.0) -> NDArray[Any]:
    """A chunk of one."""
    pixels = way(picture)
    fields = np.dtype([("pixels", np.uint8, pixels.shape), ("size", np.int32, 2), ("seconds", np.float64)])
    return np.array([(pixels, (picture.height, picture.width), seconds)], fields)
