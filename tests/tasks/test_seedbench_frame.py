from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from harness.data.sources import DataSource
from harness.errors import MediaError
from harness.types import Image
from tasks.seedbench import SeedBench
from tasks.seedbench_frame import VideoFrame, frame_index
from tests.support.folders import write_json, write_jsonl
from tests.support.media import GREY_FIRST, GREY_STEP, write_video


def shown(source: VideoFrame) -> int:
    with Pillow.open(io.BytesIO(source.read())) as picture:
        return round((picture.getpixel((60, 40))[0] - GREY_FIRST) / GREY_STEP)


@pytest.mark.parametrize(
    ("question_type", "segment", "index"),
    [
        (10, None, 14),  # 29 frames without the last: (29 - 1) // 2
        (10, (0.0, 1.0), 14),
        (11, (1.0, 2.0), 14),  # frames 10 to 20 at 10 fps: 10 + (10 - 1) // 2
        (11, (2.0, 99.0), 24),  # ends at frame 29
        (12, (5.0, 10.0), 7),
        (12, (5.0, 99.0), 17),  # ends at frame 30
        (12, (7.0, 7.0), 7),
    ],
)
def test_the_frame_shown_is_the_middle_of_what_is_asked_about(
    tmp_path: Path, question_type: int, segment: tuple[float, float] | None, index: int
) -> None:
    assert frame_index(question_type, 30, 10.0, segment) == index
    assert shown(VideoFrame(write_video(tmp_path / "v.mp4", 30, 10), question_type, segment)) == index


@given(
    st.sampled_from([10, 11, 12]),
    st.integers(1, 1000),
    st.floats(1, 60),
    st.none() | st.tuples(st.floats(-10, 2000), st.floats(-10, 2000)),
)
def test_the_frame_lies_in_the_video(kind: int, total: int, fps: float, segment: tuple[float, float] | None) -> None:
    assert 0 <= frame_index(kind, total, fps, segment) < total


def test_an_extracted_frame_is_preferred_to_the_video(tmp_path: Path) -> None:
    root = tmp_path / "seed_bench"
    choices = {f"choice_{letter}": letter for letter in "abcd"}
    row = {"answer": "A", "data_id": "task10/v.mp4", "data_type": "video", "question": "Which?", "question_id": "7"}
    write_json(root / "SEED-Bench.json", {"questions": [{**row, **choices, "question_type_id": 10}]})
    file = "SEED-Bench-video-image/10_7.png"
    write_jsonl(root / "llava-seed-bench.jsonl", [{"question_id": 7, "image": file, "text": "", "category": ""}])

    def media() -> Image:
        (sample,) = SeedBench().samples(DataSource("folder", tmp_path))
        assert isinstance(sample.media, Image)
        return sample.media

    assert media().source == root / file
    (root / "SEED-Bench-video" / "task10").mkdir(parents=True)
    video = write_video(root / "SEED-Bench-video" / "task10" / "v.mp4", 4)
    assert media().source == VideoFrame(video, 10, None)
    (root / file).parent.mkdir()
    Pillow.new("RGB", (4, 4)).save(root / file)
    assert media().source == root / file


def test_a_video_that_is_gone_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="file not found"):
        VideoFrame(tmp_path / "v.mp4", 10, None).read()
