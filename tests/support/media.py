"""Videos made on the spot, whose frames can be told apart: frame k is grey level 10 + 3k with a mark in a corner."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

GREY_STEP, GREY_FIRST = 3, 10


def write_video(
    path: Path,
    frames: int = 60,
    fps: int = 10,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes `frames` frames of (width, height). `times`: presentation times in 1/fps units, for variable rate."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.bit_rate = 8_000_000  # so that lossy codecs keep the grey levels
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            picture = np.full((size[1], size[0], 3), GREY_FIRST + GREY_STEP * (index % 80), np.uint8)
            picture[: size[1] // 4, : size[0] // 4] = 250  # upper left
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with a sound stream and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(path: Path, quarter_turns: int) -> None:
    """Writes a rotation (clockwise quarter turns, as phones do) into an mp4's track header."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4
    matrix = at + (40 if content[at] == 0 else 52)
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns % 4]
    values = (cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    content[matrix : matrix + 36] = struct.pack(">9i", *values)
    path.write_bytes(content)


def number(frame: np.ndarray) -> int:
    """Which frame (modulo 80) a decoded picture is, from its lower right grey."""
    grey = frame[frame.shape[0] * 3 // 4 :, frame.shape[1] * 3 // 4 :].mean()
    return round((float(grey) - GREY_FIRST) / GREY_STEP)
