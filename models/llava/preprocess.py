"""From media to uint8 pictures of the tower's size, on the CPU, without torch.

Images: n x n crops of the original pixels and the whole, each through CLIP's processing (short side bicubic, centre
crop) or padded to a square first. Frames: resized to the square by nearest neighbour, aspect ratio not kept, as
released; then CLIP's processing. Normalisation happens on the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image

from harness.errors import MediaError
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.types import FramePolicy, Image, Media
from models.llava.processor import Pixels, Processor

EVERY_FRAME = 1e6
"""Frames a second beyond any video's own, so that their number is the only limit."""


@dataclass(frozen=True, slots=True)
class LlavaPreparer:
    """The CPU side of a LLaVA-family model: chunks [frames, parts, S, S, 3], `chunk` frames at a time.

    `spread`: so many frames of a video, at the midpoints of equal segments, whatever a task asks a second. `squeeze`:
    whether frames lose their aspect ratio; None: those of files do and pictures of a folder do not, as released.
    """

    processor: Processor
    split: int = 1
    pad: bool = False
    reader: str = "pyav"
    chunk: int = 16
    spread: int | None = None
    squeeze: bool | None = None

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Pixels]:
        """Raises MediaError."""
        if isinstance(media, Image):
            yield self.image(open_image(media), frames.doubled)[None]
            return
        as_they_are = media.source.is_dir() if self.squeeze is None else not self.squeeze
        if self.spread is not None:
            most = self.spread if frames.max_frames is None else min(self.spread, frames.max_frames)
            frames = replace(frames, fps=EVERY_FRAME, max_frames=most)
        waiting: list[Pixels] = []
        for frame in read_frames(media, frames, reader=self.reader):
            waiting.append(self.frame(frame, as_they_are, frames.doubled))
            if len(waiting) == self.chunk:
                yield np.stack(waiting)
                waiting = []
        if waiting:
            yield np.stack(waiting)

    def parts(self, frames: FramePolicy) -> int:
        """Parts of a picture or frame under a policy."""
        return self.split**2 + 1 if self.split > 1 or frames.doubled else 1

    def image(self, picture: PIL.Image.Image, doubled: bool = False) -> Pixels:
        """[parts, S, S, 3]."""
        parts = split_image(picture, self.split, doubled)
        return np.stack([self.processor(self._square(part) if self.pad else part) for part in parts])

    def frame(self, frame: Pixels, as_it_is: bool = False, doubled: bool = False) -> Pixels:
        """[parts, S, S, 3]. Frames are never padded; pictures of a frame folder are not squeezed to a square either."""
        squeezed = frame if as_it_is else nearest(frame, self.processor.crop)
        parts = split_image(PIL.Image.fromarray(squeezed), self.split, doubled)
        return np.stack([self.processor(part) for part in parts])

    def _square(self, picture: PIL.Image.Image) -> PIL.Image.Image:
        width, height = picture.size
        side = max(width, height)
        square = PIL.Image.new("RGB", (side, side), self.processor.background)
        square.paste(picture, ((side - width) // 2, (side - height) // 2))
        return square


def split_image(picture: PIL.Image.Image, n: int, doubled: bool = False) -> list[PIL.Image.Image]:
    """n x n crops in row-major order (remainder pixels at the right and bottom dropped), then the whole.

    n = 1: the whole alone; `doubled`: no such exception, so that the one crop is the whole as well.
    """
    if n == 1 and not doubled:
        return [picture]
    width, height = picture.size[0] // n, picture.size[1] // n
    if not width or not height:
        raise MediaError("picture too small", f"{picture.size[0]} x {picture.size[1]} cannot be split {n} x {n}")
    boxes = [(x * width, y * height, (x + 1) * width, (y + 1) * height) for y in range(n) for x in range(n)]
    return [*(picture.crop(box) for box in boxes), picture]


def nearest(frame: Pixels, side: int) -> Pixels:
    """[H, W, 3] -> [side, side, 3]; source index = floor(target * in / out) in single precision, as in torch."""
    rows, columns = (
        np.minimum(np.floor(np.arange(side, dtype=np.float32) * np.float32(length / side)).astype(int), length - 1)
        for length in frame.shape[:2]
    )
    return frame[rows[:, None], columns[None]]
