"""POPE's folder layout over synthetic pictures: a thing that is there and one that is not, for each and each category.

What is not there is a colour that is absent (random), the commonest absent shape (popular), or a colour that is there
on a shape that does not have it (adversarial).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from harness.data.scenes import COLORS, SHAPES, ImageScene, image_scene, render, scene_rng
from tasks.pope import CATEGORIES
from tasks.samples.phrases import with_article
from tasks.wording import SHORT_ANSWER

FOLDER = "pope"
PICTURES = 30
_JPEG_QUALITY = 92


def write(folder: Path, seed: int) -> None:
    """`llava_pope_test.jsonl`, `coco/coco_pope_<category>.json`, `val2014/*.jpg`."""
    (folder / "coco").mkdir()
    (folder / "val2014").mkdir()
    scenes = [image_scene("evaluation", index, seed) for index in range(PICTURES)]
    names = [f"COCO_val2014_{index + 1:012d}.jpg" for index in range(PICTURES)]
    for scene, name in zip(scenes, names, strict=True):
        render(scene).save(folder / "val2014" / name, quality=_JPEG_QUALITY)
    common = Counter(thing.shape for scene in scenes for thing in scene.things)
    questions: list[dict[str, Any]] = []
    for category in CATEGORIES:
        rng = scene_rng("sample pope", category, seed)
        labels: list[dict[str, Any]] = []
        for scene, name in zip(scenes, names, strict=True):
            for label, thing in zip(("yes", "no"), _things(scene, category, common, rng), strict=True):
                text = f"Is there {with_article(thing)} in the image?"
                row = {"question_id": len(questions) + 1, "image": name, "text": f"{text}\n{SHORT_ANSWER}"}
                questions.append({**row, "category": category})
                labels.append({"question_id": len(labels) + 1, "image": name, "text": text, "label": label})
        _write_jsonl(folder / "coco" / f"coco_pope_{category}.json", labels)
    _write_jsonl(folder / "llava_pope_test.jsonl", questions)


def _things(scene: ImageScene, category: str, common: Counter[str], rng: random.Random) -> tuple[str, str]:
    """A thing of the picture and one that is not in it, named alike."""
    there = rng.choice(scene.things)
    if category == "random":
        absent = rng.choice([color for color in COLORS if color not in {thing.color for thing in scene.things}])
        return f"{there.color} object", f"{absent} object"
    shapes = {thing.shape for thing in scene.things}
    if category == "popular" and len(shapes) < len(SHAPES):
        return there.shape, max((shape for shape in SHAPES if shape not in shapes), key=lambda shape: common[shape])
    wrong = rng.choice([shape for shape in SHAPES if shape != there.shape])
    return f"{there.color} {there.shape}", f"{there.color} {wrong}"


def _write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
