"""GQA's folder layout over synthetic pictures: about 380 questions of seven kinds, existence half yes and half no."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.scenes import ImageScene, SceneQuestion, image_questions, image_scene, render
from tasks.wording import SHORT_ANSWER

FOLDER = "gqa"
IMAGES = 60
_JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of question looks in GQA's annotation. `pattern` finds what it is about; `steps` and `full` use it."""

    pattern: str
    structural: str
    semantic: str
    steps: tuple[tuple[str, str], ...]
    full: str
    group: str | None = None


_FORMS = {
    "colour": _Form(
        r"What color is the (.+)\?",
        "query",
        "attr",
        (("select", "{0}"), ("query", "color")),
        "The {0} is {a}.",
        "color",
    ),
    "shape": _Form(
        r"What shape is the (.+)\?",
        "query",
        "cat",
        (("select", "{0}"), ("query", "shape")),
        "The {0} is a {a}.",
        "shape",
    ),
    "count": _Form(
        r"How many (.+) are there\?",
        "query",
        "obj",
        (("select", "{0}"), ("query", "number")),
        "The number of {0} is {a}.",
        "number",
    ),
    "existence": _Form(r"Is there (an? .+)\?", "verify", "obj", (("select", "{0}"), ("exist", "?")), "{a}"),
    "relation": _Form(
        r"Is the (.+) (left or right of|above or below) the (.+)\?",
        "choose",
        "rel",
        (("select", "{2}"), ("select", "{0}"), ("choose rel", "{1}")),
        "The {0} is {a} as seen from the {2}.",
    ),
    "size": _Form(
        r"Is the (.+) (larger or smaller) than the (.+)\?",
        "choose",
        "attr",
        (("select", "{0}"), ("select", "{2}"), ("choose size", "{1}")),
        "The {0} is {a} than the {2}.",
    ),
    "word": _Form(
        r"What (word) is printed\?", "query", "attr", (("select", "{0}"), ("query", "text")), "The {0} is {a}.", "word"
    ),
}


def write(folder: Path, seed: int) -> None:
    """`llava_gqa_testdev_balanced.jsonl`, `data/testdev_balanced_questions.json`, `data/images/*.jpg`."""
    images = folder / "data" / "images"
    images.mkdir(parents=True)
    lines: list[dict[str, str]] = []
    annotations: dict[str, dict[str, Any]] = {}
    for number, (scene, questions) in enumerate(_scenes(seed)):
        name = f"n{number:03d}"
        render(scene).save(images / f"{name}.jpg", quality=_JPEG_QUALITY)
        for place, question in enumerate(questions):
            key = f"{number:03d}{place:02d}"
            annotations[key] = _annotation(key, name, question)
            text = f"{question.text}\n{SHORT_ANSWER}"
            lines.append({"question_id": key, "image": f"{name}.jpg", "text": text, "category": "default"})
    jsonl = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "llava_gqa_testdev_balanced.jsonl").write_text(jsonl, encoding="utf-8")
    (folder / "data" / "testdev_balanced_questions.json").write_text(json.dumps(annotations), encoding="utf-8")


def _scenes(seed: int) -> Iterator[tuple[ImageScene, list[SceneQuestion]]]:
    """`IMAGES` scenes; the answers to their existence questions are yes and no by turns."""
    wanted, index = "yes", 0
    for _ in range(IMAGES):
        while True:
            scene = image_scene("evaluation", index, seed)
            questions, index = image_questions(scene), index + 1
            if all(question.answer == wanted for question in questions if question.kind == "existence"):
                break
        yield scene, questions
        wanted = "no" if wanted == "yes" else "yes"


def _annotation(key: str, image: str, question: SceneQuestion) -> dict[str, Any]:
    form = _FORMS[question.kind]
    found = re.fullmatch(form.pattern, question.text)
    if found is None:
        raise ValueError(f"a question of kind '{question.kind}' has an unknown form: {question.text}")
    operations = [(operation, argument.format(*found.groups())) for operation, argument in form.steps]
    return {
        "semantic": [
            {
                "operation": operation,
                "dependencies": [] if operation == "select" else list(range(step)),
                "argument": argument,
            }
            for step, (operation, argument) in enumerate(operations)
        ],
        "entailed": [],
        "equivalent": [key],
        "question": question.text,
        "imageId": image,
        "isBalanced": True,
        "groups": {"global": form.group, "local": f"{question.kind}-{found.group(1)}"},
        "answer": question.answer,
        "semanticStr": "->".join(f"{operation}: {argument}" for operation, argument in operations),
        "annotations": {"answer": {}, "question": {}, "fullAnswer": {}},
        "types": {"detailed": question.kind, "semantic": form.semantic, "structural": form.structural},
        "fullAnswer": form.full.format(*found.groups(), a=question.answer),
        "kind": question.kind,
    }
