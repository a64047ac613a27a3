"""A device that waits for media: a decoder at half the device's speed in two workers, so that both could just keep up.

    python -m benchmarks.waiting_device

prints one JSON document: the wall time of a run against the larger of its two parts, decoding in two workers and the
device's own work. Both are sleeps, so that nothing but the order of things is measured.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tasks
from benchmarks.bars import bar
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.media.chunks import Chunk, Preparer
from harness.model import ReadyGroup
from harness.registry import Registry
from harness.types import FramePolicy, Media, Response
from tests.support.fakes import QUESTIONS_A_MEDIUM, Parrot, write_quiz

MEDIA, DEVICE_S, WORKERS = 150, 0.1, 2


@dataclass(frozen=True)
class SlowDecoder:
    """A medium a twofold of the device's time."""

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        time.sleep(2 * DEVICE_S)
        yield np.zeros(1, np.uint8)


class Device(Parrot):
    """Works on one medium at a time."""

    def preparer(self) -> Preparer:
        return SlowDecoder()

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for ready in groups:
            for _ in ready.chunks:
                time.sleep(DEVICE_S)
            for request in ready.group.requests:
                yield Response(request.sample_id, "0", 1, 5, 1, 1)


def main() -> None:
    tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
    with tempfile.TemporaryDirectory() as folder:
        root = write_quiz(Path(folder) / "data", MEDIA * QUESTIONS_A_MEDIUM)
        sources = {"quiz": DataSource("folder", root)}
        config = RunConfig("parrot", ("quiz",), sources, Path(folder) / "run", workers=WORKERS, batch_tokens=40)
        started = time.perf_counter()
        info = evaluate(config, model=Device()).info
        wall = time.perf_counter() - started
    parts = {"decoding_s": MEDIA * 2 * DEVICE_S / WORKERS, "device_s": MEDIA * DEVICE_S}
    document = {
        "media": MEDIA,
        **parts,
        "wall_s": round(wall, 2),
        "prefetch_wait_share": info["speeds"]["quiz"]["prefetch_wait_share"],
        "bars": [bar("wall over the larger part", wall / max(parts.values()), "times", most=1.2)],
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
