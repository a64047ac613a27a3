from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.data.scenes import VIDEO_KINDS, video_caption, video_scene
from harness.data.sources import DataSource
from harness.media.video import count_frames
from harness.types import FramePolicy, Sample, Video
from tasks import TASKS
from tasks import samples as sample_sets
from tasks.wording import SHORT_ANSWER

SEED = 0
QA = ("msvdqa", "msrvttqa", "activitynetqa")
NAMES = (*QA, "videochatgpt")
Sets = Mapping[str, Sequence[Sample]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    sample_sets.build(NAMES, folder, SEED)
    return folder


@pytest.fixture(scope="module")
def sets(root: Path) -> Sets:
    return {name: TASKS.load(name)().samples(DataSource("folder", root, synthetic=True)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_40_whole_items_and_clips_of_eight_frames(sets: Sets, name: str) -> None:
    samples = sets[name]
    assert len({sample.id for sample in samples}) == len(samples) >= 40
    assert not any(sample.broken for sample in samples)
    clips = {sample.media for sample in samples if isinstance(sample.media, Video)}
    assert {count_frames(clip, FramePolicy()) for clip in clips} == {8}
    assert max(Counter(sample.media for sample in samples).values()) > 1


@pytest.mark.parametrize("name", QA)
def test_every_kind_of_clip_is_asked_about_and_no_answer_serves_for_a_third(sets: Sets, name: str) -> None:
    samples = sets[name]
    assert {sample.meta["type"] for sample in samples} == set(VIDEO_KINDS)
    assert max(Counter(sample.answer for sample in samples).values()) * 3 < len(samples)


def test_the_sets_show_different_clips(root: Path) -> None:
    content = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.mp4"))
    assert set(content.values()) == {1}


def test_generative_rows_cover_all_parts_and_describe_some_clips(sets: Sets) -> None:
    samples = sets["videochatgpt"]
    parts = Counter(sample.meta["part"] for sample in samples)
    assert set(parts) == {"generic", "temporal", "consistency"}
    assert parts["consistency"] % 2 == 0
    described = [sample for sample in samples if sample.question == "Describe the video."]
    assert described
    for sample in described:
        assert sample.media is not None
        _, seed, kind, index = sample.media.id.split("-")
        assert sample.answer == video_caption(video_scene("evaluation", kind, int(index), int(seed)))


def test_both_questions_of_a_consistency_row_ask_one_thing_in_two_wordings(root: Path) -> None:
    rows = json.loads((root / "benchmarking" / "Benchmarking_QA" / "consistency_qa.json").read_text())
    assert all(row["Q2"] == f"{row['Q1']}\n{SHORT_ANSWER}" for row in rows)
    assert len({(row["video_name"], row["Q1"]) for row in rows}) == len(rows)


def test_same_seed_same_bytes(root: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    sample_sets.build(["activitynetqa"], tmp_path, SEED)
    name = "ActivityNet_Zero_Shot_QA"
    assert digests(tmp_path / name) == digests(root / name)
