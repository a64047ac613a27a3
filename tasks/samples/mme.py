"""MME's folder layout over synthetic pictures: 8 pictures in each of 7 categories, one Yes and one No question each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

from harness.data.scenes import COLORS, SHAPES, WORDS, ImageScene, image_scene, render, scene_rng
from tasks.mme import INSTRUCTION
from tasks.samples.phrases import with_article
from tasks.wording import SHORT_ANSWER

FOLDER = "MME"
PICTURES = 8
_IN_SUBFOLDERS = ("scene",)
"""As in the release, where five categories keep pictures and questions in folders of their own."""
_JPEG_QUALITY = 92

_Pair = tuple[str, str]
"""A question to which the answer is yes, and one to which it is no."""
_Ask = Callable[[ImageScene, random.Random], _Pair | None]


def write(folder: Path, seed: int) -> None:
    """`llava_mme.jsonl` and `MME_Benchmark_release_version/<category>/`, each text file 'question TAB Yes|No' twice."""
    root = folder / "MME_Benchmark_release_version"
    lines: list[dict[str, str]] = []
    indices = count()
    for category, ask in _ASK.items():
        nested = category in _IN_SUBFOLDERS
        images = root / category / "images" if nested else root / category
        answers = root / category / "questions_answers_YN" if nested else root / category
        images.mkdir(parents=True)
        answers.mkdir(exist_ok=True)
        for number in range(1, PICTURES + 1):
            scene, pair = _next(ask, indices, seed)
            (yes, no), image = pair, images / f"{number:04d}.jpg"
            render(scene).save(image, quality=_JPEG_QUALITY)
            text = f"{yes} {INSTRUCTION}\tYes\n{no} {INSTRUCTION}\tNo\n"
            (answers / f"{number:04d}.txt").write_text(text, encoding="utf-8")
            name = image.relative_to(root).as_posix()
            shared = {"question_id": name, "image": name, "category": category}
            lines += [{**shared, "text": f"{question}\n{SHORT_ANSWER}"} for question in pair]
    jsonl = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "llava_mme.jsonl").write_text(jsonl, encoding="utf-8")


def _next(ask: _Ask, indices: count[int], seed: int) -> tuple[ImageScene, _Pair]:
    """The next scene of which one can ask that."""
    while True:
        scene = image_scene("evaluation", next(indices), seed)
        if pair := ask(scene, scene_rng("sample mme", scene.key)):
            return scene, pair


def _existence(scene: ImageScene, rng: random.Random) -> _Pair:
    names = (with_article(f"{color} object") for color in (rng.choice(scene.things).color, _absent_color(scene, rng)))
    return _both("Is there {} in this image?", *names)


def _count(scene: ImageScene, rng: random.Random) -> _Pair:
    shape = scene.things[0].shape
    number = sum(thing.shape == shape for thing in scene.things)
    other = rng.choice([n for n in (1, 2, 3, 4) if n != number])
    return _both(f"Is the number of {shape} objects in this image {{}}?", number, other)


def _position(scene: ImageScene, rng: random.Random) -> _Pair | None:
    apart = [(a, b) for a in scene.things for b in scene.things if b.x - a.x > 40]
    if not apart:
        return None
    one, other = (f"{thing.color} {thing.shape}" for thing in rng.choice(apart))
    return _both(f"Is the {one} on the {{}} of the {other}?", "left", "right")


def _color(scene: ImageScene, rng: random.Random) -> _Pair:
    thing = rng.choice(scene.things)
    names = (with_article(f"{color} {thing.shape}") for color in (thing.color, _absent_color(scene, rng)))
    return _both("Is there {} in the image?", *names)


def _scene(scene: ImageScene, rng: random.Random) -> _Pair | None:
    shapes = {thing.shape for thing in scene.things}
    absent = [shape for shape in SHAPES if shape not in shapes]
    return _both("Does this image show a {}?", rng.choice(scene.things).shape, rng.choice(absent)) if absent else None


def _ocr(scene: ImageScene, rng: random.Random) -> _Pair | None:
    if scene.word is None:
        return None
    other = rng.choice([word for word in WORDS if word != scene.word])
    return _both('Is the word in the image "{}"?', scene.word.lower(), other.lower())


def _calculation(scene: ImageScene, rng: random.Random) -> _Pair:
    total = len(scene.things) + 1
    return _both("With one more object, will there be {} objects in the image?", total, total + rng.choice((-1, 1)))


def _absent_color(scene: ImageScene, rng: random.Random) -> str:
    return rng.choice([color for color in COLORS if color not in {thing.color for thing in scene.things}])


def _both(question: str, yes: object, no: object) -> _Pair:
    return question.format(yes), question.format(no)


_ASK: dict[str, _Ask] = {
    "existence": _existence,
    "count": _count,
    "position": _position,
    "color": _color,
    "scene": _scene,
    "OCR": _ocr,
    "numerical_calculation": _calculation,
}
