"""Scenes as H.264 files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.scenes import SECONDS, SIDE, VideoScene, render_at, things_at

if TYPE_CHECKING:
    import av

FPS = 8
_ENCODING = {"preset": "veryfast", "crf": "20", "threads": "1", "x264-params": "mbtree=0"}
"""With several threads, and with x264's macroblock tree, the same pictures give other bytes now and then."""


def write_video(scene: VideoScene, path: Path) -> None:
    """An mp4 of `SECONDS` seconds at `FPS` frames a second. The same scene gives the same bytes."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=_ENCODING)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for frame in _frames(scene):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frames(scene: VideoScene) -> Iterator[av.VideoFrame]:
    """A picture is drawn again only when something has moved."""
    import av

    shown, picture = None, None
    for index in range(SECONDS * FPS):
        things = things_at(scene, index / FPS)
        if picture is None or things != shown:
            shown, picture = things, render_at(scene, index / FPS)
        yield av.VideoFrame.from_image(picture)
