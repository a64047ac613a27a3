"""The one frame of a SEED-Bench video that LLaVA shows, for users who have the videos but not the extracted frames."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MediaError

ACTION_RECOGNITION, ACTION_PREDICTION, PROCEDURE_UNDERSTANDING = 10, 11, 12


def frame_index(question_type: int, total: int, fps: float, segment: tuple[float, float] | None) -> int:
    """The middle of what the question is about, in a video of `total` frames (specs/image_benchmarks.md section 10).

    Action recognition: the whole clip without its last frame. Action prediction: `segment` in seconds. Procedure
    understanding: `segment` in frames. Segments end with the video at the latest. Of n frames, number int((n - 1) / 2).
    """
    if question_type == ACTION_RECOGNITION or segment is None:
        start, end = 0, total - 1
    elif question_type == ACTION_PREDICTION:
        start, end = int(segment[0] * fps), min(int(segment[1] * fps), total - 1)
    else:
        start, end = int(segment[0]), min(int(segment[1]), total)
    return min(max(0, start + max(0, end - start - 1) // 2), total - 1)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """That frame as a `Source`: the video is decoded in the worker that asks."""

    path: Path
    question_type: int
    segment: tuple[float, float] | None

    def read(self) -> bytes:
        """A PNG. Raises MediaError."""
        import PIL.Image

        from harness.media.pyav_reader import PyavReader

        if not self.path.exists():
            raise MediaError("file not found", str(self.path))
        with PyavReader(self.path) as video:
            index = frame_index(self.question_type, video.total, video.fps, self.segment)
            (frame,) = video.frames([index])
        png = io.BytesIO()
        PIL.Image.fromarray(frame).save(png, "PNG", compress_level=1)
        return png.getvalue()

    def __str__(self) -> str:
        return f"a frame of {self.path}"
