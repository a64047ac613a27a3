"""Eight questions about ten minutes of 720p: the file is decoded once, and each frame passes the tower once.

    python -m benchmarks.long_video

prints one JSON document: how often the file was opened for decoding, frames through the tower, CPU seconds, and the
most resident memory.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.bars import bar
from harness import load_model
from harness.engine.local import LocalExecutor
from harness.media.chunks import Chunk, Preparer
from harness.media.workers import PreparePool
from harness.types import FramePolicy, Group, Media, Request, Response, Video

MODEL, QUESTIONS = "llava-mini-tiny", 8
SECONDS, RATE, SIZE = 600, 25, (1280, 720)
MEDIA_SECONDS, AHEAD_BYTES = 600, 64 * 2**20


def write_video(path: Path) -> None:
    """H.264 of a square that wanders over a gradient, as fast as it can be encoded."""
    width, height = SIZE
    ground = np.repeat(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], height, 0).repeat(3, 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(SECONDS * RATE):
            picture, at = ground.copy(), index % (height - 100)
            picture[at : at + 100, at : at + 100] = (200, 30, index % 256)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


class Counting:
    """A preparer that counts how often it is asked, and the CPU seconds it takes."""

    def __init__(self, prepare: Preparer) -> None:
        self._prepare, self.asked, self.cpu_seconds = prepare, 0, 0.0

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        self.asked += 1
        chunks = iter(self._prepare(media, frames))
        while True:
            started = time.process_time()
            chunk = next(chunks, None)
            self.cpu_seconds += time.process_time() - started
            if chunk is None:
                return
            yield chunk


def watch(path: Path) -> dict[str, Any]:
    model = load_model(MODEL, device="cpu", dtype="float32")
    preparer, seen = Counting(model.preparer()), []
    model.model.tower.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    policy = FramePolicy()
    asked = tuple(Request(str(at), f"what is object number {at} ?", 4, policy) for at in range(QUESTIONS))
    started = time.process_time()
    with PreparePool(preparer, 0, MEDIA_SECONDS, AHEAD_BYTES) as pool:
        outcomes = list(LocalExecutor(model, pool, 10**6).run([Group(Video("long", path), asked)]))
    answered = [one.result for one in outcomes if isinstance(one.result, Response)]
    return {
        "answered": len(answered),
        "frames": answered[0].frames,
        "decoded": preparer.asked,
        "frames_through_the_tower": sum(seen),
        "decoding_cpu_s": round(preparer.cpu_seconds, 1),
        "all_cpu_s": round(time.process_time() - started, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ten_minutes.mp4"
        write_video(path)
        found = watch(path)
    bars = [
        bar("answers about ten minutes of 720p", found["answered"], "", least=QUESTIONS),
        bar("times it was decoded", found["decoded"], "", most=1),
        bar("passes of a frame through the tower", found["frames_through_the_tower"] / found["frames"], "", most=1),
    ]
    print(json.dumps({"model": MODEL, "file": f"{SECONDS} s, {RATE} fps, H.264", **found, "bars": bars}, indent=2))


if __name__ == "__main__":
    main()
