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

MATROSKA_SLACK_S, MATROSKA_SLACK = 2.0, 0.02
"""A Matroska file (mkv, webm) whose packets end earlier than its header says, by more than these seconds and this share
of its duration, is truncated."""

_CONTAINERS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg,gif,h264,hevc,mjpeg"
_OPENING = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
"""A video is one file: playlists, which name other files and may go on for ever, are not followed."""


class PyavReader:
    """An open video file: `total` frames, average `fps`. Raises MediaError for what cannot be read in full.

    Frames are counted by a pass over the packets without decoding: container headers may be silent (mkv, webm) or
    promise more than the file holds (a truncated download).
    """

    def __init__(self, path: Path) -> None:
        import av

        self._path = path
        try:
            self._container = av.open(str(path), options=_OPENING)
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
        self.close()

    def close(self) -> None:
        self._container.close()

    def _measure(self) -> tuple[int, float]:
        import av

        if not self._container.streams.video:
            raise MediaError("no video stream", str(self._path))
        stream = self._container.streams.video[0]
        promised_s = self._promised_seconds()
        shown = hidden = 0
        end_s = 0.0
        try:
            for packet in self._container.demux(stream) if promised_s is None else self._container.demux():
                if packet.stream.index == stream.index and packet.size:
                    hidden += packet.is_discard  # cut away by an edit list
                    shown += not packet.is_discard
                if packet.pts is not None and packet.time_base is not None:
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if shown > MAX_PACKETS:
                    raise MediaError("endless video", f"{self._path}: over {MAX_PACKETS:,} frames")
        except av.FFmpegError as error:
            raise MediaError("truncated video", f"{self._path}: {error}") from error
        if shown == 0:
            raise MediaError("no frames", str(self._path))
        if shown + hidden < stream.frames:
            raise MediaError("truncated video", f"{self._path}: {shown + hidden} of {stream.frames} frames are there")
        if promised_s is not None and promised_s - end_s > max(MATROSKA_SLACK_S, MATROSKA_SLACK * promised_s):
            raise MediaError("truncated video", f"{self._path}: {end_s:.1f} of {promised_s:.1f} s are there")
        return shown, float(stream.average_rate or stream.guessed_rate or 1.0)

    def _promised_seconds(self) -> float | None:
        """What a Matroska header says of the longest stream; it has no number of frames, as other containers have."""
        import av

        if "matroska" not in self._container.format.name or not self._container.duration:
            return None
        return float(self._container.duration / av.time_base)

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
