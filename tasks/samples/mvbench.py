"""MVBench's folder layout over moving scenes: four questions for each of twenty tasks, every letter right once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.data.scenes import SECONDS, VideoScene, render_frames, video_questions, video_scene
from tasks.mvbench_layout import BOUNDED, FOLDER_FPS, FRAME_FOLDERS, PREFIXES, TASKS, stem
from tasks.samples.options import balanced_places, with_answer_at
from tasks.samples.video import write_video

FOLDER = "MVBench"
QUESTIONS_PER_TASK = 4
FIRST = 60
"""Number of each kind's first scene, so that MLVU's sample set shows different ones."""
KINDS = {
    "Action Sequence": "order",
    "Action Prediction": "order",
    "Action Antonym": "ego",
    "Fine-grained Action": "plotQA",
    "Unexpected Action": "anomaly_reco",
    "Object Existence": "needle",
    "Object Interaction": "plotQA",
    "Object Shuffle": "order",
    "Moving Direction": "ego",
    "Action Localization": "needle",
    "Scene Transition": "topic_reasoning",
    "Action Count": "count",
    "Moving Count": "count",
    "Moving Attribute": "plotQA",
    "State Change": "anomaly_reco",
    "Fine-grained Pose": "topic_reasoning",
    "Character Order": "order",
    "Egocentric Navigation": "ego",
    "Episodic Reasoning": "needle",
    "Counterfactual Inference": "topic_reasoning",
}
"""The kind of scene that comes nearest to each task."""


def write(folder: Path, seed: int) -> None:
    """`json/<task>.json` and `video/<prefix>/<task>_<number>.mp4`, or a folder of pictures of that name."""
    (folder / "json").mkdir()
    for task in TASKS:
        videos = folder / "video" / PREFIXES[task]
        videos.mkdir(parents=True, exist_ok=True)
        rows = _rows(videos, task, seed)
        (folder / "json" / f"{stem(task)}.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _rows(videos: Path, task: str, seed: int) -> list[dict[str, Any]]:
    places = balanced_places(QUESTIONS_PER_TASK, 4, stem(task), seed)
    rows: list[dict[str, Any]] = []
    index = FIRST + QUESTIONS_PER_TASK * TASKS.index(task)
    while len(rows) < QUESTIONS_PER_TASK:
        scene = video_scene("evaluation", KINDS[task], index, seed)
        name = _write_scene(scene, videos, f"{stem(task)}_{index}", task in FRAME_FOLDERS)
        for question in video_questions(scene)[: QUESTIONS_PER_TASK - len(rows)]:
            rows.append(
                {
                    "video": name,
                    "question": question.text,
                    "candidates": with_answer_at(places[len(rows)], question.choices, question.answer),
                    "answer": question.answer,
                    **(_bounds(scene) if task in BOUNDED else {}),
                }
            )
        index += 1
    return rows


def _write_scene(scene: VideoScene, videos: Path, name: str, as_pictures: bool) -> str:
    if not as_pictures:
        write_video(scene, videos / f"{name}.mp4")
        return f"{name}.mp4"
    (videos / name).mkdir()
    for number, picture in enumerate(render_frames(scene, FOLDER_FPS), start=1):
        picture.save(videos / name / f"{number:05}.jpg", quality=90)
    return name


def _bounds(scene: VideoScene) -> dict[str, float]:
    """The seconds in which something comes or goes, and one on either side; where nothing does, all but the ends."""
    eventful = [second for track in scene.tracks if len(track.seconds) < SECONDS for second in track.seconds]
    start, end = min(eventful, default=2) - 1, max(eventful, default=SECONDS - 3) + 2
    return {"start": float(max(0, start)), "end": float(min(SECONDS, end))}
