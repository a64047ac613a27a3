"""VizWiz's val layout over synthetic pictures, one question each; every fourth asks about a thing that is not there."""

from __future__ import annotations

import json
import random
from itertools import count
from pathlib import Path
from typing import Any

from harness.data.scenes import SHAPES, ImageScene, SceneQuestion, image_questions, image_scene, render, scene_rng
from tasks.samples.people import ANNOTATORS, answer_type, answers

FOLDER = "vizwiz"
PICTURES = 80
_JPEG_QUALITY = 92
_UNSURE = ("unsuitable", "unsuitable image")


def write(folder: Path, seed: int) -> None:
    """`val.json`, `val/*.jpg`."""
    (folder / "val").mkdir()
    rows: list[dict[str, Any]] = []
    indices = count()
    while len(rows) < PICTURES:
        scene = image_scene("evaluation", next(indices), seed)
        rng = scene_rng("sample vizwiz", scene.key)
        if row := _absent(scene, rng) if len(rows) % 4 == 0 else _present(scene, rng):
            name = f"VizWiz_val_{len(rows):08d}.jpg"
            render(scene).save(folder / "val" / name, quality=_JPEG_QUALITY)
            rows.append({"image": name, **row})
    (folder / "val.json").write_text(json.dumps(rows), encoding="utf-8")


def _absent(scene: ImageScene, rng: random.Random) -> dict[str, Any] | None:
    """None where every shape is in the picture."""
    absent = [shape for shape in SHAPES if shape not in {thing.shape for thing in scene.things}]
    if not absent:
        return None
    question = f"What color is the {rng.choice(absent)}?"
    return _row(question, ["unanswerable"] * (ANNOTATORS - 2) + list(_UNSURE), "unanswerable", 0)


def _present(scene: ImageScene, rng: random.Random) -> dict[str, Any]:
    question: SceneQuestion = rng.choice(image_questions(scene))
    return _row(question.text, answers(question, rng), answer_type(question), 1)


def _row(question: str, said: list[str], kind: str, answerable: int) -> dict[str, Any]:
    entries = [{"answer": answer, "answer_confidence": "yes"} for answer in said]
    return {"question": question, "answers": entries, "answer_type": kind, "answerable": answerable}
