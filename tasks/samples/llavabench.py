"""LLaVA-Bench's folder layout over synthetic pictures: of each a short question, a harder one and a description.

The caption is the context; what the scene knows to be right is the reference answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.data.scenes import ImageScene, image_caption, image_questions, image_scene, render, scene_rng

FOLDER = "llava-bench-in-the-wild"
PICTURES = 24
DESCRIBE = "Describe the image."
_COMPLEX = ("relation", "size", "count")
_JPEG_QUALITY = 92


def write(folder: Path, seed: int) -> None:
    """`questions.jsonl`, `context.jsonl`, `answers_gpt4.jsonl`, `images/*.jpg`."""
    (folder / "images").mkdir()
    questions: list[dict[str, Any]] = []
    contexts: list[dict[str, Any]] = []
    references: list[dict[str, Any]] = []
    for index in range(PICTURES):
        scene, name = image_scene("evaluation", index, seed), f"{index + 1:03d}.jpg"
        render(scene).save(folder / "images" / name, quality=_JPEG_QUALITY)
        contexts.append({"id": f"{index + 1:03d}", "image": name, "caption": image_caption(scene)})
        for category, text, answer in _asked(scene, scene_rng("sample llavabench", scene.key)):
            number = len(questions)
            questions.append({"question_id": number, "image": name, "category": category, "text": text})
            references.append({"question_id": number, "category": f"llava_bench_{category}", "text": answer})
    _write_jsonl(folder / "questions.jsonl", questions)
    _write_jsonl(folder / "context.jsonl", contexts)
    _write_jsonl(folder / "answers_gpt4.jsonl", references)


def _asked(scene: ImageScene, rng: random.Random) -> list[tuple[str, str, str]]:
    """(category, question, reference) of each category."""
    questions = image_questions(scene)
    conv = rng.choice([one for one in questions if one.kind not in _COMPLEX])
    harder = rng.choice([one for one in questions if one.kind in _COMPLEX])
    return [
        ("conv", conv.text, conv.answer),
        ("detail", DESCRIBE, image_caption(scene)),
        ("complex", harder.text, harder.answer),
    ]


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
