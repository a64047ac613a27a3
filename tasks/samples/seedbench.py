"""SEED-Bench's folder layout over synthetic scenes: 6 questions of each of 9 image and 3 video types."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

from harness.data.scenes import (
    SECONDS,
    image_questions,
    image_scene,
    render,
    render_at,
    scene_rng,
    video_questions,
    video_scene,
)
from tasks.samples.phrases import options
from tasks.seedbench import TYPES
from tasks.wording import LETTER_ANSWER, lettered

FOLDER = "seed_bench"
QUESTIONS_PER_TYPE = 6
_JPEG_QUALITY = 92
_IMAGE_KINDS = ("shape", "shape", "colour", "relation", "count", "relation", "colour", "count", "word")
_KINDS = dict(enumerate((*_IMAGE_KINDS, "plotQA", "order", "topic_reasoning"), start=1))
"""Which kind of question stands for each type, 1 to 12."""


def write(folder: Path, seed: int) -> None:
    """`llava-seed-bench.jsonl`, `SEED-Bench.json`, `SEED-Bench-image/<data_id>`, `SEED-Bench-video-image/*.png`."""
    for name in ("SEED-Bench-image", "SEED-Bench-video-image"):
        (folder / name).mkdir()
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for number in [number for number in TYPES.values() for _ in range(QUESTIONS_PER_TYPE)]:
        key = str(101 + len(rows))
        row, file = _image_item(folder, number, key, seed) if number < 10 else _video_item(folder, number, key, seed)
        rows.append(row)
        text = f"{row['question']}\n{lettered([row[f'choice_{letter}'] for letter in 'abcd'])}\n{LETTER_ANSWER}"
        lines.append({"question_id": int(key), "image": file, "text": text, "category": "default"})
    jsonl = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "llava-seed-bench.jsonl").write_text(jsonl, encoding="utf-8")
    released = {"question_type": TYPES, "questions": rows}
    (folder / "SEED-Bench.json").write_text(json.dumps(released, indent=1), encoding="utf-8")


def _image_item(folder: Path, number: int, key: str, seed: int) -> tuple[dict[str, Any], str]:
    """About the next scene, counted from the key, that can answer such a question. Pictures have no file extension."""
    for index in count(10 * int(key)):
        scene = image_scene("evaluation", index, seed)
        asked = [question for question in image_questions(scene) if question.kind == _KINDS[number]]
        if asked:
            break
    rng, data_id = scene_rng("sample seed", scene.key), f"{key}_{seed}"
    render(scene).save(folder / "SEED-Bench-image" / data_id, format="JPEG", quality=_JPEG_QUALITY)
    place = rng.randrange(4)
    row = _row(number, key, asked[0].text, options(asked[0], place, 4, rng), place)
    return {**row, "data_id": data_id, "data_type": "image"}, f"SEED-Bench-image/{data_id}"


def _video_item(folder: Path, number: int, key: str, seed: int) -> tuple[dict[str, Any], str]:
    """The one frame that LLaVA shows: the middle of the video."""
    scene = video_scene("evaluation", _KINDS[number], int(key), seed)
    question, file = video_questions(scene)[0], f"SEED-Bench-video-image/{number}_{key}.png"
    render_at(scene, SECONDS / 2).save(folder / file)
    choices = list(question.choices)
    row = _row(number, key, question.text, choices, choices.index(question.answer))
    return {**row, "data_id": f"{scene.key}.mp4", "data_type": "video", "segment": [0.0, float(SECONDS)]}, file


def _row(number: int, key: str, question: str, choices: list[str], place: int) -> dict[str, Any]:
    texts = {f"choice_{letter}": text for letter, text in zip("abcd", choices, strict=True)}
    return {"answer": "ABCD"[place], **texts, "question": question, "question_id": key, "question_type_id": number}
