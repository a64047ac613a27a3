from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.media.video import count_frames, read_frames
from harness.scoring.statistics import point
from harness.types import FramePolicy, Sample, Video
from tasks import TASKS
from tasks import samples as sample_sets
from tasks.mvbench_layout import BOUNDED, FRAME_FOLDERS
from tasks.mvbench_layout import TASKS as MVBENCH_TASKS
from tests.support.tasks import score_texts

SEED = 0
OPTIONS = {"mvbench": 4, "egoschema": 5}
Sets = Mapping[str, Sequence[Sample]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    sample_sets.build(OPTIONS, folder, SEED)
    return folder


@pytest.fixture(scope="module")
def sets(root: Path) -> Sets:
    return {name: TASKS.load(name)().samples(DataSource("folder", root, synthetic=True)) for name in OPTIONS}


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def videos(samples: Sequence[Sample]) -> set[Video]:
    return {sample.media for sample in samples if isinstance(sample.media, Video)}


@pytest.mark.parametrize(("name", "least"), [("mvbench", 60), ("egoschema", 40)])
def test_a_set_is_whole_and_its_options_differ(sets: Sets, name: str, least: int) -> None:
    assert len(sets[name]) >= least
    assert not any(sample.broken for sample in sets[name])
    assert {len(set(sample.choices)) for sample in sets[name]} == {OPTIONS[name]}
    assert all(video.source.exists() for video in videos(sets[name]))


@pytest.mark.parametrize("name", OPTIONS)
def test_right_letters_score_all_and_a_constant_one_scores_chance(sets: Sets, name: str) -> None:
    task, samples = TASKS.load(name)(), sets[name]
    run = score_texts(task, samples, [sample.answer for sample in samples])
    assert point(task.headline, run) == 100.0
    assert set(task.variants(run).values()) == {100.0}
    for letter in "ABCDE"[: OPTIONS[name]]:
        assert point(task.headline, score_texts(task, samples, [letter] * len(samples))) == 100 / OPTIONS[name]


def test_mvbench_asks_as_often_in_each_of_twenty_tasks_and_bounds_those_that_have_bounds(sets: Sets) -> None:
    asked = Counter(sample.meta["task"] for sample in sets["mvbench"])
    assert list(asked) == list(MVBENCH_TASKS)
    assert len(set(asked.values())) == 1
    bounded = {s.meta["task"] for s in sets["mvbench"] if isinstance(s.media, Video) and s.media.start_s is not None}
    assert bounded == set(BOUNDED)
    assert max(Counter(sample.media.id for sample in sets["mvbench"] if sample.media).values()) > 1


def test_mvbench_clips_are_shorter_than_their_videos_but_never_empty(sets: Sets) -> None:
    bounded = [video for video in videos(sets["mvbench"]) if video.start_s is not None]
    shown = [(count_frames(one, FramePolicy(clip_bounds=True)), count_frames(one, FramePolicy())) for one in bounded]
    assert all(1 <= clip <= whole for clip, whole in shown)
    assert any(clip < whole for clip, whole in shown)


def test_mvbench_frame_folders_are_shown_in_full(sets: Sets) -> None:
    folders = videos([sample for sample in sets["mvbench"] if sample.meta["task"] in FRAME_FOLDERS])
    assert folders
    for video in folders:
        assert len(list(read_frames(video, FramePolicy()))) == len(list(video.source.iterdir())) == 24


def test_egoschema_has_a_clip_for_each_question(sets: Sets) -> None:
    assert len(videos(sets["egoschema"])) == len(sets["egoschema"])
    assert {count_frames(video, FramePolicy()) for video in videos(sets["egoschema"])} == {8}


def test_same_seed_same_bytes_and_another_seed_other_ones(root: Path, tmp_path: Path) -> None:
    sample_sets.build(OPTIONS, tmp_path / "again", SEED)
    sample_sets.build(["egoschema"], tmp_path / "other", SEED + 1)
    assert digests(tmp_path / "again") == digests(root)
    assert digests(tmp_path / "other" / "egoschema") != digests(root / "egoschema")


def test_no_clip_is_in_two_sets(root: Path, tmp_path: Path) -> None:
    sample_sets.build(["mlvu"], tmp_path, SEED)
    clips = [root / "MVBench", root / "egoschema", tmp_path / "MLVU"]
    found = [digest for folder in clips for path, digest in digests(folder).items() if path.endswith(".mp4")]
    assert len(found) == len(set(found))
