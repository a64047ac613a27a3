"""The Video-ChatGPT generative benchmark's folder layout over moving scenes.

Generic rows ask one question about each of four clips of every kind and want a description of some; temporal rows ask
what is first and last and what moves; a consistency row asks one thing twice, without and with an instruction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.data.scenes import VIDEO_KINDS, VideoScene, video_caption, video_questions, video_scene
from tasks.samples.video import write_video
from tasks.videochatgpt_rows import CONSISTENCY, FILES, GENERIC, TEMPORAL
from tasks.wording import SHORT_ANSWER

FOLDER = "benchmarking"
_FIRST_CLIP = 400
_GENERIC_CLIPS, _TEMPORAL_CLIPS, _CONSISTENCY_CLIPS = 4, 4, 3
_DESCRIBED = 1
"""Clips of each kind that are also to be described."""


def write(folder: Path, seed: int) -> None:
    """`Benchmarking_QA/{generic_qa,temporal_qa,consistency_qa}.json`, `Test_Videos/*.mp4`."""
    (folder / "Benchmarking_QA").mkdir()
    (folder / "Test_Videos").mkdir()
    first = _FIRST_CLIP
    generic = _clips(folder, VIDEO_KINDS, range(first, first + _GENERIC_CLIPS), seed)
    _rows(folder, GENERIC, (row for scene in generic for row in _generic(scene)))
    first += _GENERIC_CLIPS
    temporal = _clips(folder, ("order", "plotQA"), range(first, first + _TEMPORAL_CLIPS), seed)
    _rows(folder, TEMPORAL, (row for scene in temporal for row in _asked(scene)))
    first += _TEMPORAL_CLIPS
    consistency = _clips(folder, ("needle", "plotQA"), range(first, first + _CONSISTENCY_CLIPS), seed)
    _rows(folder, CONSISTENCY, (row for scene in consistency for row in _twice(scene)))


def _clips(folder: Path, kinds: Iterable[str], numbers: range, seed: int) -> Iterator[VideoScene]:
    for kind in kinds:
        for number in numbers:
            scene = video_scene("evaluation", kind, number, seed)
            write_video(scene, folder / "Test_Videos" / f"{scene.key}.mp4")
            yield scene


def _rows(folder: Path, part: str, rows: Iterable[dict[str, str]]) -> None:
    content: list[dict[str, Any]] = list(rows)
    (folder / "Benchmarking_QA" / FILES[part]).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _generic(scene: VideoScene) -> Iterator[dict[str, str]]:
    yield next(_asked(scene))
    if int(scene.key.rpartition("-")[2]) < _FIRST_CLIP + _DESCRIBED:
        yield {"video_name": scene.key, "Q": "Describe the video.", "A": video_caption(scene)}


def _asked(scene: VideoScene) -> Iterator[dict[str, str]]:
    for question in video_questions(scene):
        yield {"video_name": scene.key, "Q": question.text, "A": question.answer}


def _twice(scene: VideoScene) -> Iterator[dict[str, str]]:
    for question in video_questions(scene):
        texts = {"Q1": question.text, "Q2": f"{question.text}\n{SHORT_ANSWER}"}
        yield {"video_name": scene.key, **texts, "A": question.answer}
