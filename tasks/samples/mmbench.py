"""MMBench's TSV over synthetic pictures: 24 questions of 2 to 4 options, each with all rotations of its options."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable
from pathlib import Path

from harness.data.scenes import SceneQuestion, image_questions, image_scene, render, scene_rng
from tasks.mmbench import LETTERS, ROTATION
from tasks.samples.phrases import most_options, options

FOLDER = "mmbench"
QUESTIONS = 24
COLUMNS = (
    "index",
    "question",
    "hint",
    *LETTERS,
    "answer",
    "category",
    "image",
    "source",
    "l2-category",
    "comment",
    "split",
)
_CATEGORIES = {
    "colour": ("attribute_recognition", "finegrained_perception (instance-level)"),
    "shape": ("attribute_recognition", "finegrained_perception (instance-level)"),
    "count": ("object_localization", "finegrained_perception (instance-level)"),
    "existence": ("image_scene", "coarse_perception"),
    "relation": ("spatial_relationship", "finegrained_perception (cross-instance)"),
    "size": ("attribute_comparison", "finegrained_perception (cross-instance)"),
    "word": ("ocr", "finegrained_perception (instance-level)"),
}
_HINT = "The picture shows some shapes.\nThey differ in colour."
_JPEG_QUALITY = 88


def write(folder: Path, seed: int) -> None:
    """`mmbench_dev_20230712.tsv`."""
    write_table(folder / "mmbench_dev_20230712.tsv", seed, _HINT, lambda text: text)


def write_table(path: Path, seed: int, hint: str, say: Callable[[str], str]) -> None:
    """The table, with every question and option put through `say`; every third question has a hint."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for number in range(QUESTIONS):
            scene = image_scene("evaluation", number, seed)
            rng = scene_rng("sample mmbench", scene.key)
            asked = image_questions(scene)
            question = asked[number % len(asked)]
            count = min(3 if number % 4 == 3 else 4, most_options(question))
            first = options(question, rng.randrange(count), count, rng)
            picture = io.BytesIO()
            render(scene).save(picture, "JPEG", quality=_JPEG_QUALITY)
            image = base64.b64encode(picture.getvalue()).decode()
            for turn in range(count):
                texts = first[turn:] + first[:turn]
                table.writerow(_row(number, turn, question, texts, hint if number % 3 == 0 else "", image, say))


def _row(
    number: int, turn: int, question: SceneQuestion, texts: list[str], hint: str, image: str, say: Callable[[str], str]
) -> list[str | int]:
    category, level_2 = _CATEGORIES[question.kind]
    shown = [say(text) for text in texts] + [""] * (len(LETTERS) - len(texts))
    answer = LETTERS[texts.index(question.answer)]
    index = number + 1 + turn * ROTATION
    return [index, say(question.text), hint, *shown, answer, category, image, "scenes", level_2, "", "dev"]
