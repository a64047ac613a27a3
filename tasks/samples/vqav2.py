"""VQA-v2's val2014 layout over synthetic pictures: about 200 questions of seven kinds, ten answers each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.data.scenes import image_questions, image_scene, render, scene_rng
from tasks.samples.people import answer_type, answers
from tasks.vqav2 import VAL_ANNOTATIONS, VAL_IMAGES, VAL_QUESTIONS

FOLDER = "vqav2"
PICTURES = 30
_JPEG_QUALITY = 92
_QUESTION_TYPES = {
    "colour": "what color is the",
    "shape": "what",
    "count": "how many",
    "existence": "is there a",
    "relation": "is the",
    "size": "is the",
    "word": "what",
}


def write(folder: Path, seed: int) -> None:
    """`v2_OpenEnded_mscoco_val2014_questions.json`, `v2_mscoco_val2014_annotations.json`, `val2014/*.jpg`."""
    root = folder / Path(VAL_IMAGES).name
    root.mkdir()
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, PICTURES + 1):
        scene = image_scene("evaluation", number - 1, seed)
        rng = scene_rng("sample vqav2", scene.key)
        render(scene).save(root / f"COCO_val2014_{number:012d}.jpg", quality=_JPEG_QUALITY)
        for place, question in enumerate(image_questions(scene)):
            ids = {"question_id": 1000 * number + place, "image_id": number}
            questions.append({**ids, "question": question.text})
            said = [
                {"answer": answer, "answer_confidence": "yes", "answer_id": person}
                for person, answer in enumerate(answers(question, rng), start=1)
            ]
            types = {"question_type": _QUESTION_TYPES[question.kind], "answer_type": answer_type(question)}
            annotations.append({**ids, **types, "multiple_choice_answer": question.answer, "answers": said})
    _write(folder / Path(VAL_QUESTIONS).name, {"questions": questions})
    _write(folder / Path(VAL_ANNOTATIONS).name, {"annotations": annotations})


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
