"""ScienceQA's folder layout over synthetic pictures: 60 questions with one, and 24 that a text answers instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.data.scenes import image_caption, image_questions, image_scene, render, scene_rng
from tasks.samples.phrases import most_options, options
from tasks.scienceqa import llava_text

FOLDER = "scienceqa"
WITH_PICTURE = 60
WITHOUT = 24
_HINT = "Look at the picture. Then answer the question."


def write(folder: Path, seed: int) -> None:
    """`llava_test_CQM-A.json`, `problems.json`, `pid_splits.json`, `images/test/<id>/image.png`."""
    lines: list[dict[str, Any]] = []
    problems: dict[str, dict[str, Any]] = {}
    for number in range(WITH_PICTURE + WITHOUT):
        pictured, key = number < WITH_PICTURE, str(number + 1)
        scene = image_scene("evaluation", number, seed)
        rng = scene_rng("sample scienceqa", scene.key)
        asked = image_questions(scene)
        question = asked[number % len(asked)]
        count = min(2 + number % 4, most_options(question))
        place = number // 4 % count
        hint = (_HINT if number % 2 else "") if pictured else image_caption(scene)
        problem = _problem(question.text, options(question, place, count, rng), place, hint, pictured)
        problems[key] = {**problem, "topic": question.kind}
        value = llava_text(hint, question.text, problem["choices"])
        talk = [{"from": "human", "value": value}, {"from": "gpt", "value": "ABCDE"[place]}]
        if pictured:
            (folder / "images" / "test" / key).mkdir(parents=True)
            render(scene).save(folder / "images" / "test" / key / "image.png")
            talk[0]["value"] = f"<image>\n{value}"
        lines.append({"id": key, **({"image": f"{key}/image.png"} if pictured else {}), "conversations": talk})
    files = {"llava_test_CQM-A": lines, "problems": problems, "pid_splits": {"test": list(problems)}}
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def _problem(question: str, choices: list[str], answer: int, hint: str, pictured: bool) -> dict[str, Any]:
    return {
        "question": question,
        "choices": choices,
        "answer": answer,
        "hint": hint,
        "image": "image.png" if pictured else None,
        "task": "closed choice",
        "grade": "grade2",
        "subject": "natural science",
        "category": "Scenes",
        "skill": "Describe a scene",
        "lecture": "",
        "solution": "",
        "split": "test",
    }
