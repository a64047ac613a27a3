"""The reader of the released evaluation code, for comparison. Optional: `pip install decord`. It hangs on some
files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from harness.errors import MediaError, UserError
from harness.media.pyav_reader import PyavReader


class DecordReader:
    """An open video file: `total` frames, average `fps`. Raises MediaError; UserError where decord is not installed.

    Whether the file is whole is PyAV's to say: of what is left of a truncated one, decord makes a shorter video, or
    wrong frames.
    """

    def __init__(self, path: Path) -> None:
        try:
            from decord import DECORDError, VideoReader, cpu
        except ImportError as error:
            raise UserError("--video-reader decord needs the decord package: pip install decord") from error
        PyavReader(path).close()
        self._path, self._errors = path, (DECORDError, RuntimeError, IndexError)
        try:
            self._reader = VideoReader(str(path), ctx=cpu(0), num_threads=1)
        except self._errors as error:
            raise MediaError("not a video", f"{path}: {str(error).splitlines()[0]}") from error
        self.total, self.fps = len(self._reader), float(self._reader.get_avg_fps())
        if self.total < 1:
            raise MediaError("no frames", str(path))

    def __enter__(self) -> DecordReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._reader

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """RGB frames at ascending indices."""
        for index in indices:
            try:
                picture = self._reader[index].asnumpy()
            except self._errors as error:
                raise MediaError("corrupt video", f"{self._path}: {str(error).splitlines()[0]}") from error
            if picture.shape[2] != 3:  # rows of rotated frames with odd widths keep their padding
                raise MediaError("decord garbles this video", f"{self._path}: use --video-reader pyav")
            yield picture
