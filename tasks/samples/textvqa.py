"""TextVQA's folder layout over synthetic pictures with a printed word, which is among the OCR tokens."""

from __future__ import annotations

import json
import random
from itertools import count
from pathlib import Path
from typing import Any

from harness.data.scenes import WORDS, SceneQuestion, image_questions, image_scene, render, scene_rng
from tasks.samples.people import answers
from tasks.textvqa import OCR_PREFIX
from tasks.wording import SHORT_ANSWER

FOLDER = "textvqa"
PICTURES = 64
MOST_DISTRACTORS = 2
_JPEG_QUALITY = 92
_FIRST_QUESTION = 34602


def write(folder: Path, seed: int) -> None:
    """`llava_textvqa_val_v051_ocr.jsonl`, `TextVQA_0.5.1_val.json`, `train_images/*.jpg`."""
    (folder / "train_images").mkdir()
    lines: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in count():
        if len(lines) == PICTURES:
            break
        scene = image_scene("evaluation", index, seed)
        if scene.word is None:
            continue
        rng = scene_rng("sample textvqa", scene.key)
        (question,) = (one for one in image_questions(scene) if one.kind == "word")
        image = f"{rng.getrandbits(64):016x}"
        render(scene).save(folder / "train_images" / f"{image}.jpg", quality=_JPEG_QUALITY)
        text = f"{question.text}\n{OCR_PREFIX}{', '.join(_tokens(question, rng))}\n{SHORT_ANSWER}"
        lines.append({"question_id": image, "image": f"{image}.jpg", "text": text, "category": "default"})
        ids = {"question_id": _FIRST_QUESTION + len(annotations), "image_id": image}
        annotations.append({**ids, "question": question.text.lower(), "answers": answers(question, rng)})
    jsonl = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "llava_textvqa_val_v051_ocr.jsonl").write_text(jsonl, encoding="utf-8")
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": annotations}), encoding="utf-8")


def _tokens(question: SceneQuestion, rng: random.Random) -> list[str]:
    """The printed word and up to two words that are not printed, in any order."""
    others = [word.lower() for word in WORDS if word.lower() != question.answer]
    tokens = [question.answer, *rng.sample(others, rng.randint(0, MOST_DISTRACTORS))]
    return rng.sample(tokens, len(tokens))
