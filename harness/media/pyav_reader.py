"""The default video reader: PyAV, sequentially. Half the CPU and a tenth of the memory of decord on long files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import MediaError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MAX_PACKETS = 20_000_000
"""About a week at 30 frames a second: a stream that goes on beyond is endless."""


class PyavReader:
    """An open video file: `total` frames, average `fps`. Raises MediaError for what cannot be read in full.

    Frames are counted by a pass over the packets without decoding: container headers may be silent (mkv, webm) or
    promise more than the file holds (a truncated download).
    """

    def __init__(self, path: Path) -> None:
        import av

        self._path = path
        try:
            self._container = av.open(str(path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError("not a video", f"{path}: {error}") from error
        try:
            self.total, self.fps = self._measure()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> PyavReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def _measure(self) -> tuple[int, float]:
        import av

        if not self._container.streams.video:
            raise MediaError("no video stream", str(self._path))
        stream = self._container.streams.video[0]
        shown = hidden = 0
        try:
            for packet in self._container.demux(stream):
                if packet.size:
                    hidden += packet.is_discard  # cut away by an edit list
                    shown += not packet.is_discard
                if shown > MAX_PACKETS:
                    raise MediaError("endless video", f"{self._path}: over {MAX_PACKETS:,} frames")
        except av.FFmpegError as error:
            raise MediaError("truncated video", f"{self._path}: {error}") from error
        if shown == 0:
            raise MediaError("no frames", str(self._path))
        if shown + hidden < stream.frames:
            raise MediaError("truncated video", f"{self._path}: {shown + hidden} of {stream.frames} frames are there")
        return shown, float(stream.average_rate or stream.guessed_rate or 1.0)

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """RGB frames at ascending indices (repeats allowed), decoding from the start and stopping after the last."""
        import av

        waiting = iter(indices)
        wanted = next(waiting, None)
        try:
            self._container.seek(0)
            stream = self._container.streams.video[0]
            stream.thread_type = "AUTO"
            for index, frame in enumerate(self._container.decode(stream)):
                if wanted is None:
                    return
                if index == wanted and frame.is_corrupt:
                    raise MediaError("corrupt video", f"{self._path}: frame {index}")
                picture = _upright(frame) if index == wanted else None
                while picture is not None and index == wanted:
                    yield picture
                    wanted = next(waiting, None)
        except av.FFmpegError as error:
            raise MediaError("corrupt video", f"{self._path}: {error}") from error
        if wanted is not None:
            raise MediaError("truncated video", f"{self._path}: frame {wanted} of {self.total} cannot be decoded")


def _upright(frame: VideoFrame) -> NDArray[np.uint8]:
    """The picture as a player shows it: PyAV reports the rotation in degrees counter-clockwise but does not apply
    it."""
    picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
