"""Pictures become what transformers' own image processors make of them, of any size and shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.image_processing_utils import select_best_resolution
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from harness.errors import MediaError
from harness.media.sampling import spread_indices
from harness.media.video import read_frames
from harness.types import FramePolicy, Image, Video
from models.transformers_native.pictures import NativePreparer, Picturing, best_grid, fitted, picturing
from tests.support.media import GREY_FIRST, GREY_STEP, write_video

GRIDS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
CASES = {
    "crop": ("CLIPImageProcessorPil", {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}),
    "square": ("BlipImageProcessorPil", {"size": {"height": 30, "width": 24}}),
    "old square": ("IdeficsImageProcessorPil", {"image_size": 28}),
    "tiles": (
        "LlavaNextImageProcessorPil",
        {
            "size": {"shortest_edge": 28},
            "crop_size": {"height": 28, "width": 28},
            "image_grid_pinpoints": [[28, 56], [56, 28], [56, 56], [84, 28]],
        },
    ),
}
SIDES = st.integers(1, 2000)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(64, 48), (31, 90), (28, 28), (200, 3), (5, 7)])
def test_pixels_are_those_of_transformers(case: str, size: tuple[int, int]) -> None:
    name, raw = CASES[case]
    picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    plain = {**raw, "do_normalize": False, "do_rescale": False}
    made = getattr(transformers, name)(**plain)(picture, return_tensors="np")
    expected = np.asarray(made if not hasattr(made, "pixel_values") else made["pixel_values"])
    expected = expected[0] if case == "tiles" else expected
    np.testing.assert_array_equal(picturing(raw)(picture).transpose(0, 3, 1, 2), expected.astype(np.uint8))


@given(SIDES, SIDES)
def test_the_best_grid_is_the_one_transformers_takes(height: int, width: int) -> None:
    assert best_grid((height, width), [(a, b) for a, b in GRIDS]) == tuple(
        select_best_resolution((height, width), GRIDS)
    )


@given(SIDES, SIDES)
@settings(deadline=None)
def test_sides_are_those_that_qwen_takes(height: int, width: int) -> None:
    if max(height, width) <= 200 * min(height, width):
        expected = smart_resize(height, width, 28, 56 * 56, 28 * 28 * 64)
        assert fitted((height, width), 28, 56 * 56, 28 * 28 * 64) == expected


def test_a_sliver_is_no_picture() -> None:
    for way in (Picturing("square", crop=(28, 28)), Picturing("patches", factor=8, least=64, most=1024)):
        with pytest.raises(MediaError, match="too narrow"):
            way(PIL.Image.new("RGB", (2001, 10)))


@given(st.integers(1, 5000), st.integers(1, 64))
def test_frames_at_equal_distances_are_numpys(total: int, count: int) -> None:
    assert spread_indices(0, total - 1, count) == np.linspace(0, total - 1, count, dtype=int).tolist()


def test_spread_frames_come_from_the_whole_video_or_the_clip(tmp_path: Path) -> None:
    video = Video("v", write_video(tmp_path / "v.mp4", frames=60, fps=10), start_s=2, end_s=4)

    def marks(policy: FramePolicy) -> list[int]:
        frames = read_frames(video, policy, spread=3)
        return [round((int(frame[-1, -1, 0]) - GREY_FIRST) / GREY_STEP) for frame in frames]

    assert marks(FramePolicy()) == [0, 29, 59]
    assert marks(FramePolicy(clip_bounds=True)) == [20, 30, 40]


def test_seconds_between_frames_are_true_where_a_long_video_is_thinned(tmp_path: Path) -> None:
    video = Video("v", write_video(tmp_path / "v.mp4", frames=60, fps=10), start_s=1, end_s=3)
    preparer = NativePreparer(Picturing("square", crop=(8, 8)), Picturing("square", crop=(8, 8)), frames=64)

    def seconds(media: Video, policy: FramePolicy) -> list[float]:
        return [float(one["seconds"][0]) for one in preparer(media, policy)]

    assert seconds(video, FramePolicy()) == [1.0] * 6
    assert seconds(video, FramePolicy(max_frames=2)) == [3.0] * 2
    assert seconds(video, FramePolicy(max_frames=1, clip_bounds=True)) == [2.0]
    (tmp_path / "frames").mkdir()
    for index in range(6):
        PIL.Image.new("RGB", (20, 20)).save(tmp_path / "frames" / f"{index}.png")
    folder = Video("f", tmp_path / "frames", folder_fps=3)
    assert seconds(folder, FramePolicy()) == [1 / 3] * 6
    assert seconds(folder, FramePolicy(max_frames=2)) == [1.0] * 2


def test_a_record_keeps_the_size_the_picture_had(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (50, 20)).save(tmp_path / "p.png")
    (chunk,) = NativePreparer(Picturing("square", crop=(8, 8)))(Image("p", tmp_path / "p.png"), FramePolicy())
    assert chunk["size"].tolist() == [[20, 50]]
    assert chunk["pixels"].shape == (1, 1, 8, 8, 3)
