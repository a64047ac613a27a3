"""Pictures as files for a server: whole where they are small, shrunk where they are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.errors import MediaError
from harness.media.chunks import Chunk
from harness.types import FramePolicy, Image, Video
from models.openai_endpoint.pictures import PicturePreparer, mime
from tests.support.media import write_video

LIMITS = PicturePreparer(frames=6, side=200, most_bytes=20_000)


def noise(path: Path, width: int, height: int) -> Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    return Image(path.name, path)


def opened(chunk: Chunk) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(chunk.tobytes()))


def test_small_picture_travels_without_loss(tmp_path: Path) -> None:
    image = noise(tmp_path / "a.png", 60, 40)
    (chunk,) = LIMITS(image, FramePolicy())
    assert mime(chunk.tobytes()) == "image/png"
    assert np.array_equal(np.asarray(opened(chunk)), np.asarray(PIL.Image.open(tmp_path / "a.png")))


@pytest.mark.parametrize(("width", "height"), [(900, 300), (300, 900), (4000, 3)])
def test_large_picture_keeps_its_proportions_and_fits(tmp_path: Path, width: int, height: int) -> None:
    (chunk,) = LIMITS(noise(tmp_path / "a.png", width, height), FramePolicy())
    assert chunk.size <= LIMITS.most_bytes
    found = opened(chunk).size
    assert max(found) <= LIMITS.side
    assert min(found) == max(1, round(min(width, height) * max(found) / max(width, height)))


@pytest.mark.parametrize(("wished", "frames"), [(None, 6), (4, 4), (50, 6)])
def test_video_gives_at_most_the_frames_of_both_limits(tmp_path: Path, wished: int | None, frames: int) -> None:
    video = Video("v", write_video(tmp_path / "v.mp4", frames=200, fps=10))
    assert len(list(LIMITS(video, FramePolicy(max_frames=wished)))) == frames


def test_unreadable_picture_is_a_media_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(MediaError):
        list(LIMITS(Image("a", tmp_path / "a.png"), FramePolicy()))
