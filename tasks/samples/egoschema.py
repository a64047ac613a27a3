"""EgoSchema's folder layout over moving scenes: a clip for each question, five options, every letter equally often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.data.scenes import COLORS, SHAPES, VIDEO_KINDS, SceneQuestion, scene_rng, video_questions, video_scene
from tasks.samples.options import balanced_places, with_answer_at
from tasks.samples.video import write_video

FOLDER = "egoschema"
QUESTIONS = 50
FIRST = 160
"""Number of the first scene, so that the other sample sets show different ones."""
_FIFTH = (
    tuple(COLORS),
    tuple(SHAPES),
    ("1", "2", "3", "4", "5"),
    ("left", "right", "up", "down", "nowhere"),
    ("color change", "shape change", "disappearance", "growth", "rotation"),
)
"""Scenes' questions have four options; the fifth comes from the list that holds those."""


def write(folder: Path, seed: int) -> None:
    """`mc.json` and `videos/<q_uid>.mp4`."""
    (folder / "videos").mkdir()
    places = balanced_places(QUESTIONS, 5, FOLDER, seed)
    rows: list[dict[str, Any]] = []
    for index, place in enumerate(places):
        kind = VIDEO_KINDS[index % len(VIDEO_KINDS)]
        scene, uid = video_scene("evaluation", kind, FIRST + index, seed), f"sample-{kind}-{index:02}"
        write_video(scene, folder / "videos" / f"{uid}.mp4")
        questions = video_questions(scene)
        question = questions[index // len(VIDEO_KINDS) % len(questions)]
        options = with_answer_at(place, [*question.choices, _fifth(question, uid, seed)], question.answer)
        texts = {f"option {number}": text for number, text in enumerate(options)}
        rows.append({"q_uid": uid, "question": question.text, **texts, "answer": place})
    (folder / "mc.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _fifth(question: SceneQuestion, uid: str, seed: int) -> str:
    pool = next(pool for pool in _FIFTH if set(question.choices) <= set(pool))
    return scene_rng("fifth option", uid, seed).choice([text for text in pool if text not in question.choices])
