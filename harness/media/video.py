"""Reading the sampled frames of a video, lazily and in order: a file through a decoder, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.errors import MediaError, UserError
from harness.media.image import open_image
from harness.media.sampling import clip_indices, frame_indices, segment_centres
from harness.types import FramePolicy, Image, Video

if TYPE_CHECKING:
    from harness.media.decord_reader import DecordReader
    from harness.media.pyav_reader import PyavReader

Frame: TypeAlias = NDArray[np.uint8]

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_frames(video: Video, policy: FramePolicy, reader: str = "pyav") -> Iterator[Frame]:
    """RGB frames [H, W, 3], one per sampled index, decoded as they are asked for. Raises MediaError."""
    if video.source.is_dir():
        for path in _pictures(video, policy):
            yield np.asarray(open_image(Image(path.name, path)))
        return
    with _open(video.source, reader) as opened:
        yield from opened.frames(wanted_indices(opened.total, opened.fps, video, policy))


def count_frames(video: Video, policy: FramePolicy, reader: str = "pyav") -> int:
    """How many frames `read_frames` would give; none is decoded. Raises MediaError."""
    if video.source.is_dir():
        return len(_pictures(video, policy))
    with _open(video.source, reader) as opened:
        return len(wanted_indices(opened.total, opened.fps, video, policy))


def _open(path: Path, reader: str) -> PyavReader | DecordReader:
    if not path.exists():
        raise MediaError("file not found", str(path))
    if path.stat().st_size == 0:
        raise MediaError("empty file", str(path))
    if reader == "pyav":
        from harness.media.pyav_reader import PyavReader

        return PyavReader(path)
    if reader == "decord":
        from harness.media.decord_reader import DecordReader

        return DecordReader(path)
    raise UserError(f"video reader '{reader}' does not exist; there are pyav and decord.")


def wanted_indices(total: int, fps: float, video: Video, policy: FramePolicy) -> list[int]:
    """The policy's indices into this video's frames."""
    if policy.clip_bounds and video.start_s is not None and video.end_s is not None:
        return clip_indices(total, fps, video.start_s, video.end_s, policy)
    return frame_indices(total, fps, policy)


def _pictures(video: Video, policy: FramePolicy) -> list[Path]:
    """Every picture of a frame folder by name, as released; fewer only under a cap or inside clip bounds."""
    files = sorted(path for path in video.source.iterdir() if path.suffix in FRAME_SUFFIXES)
    if not files:
        raise MediaError("no frames in folder", str(video.source))
    indices = list(range(len(files)))
    if policy.clip_bounds and video.start_s is not None and video.end_s is not None and video.folder_fps is not None:
        indices = clip_indices(len(files), video.folder_fps, video.start_s, video.end_s, policy, first=1)
    elif policy.max_frames is not None and len(files) > policy.max_frames:
        indices = segment_centres(len(files), policy.max_frames)
    return [files[index] for index in indices]
