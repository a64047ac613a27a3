"""A look at a benchmark's data before GPU time is spent on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.data.sources import missing_files
from harness.errors import MediaError
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.types import FramePolicy, Image, Json, Sample

SHOWN = 5


def check(samples: Sequence[Sample], deep: bool = False) -> dict[str, Json]:
    """Counts of samples and media, and what is wrong with them, by reason with a few examples.

    `deep`: every picture is opened and every video decoded at one frame a second, which takes as long as it takes.
    """
    media = {sample.media.id: sample.media for sample in samples if sample.media is not None}
    problems: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}

    def found(reason: str, where: str) -> None:
        problems[reason] += 1
        examples.setdefault(reason, []).append(where)

    for sample in samples:
        if sample.broken:
            found(sample.broken, sample.id)
    for sample_id, count in Counter(sample.id for sample in samples).items():
        if count > 1:
            found("id occurs more than once", sample_id)
    for path in missing_files(one.source for one in media.values() if isinstance(one.source, Path)):
        found("file not found", str(path))
    if deep:
        for one in media.values():
            try:
                if isinstance(one, Image):
                    open_image(one)
                else:
                    for _ in read_frames(one, FramePolicy()):
                        pass
            except MediaError as error:
                if error.reason != "file not found":
                    found(error.reason, str(one.source))
    return {
        "samples": len(samples),
        "media": len(media),
        "problems": dict(problems),
        "examples": {reason: names[:SHOWN] for reason, names in examples.items()},
    }
