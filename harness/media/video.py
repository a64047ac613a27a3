"""Reading the sampled frames of a video, lazily and in order: a file through a decoder, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.errors import MediaError, UserError
from harness.media.image import open_image
from harness.media.sampling import clip_indices, frame_indices, segment_centres, spread_indices
from harness.types import FramePolicy, Image, Video

if TYPE_CHECKING:
    from harness.media.decord_reader import DecordReader
    from harness.media.pyav_reader import PyavReader

Frame: TypeAlias = NDArray[np.uint8]

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_frames(video: Video, policy: FramePolicy, reader: str = "pyav", spread: int | None = None) -> Iterator[Frame]:
    """RGB frames [H, W, 3], one per sampled index, decoded as they are asked for. Raises MediaError.

    `spread`: that many frames at equal distances instead of the policy's frames a second.
    """
    if video.source.is_dir():
        paths = _pictures(video, policy if spread is None else replace(policy, max_frames=None))
        for index in range(len(paths)) if spread is None else spread_indices(0, len(paths) - 1, spread):
            yield np.asarray(open_image(Image(paths[index].name, paths[index])))
        return
    with _open(video.source, reader) as opened:
        if spread is None:
            indices = wanted_indices(opened.total, opened.fps, video, policy)
        else:
            indices = spread_indices(*_bounds(opened.total, opened.fps, video, policy), spread)
        yield from opened.frames(indices)


def measure(video: Video, reader: str = "pyav") -> tuple[int, float]:
    """Frames of a video file, and how many there are a second; none is decoded. Raises MediaError."""
    with _open(video.source, reader) as opened:
        return opened.total, opened.fps


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


def _bounds(total: int, fps: float, video: Video, policy: FramePolicy) -> tuple[int, int]:
    """First and last frame that may be shown."""
    if not policy.clip_bounds or video.start_s is None or video.end_s is None:
        return 0, total - 1
    first = min(max(0, round(video.start_s * fps)), total - 1)
    return first, max(first, min(round(video.end_s * fps), total - 1))


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
