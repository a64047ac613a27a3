"""Open questions about moving scenes in the layout of Video-LLaVA's zero-shot archives: four clips of each kind, one
or two questions a clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.data.scenes import VIDEO_KINDS, VideoScene, video_questions, video_scene
from tasks.question_pairs import Layout
from tasks.samples.video import write_video

CLIPS_PER_KIND = 4


def write_question_pairs(
    folder: Path, layout: Layout, first: int, name: Callable[[VideoScene], str], seed: int
) -> None:
    """`test_q.json`, `test_a.json` and the videos under the layout's folder. `first`: number of each kind's first clip,
    so that the sets show different ones. The answers' `type` is the kind of clip."""
    videos = folder / layout.videos
    videos.mkdir(parents=True)
    questions: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for kind in VIDEO_KINDS:
        for index in range(first, first + CLIPS_PER_KIND):
            scene = video_scene("evaluation", kind, index, seed)
            video = name(scene)
            write_video(scene, videos / f"{layout.prefix}{video}.mp4")
            for number, question in enumerate(video_questions(scene)):
                asked = {"question_id": f"{video}_{number}"}
                questions.append({"video_name": video, "question": question.text, **asked})
                answers.append({"answer": question.answer, "type": kind, **asked})
    (folder / "test_q.json").write_text(json.dumps(questions, indent=1), encoding="utf-8")
    (folder / "test_a.json").write_text(json.dumps(answers, indent=1), encoding="utf-8")
