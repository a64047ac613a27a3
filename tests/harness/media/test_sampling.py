"""Frame indices equal those of the released loaders."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from harness.media.sampling import bounded_indices, clip_indices, frame_count, frame_indices, segment_centres
from harness.types import FramePolicy
from tests.support.golden import golden_path

POLICIES = {
    "qa": FramePolicy(),
    "benchmark": FramePolicy(),
    "egoschema": FramePolicy(),
    "mvbench": FramePolicy(max_frames=1000),
    "mlvu": FramePolicy(max_frames=1000),
    "demo_worker": FramePolicy(max_frames=180),
}


WHOLE = (-100000.0, 100000.0)
"""What the official code takes for an item without bounds."""


def golden(*parts: str) -> Any:
    return json.loads(golden_path(*parts).read_text(encoding="utf-8"))


def agrees(indices: list[int], expected: dict[str, Any]) -> bool:
    if "idx" in expected:
        return indices == expected["idx"]
    digest = hashlib.sha256(json.dumps(indices).encode()).hexdigest()
    return len(indices) == expected["n"] and digest == expected["sha256_of_json"]


@pytest.mark.golden
def test_every_loader_takes_the_released_frames() -> None:
    compared = 0
    for case in golden("video", "frames.json")["sampling"]:
        for loader, policy in POLICIES.items():
            expected = case["by_loader"].get(loader)
            if expected is None or "crash" in expected:
                continue  # the released code dies on clips under a second; ours takes one frame (tested below)
            assert agrees(frame_indices(case["total_frames"], case["avg_fps"], policy), expected), (loader, case)
            compared += 1
    assert compared


@pytest.mark.golden
def test_segment_centres_equal_the_released_function() -> None:
    for case in golden("video", "frames.json")["seq"]:
        assert agrees(segment_centres(case["total"], case["want"]), case)


@pytest.mark.golden
def test_bounds_equal_videochat2s_rule() -> None:
    data = golden("video", "frames.json")
    for case in data["mvbench_bounds"]:
        start, end = case["bound"] or WHOLE
        found = bounded_indices(0, case["total_frames"] - 1, case["fps"], start, end, case["num_segments"])
        assert found == case["idx"], case
    for case in data["frame_folder"]:
        start, end = case["bound"] or WHOLE
        assert bounded_indices(1, case["n_files"], 3, start, end, case["num_segments"]) == case["idx"], case


@pytest.mark.golden
def test_frame_counts_and_indices_of_llava_mini() -> None:
    data = golden("llava_mini", "video_sampling.json")
    for case in data["num_frames_1fps"]:
        if case["desired"]:
            assert frame_count(case["total"], case["fps"], FramePolicy()) == case["taken"], case
    for case in data["frame_indices"]:
        assert segment_centres(case["total"], min(case["total"], case["desired"])) == case["indices"], case


@pytest.mark.parametrize("total", [1, 5, 29])
def test_clip_under_a_second_gives_one_frame(total: int) -> None:
    assert len(frame_indices(total, 30.0, FramePolicy())) == 1


@pytest.mark.parametrize("total", [1, 7, 100, 5400])
@pytest.mark.parametrize("fps", [0.5, 1.0, 23.976, 30.0])
def test_indices_ascend_within_the_video(total: int, fps: float) -> None:
    indices = frame_indices(total, fps, FramePolicy(max_frames=50))
    assert indices == sorted(indices)
    assert 0 <= indices[0] <= indices[-1] < total
    assert len(indices) <= 50


@pytest.mark.golden
def test_cropped_clips_take_the_official_frames_where_the_count_is_equal() -> None:
    data, compared = golden("video", "frames.json"), 0
    for case in [*data["mvbench_bounds"], *data["frame_folder"]]:
        if case["bound"] is None:
            continue
        start, end = case["bound"]
        first = 1 if "n_files" in case else 0
        total, fps = case.get("n_files") or case["total_frames"], case.get("fps", 3)
        policy = FramePolicy(fps=1e6, max_frames=case["num_segments"])
        found = clip_indices(total, fps, start, end, policy, first)
        if len(found) == case["num_segments"]:
            assert found == [min(max(index - first, 0), total - 1) for index in case["idx"]], case
            compared += 1
    assert compared
