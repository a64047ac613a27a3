"""MLVU's folder layout over moving scenes: 20 questions for each of seven tasks, each letter right equally often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.data.scenes import SECONDS, video_questions, video_scene
from tasks.mlvu import FILES
from tasks.samples.options import balanced_places, with_answer_at
from tasks.samples.video import write_video

FOLDER = "MLVU"
QUESTIONS_PER_TASK = 20
_TYPE = {"needle": "findNeedle"}


def write(folder: Path, seed: int) -> None:
    """`json/<stem>.json` and `video/<stem>/<number>.mp4`."""
    (folder / "json").mkdir()
    for task, stem in FILES.items():
        (folder / "video" / stem).mkdir(parents=True)
        rows = _rows(folder / "video" / stem, task, seed)
        (folder / "json" / f"{stem}.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _rows(videos: Path, task: str, seed: int) -> list[dict[str, Any]]:
    places = balanced_places(QUESTIONS_PER_TASK, 4, task, seed)
    rows: list[dict[str, Any]] = []
    index = 0
    while len(rows) < QUESTIONS_PER_TASK:
        scene, name = video_scene("evaluation", task, index, seed), f"{task}_{index}.mp4"
        write_video(scene, videos / name)
        for question in video_questions(scene)[: QUESTIONS_PER_TASK - len(rows)]:
            rows.append(
                {
                    "video": name,
                    "duration": float(SECONDS),
                    "question": question.text,
                    "candidates": with_answer_at(places[len(rows)], question.choices, question.answer),
                    "answer": question.answer,
                    "question_type": _TYPE.get(task, task),
                }
            )
        index += 1
    return rows
