"""Small pictures of what a model saw: an image, or the sampled frames of a video on one sheet."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from harness.errors import MediaError
from harness.media.image import open_image
from harness.media.video import count_frames, read_frames
from harness.types import FramePolicy, Image, Media

MOST = 1000
"""Pictures and videos of a task that are shown unless the user says otherwise."""
SIDE = 448
"""Longest side of a picture, in pixels."""
SHEET, COLUMNS, FRAME_SIDE = 16, 4, 220
"""Frames on a sheet at most, in a row, and their longest side."""


@dataclass(frozen=True, slots=True)
class Shown:
    """`source`: the file, relative to the report; "" where there is none, and `caption` says why."""

    source: str
    caption: str


class Gallery:
    """Writes each medium once, however many samples and runs ask about it; of each task the first `most`."""

    def __init__(self, root: Path, most: int = MOST) -> None:
        self._root, self._most = root, most
        self._known: dict[tuple[str, str, FramePolicy | None], Shown] = {}
        self._counts: Counter[str] = Counter()

    @property
    def files(self) -> set[Path]:
        """What has been written so far."""
        return {self._root / shown.source for shown in self._known.values() if shown.source}

    def show(self, media: Media | None, policy: FramePolicy | None, task: str = "") -> Shown | None:
        """None: the question has no medium, or nobody wants to see it."""
        if media is None or not self._most:
            return None
        source = str(media.source) if isinstance(media.source, Path) else repr(media.source)
        key = (media.id, source, None if isinstance(media, Image) else policy)
        if key not in self._known:
            if self._counts[task] == self._most:
                return Shown("", f"{media.id}: not shown, only the first {self._most:,} of a task are")
            self._counts[task] += 1
            name = f"media/{hashlib.sha256(repr(key).encode('utf-8', 'replace')).hexdigest()[:20]}.jpg"
            self._known[key] = self._written(media, policy or FramePolicy(), name)
        return self._known[key]

    def _written(self, media: Media, policy: FramePolicy, name: str) -> Shown:
        path = self._root / name
        try:
            picture, caption = _picture(media) if isinstance(media, Image) else _sheet(media, policy)
        except MediaError as error:
            return Shown("", f"{media.id}: {error.reason}")
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            picture.save(part, "JPEG", quality=82)
            part.replace(path)
        return Shown(name, caption)


def _picture(image: Image) -> tuple[PIL.Image.Image, str]:
    picture = open_image(image)
    caption = f"{image.id}, {picture.width} x {picture.height}"
    picture.thumbnail((SIDE, SIDE))
    return picture, caption


def _sheet(video: Media, policy: FramePolicy) -> tuple[PIL.Image.Image, str]:
    """Evenly spread among the sampled frames, row by row."""
    assert not isinstance(video, Image)
    total = count_frames(video, policy)
    wanted = {round(index * (total - 1) / max(1, min(total, SHEET) - 1)) for index in range(min(total, SHEET))}
    frames = []
    for index, frame in enumerate(read_frames(video, policy)):
        if index in wanted:
            picture = PIL.Image.fromarray(frame)
            picture.thumbnail((FRAME_SIDE, FRAME_SIDE))
            frames.append(picture)
    if not frames:
        raise MediaError("no frames", str(video.source))
    width, height = frames[0].size
    columns = min(COLUMNS, len(frames))
    sheet = PIL.Image.new("RGB", (columns * (width + 2) - 2, -(-len(frames) // columns) * (height + 2) - 2), "white")
    for index, picture in enumerate(frames):
        sheet.paste(picture, (index % columns * (width + 2), index // columns * (height + 2)))
    shown = "all" if len(frames) == total else f"{len(frames)} of"
    return sheet, f"{video.id}: {shown} {total:,} sampled frames, row by row"
