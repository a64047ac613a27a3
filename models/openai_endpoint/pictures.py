"""Pictures and frames as encoded files, for models that are not ours to feed with pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image

from harness.media.chunks import Chunk
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.types import FramePolicy, Image, Media

JPEG_QUALITY = 95
_PNG = b"\x89PNG"


@dataclass(frozen=True, slots=True)
class PicturePreparer:
    """Each picture or frame as one chunk: PNG bytes [1, n] where they are few enough, else JPEG, ever smaller.

    `frames`: most of a video, at equal distances. `side`: longest side in pixels. `most_bytes`: of one file.
    """

    frames: int
    side: int
    most_bytes: int
    reader: str = "pyav"

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        """Raises MediaError."""
        if isinstance(media, Image):
            yield self._encoded(open_image(media))
            return
        most = min(frames.max_frames or self.frames, self.frames)
        for frame in read_frames(media, replace(frames, max_frames=most), self.reader):
            yield self._encoded(PIL.Image.fromarray(frame))

    def _encoded(self, picture: PIL.Image.Image) -> Chunk:
        picture = _shrunk(picture, self.side)
        content = _saved(picture, "PNG")
        side = self.side
        while len(content) > self.most_bytes and side > 16:
            content = _saved(_shrunk(picture, side), "JPEG")
            side //= 2
        return np.frombuffer(content, np.uint8)[None]


def mime(content: bytes) -> str:
    return "image/png" if content.startswith(_PNG) else "image/jpeg"


def _shrunk(picture: PIL.Image.Image, side: int) -> PIL.Image.Image:
    """No larger than `side`, in its own proportions."""
    if max(picture.size) <= side:
        return picture
    width, height = (max(1, round(length * side / max(picture.size))) for length in picture.size)
    return picture.resize((width, height), PIL.Image.Resampling.LANCZOS)


def _saved(picture: PIL.Image.Image, form: str) -> bytes:
    content = io.BytesIO()
    picture.save(content, form, **({"quality": JPEG_QUALITY} if form == "JPEG" else {}))
    return content.getvalue()
