"""MM-Vet's folder layout over synthetic pictures. The kind of a question says which capabilities it needs.

Nothing here needs knowledge (`know`): the pictures hold nothing that one could know beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.data.scenes import ImageScene, SceneQuestion, image_caption, image_questions, image_scene, render

FOLDER = "mm-vet"
PICTURES = 14
DESCRIBE = "Describe the image."
CAPABILITIES = {
    "colour": ["rec"],
    "shape": ["rec"],
    "existence": ["rec"],
    "count": ["rec", "math"],
    "relation": ["rec", "spat"],
    "size": ["rec", "spat"],
    "word": ["ocr"],
    "caption": ["rec", "gen", "spat"],
    "caption with a word": ["rec", "gen", "ocr", "spat"],
}
_OTHER_WORDS = {"1": "one", "2": "two", "3": "three", "4": "four", "larger": "bigger"}
_JPEG_QUALITY = 92


def write(folder: Path, seed: int) -> None:
    """`llava-mm-vet.jsonl`, `mm-vet.json`, `images/*.jpg`, each picture named after its first question."""
    (folder / "images").mkdir()
    lines: list[str] = []
    annotations: dict[str, Any] = {}
    for index in range(PICTURES):
        scene, name = image_scene("evaluation", index, seed), f"v1_{len(lines)}.jpg"
        render(scene).save(folder / "images" / name, quality=_JPEG_QUALITY)
        for question, answer, kind in _asked(scene):
            number = len(lines)
            row = {"image": name, "text": question, "category": "conv", "question_id": number}
            lines.append(json.dumps(row) + "\n")
            annotations[f"v1_{number}"] = {
                "imagename": name,
                "question": question,
                "answer": answer,
                "capability": CAPABILITIES[kind],
                "imagesource": "synthetic scene",
            }
    (folder / "llava-mm-vet.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "mm-vet.json").write_text(json.dumps(annotations), encoding="utf-8")


def _asked(scene: ImageScene) -> Iterator[tuple[str, str, str]]:
    """(question, answer, kind); a description is right with all its parts."""
    for question in image_questions(scene):
        yield question.text, _answer(question), question.kind
    parts = image_caption(scene).split(", ")
    yield DESCRIBE, "<AND>".join(parts), "caption with a word" if scene.word else "caption"


def _answer(question: SceneQuestion) -> str:
    """With the other word for it, where there is one."""
    other = _OTHER_WORDS.get(question.answer)
    return f"{question.answer}<OR>{other}" if other else question.answer
