"""Training data of the tiny models: LLaVA-format JSON beside JPEG pictures and H.264 clips of synthetic scenes.

    python -m tasks.samples.training --output DIR [--images 40000] [--easy-images 16000] [--videos 1500] [--workers 2]

writes `stage1.json` (a picture and its caption) and `stage2.json` (a picture or clip and a question in the wording of
the benchmarks), each a list of {"id", "image" | "video", "kind", "conversations": [{"from": "human", "value"}, {"from":
"gpt", "value"}]}; "kind" is ours. Scenes come from the "train" split, which shares no seed with the sample sets.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.scenes import (
    COLORS,
    SHAPES,
    SIDE,
    VIDEO_KINDS,
    WORDS,
    ImageScene,
    SceneQuestion,
    Split,
    image_caption,
    image_questions,
    image_scene,
    render,
    render_frames,
    scene_rng,
    video_questions,
    video_scene,
)

VIDEO_FPS = 2
"""Frames a second of training clips: enough for sampling one a second, and quick to write."""

ROUNDS = 3
"""How often each picture is asked about anew (about six questions a round)."""


def image_prompt(question: SceneQuestion) -> str:
    """GQA's wording."""
    return f"{question.text}\nAnswer the question using a single word or phrase."


def choice_prompt(question: SceneQuestion) -> str:
    """MLVU's wording in LLaVA-Mini, also used for some pictures."""
    options = "".join(f"\n({letter}) {text}" for letter, text in zip("ABCD", question.choices, strict=True))
    return f"Question: {question.text}\nOptions:{options}\nAnswer with one letter."


def letter(question: SceneQuestion) -> str:
    """The option letter of the answer."""
    return "ABCD"[question.choices.index(question.answer)]


def with_choices(question: SceneQuestion, rng: random.Random) -> SceneQuestion | None:
    """The question with four options, or None where its kind has fewer answers."""
    pool = [answer for answer in _POOLS.get(question.kind, ()) if answer != question.answer]
    choices = [question.answer, *rng.sample(pool, min(3, len(pool)))]
    rng.shuffle(choices)
    return replace(question, choices=tuple(choices)) if len(choices) == 4 else None


_POOLS: dict[str, Sequence[str]] = {
    "colour": tuple(COLORS),
    "shape": SHAPES,
    "count": ("1", "2", "3", "4"),
    "relation": ("left", "right", "above", "below"),
    "word": tuple(word.lower() for word in WORDS),
}


def write(
    root: Path, images: int, easy_images: int, videos: int, seed: int = 0, workers: int = 2, split: Split = "train"
) -> None:
    """Fill `root`: `easy_images` pictures of few things, `images` others, `videos` clips a kind, and the JSON files."""
    for folder in ("images", "videos"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    clips = [(kind, index) for index in range(videos) for kind in VIDEO_KINDS]
    with ProcessPoolExecutor(workers) as pool:
        easy = pool.map(partial(_write_image, root, split, seed, True), range(easy_images), chunksize=200)
        pictures = pool.map(partial(_write_image, root, split, seed, False), range(images), chunksize=200)
        records = [*easy, *pictures, *pool.map(partial(_write_video, root, split, seed), clips, chunksize=50)]
    for name, key in (("stage1", 0), ("stage2", 1)):
        rows = [row for record in records for row in record[key]]
        (root / f"{name}.json").write_text(json.dumps(rows))


_Records = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _write_image(root: Path, split: Split, seed: int, easy: bool, index: int) -> _Records:
    scene = image_scene(split, index, seed, easy)
    name = f"images/{scene.key}.jpg"
    rng = scene_rng("training", split, seed, *(["easy"] if easy else []), index)
    render(scene).save(root / name, quality=rng.randint(60, 95))
    return [_turn(scene.key, "caption", "<image>", image_caption(scene), image=name)], image_records(scene, name, rng)


def image_records(scene: ImageScene, name: str, rng: random.Random) -> list[dict[str, Any]]:
    """`ROUNDS` rounds of open questions, then one round with options (kind "colour-choice", ..)."""
    asked = [question for _ in range(ROUNDS) for question in image_questions(scene, rng)]
    rows = [_turn(f"{scene.key}-{n}", q.kind, image_prompt(q), q.answer, image=name) for n, q in enumerate(asked)]
    own = scene_rng("choices", scene.key)
    for question in image_questions(scene, own):
        choice = with_choices(question, own)
        if choice is not None:
            kind = f"{choice.kind}-choice"
            rows.append(_turn(f"{scene.key}-{kind}", kind, choice_prompt(choice), letter(choice), image=name))
    return rows


def _write_video(root: Path, split: Split, seed: int, clip: tuple[str, int]) -> _Records:
    scene = video_scene(split, *clip, seed)
    name, rng = f"videos/{scene.key}.mp4", scene_rng("crf", scene.key)
    _encode(root / name, render_frames(scene, VIDEO_FPS), crf=rng.randint(16, 28))
    rows = []
    for n, q in enumerate(video_questions(scene)):
        rows.append(_turn(f"{scene.key}-{n}", q.kind, choice_prompt(q), letter(q), video=name))
        rows.append(_turn(f"{scene.key}-{n}-open", f"{q.kind}-open", image_prompt(q), q.answer, video=name))
    return [], rows


def _turn(identifier: str, kind: str, human: str, answer: str, **media: str) -> dict[str, Any]:
    text = human if human == "<image>" else f"<image>\n{human}"
    talk = [{"from": "human", "value": text}, {"from": "gpt", "value": answer}]
    return {"id": identifier, **media, "kind": kind, "conversations": talk}


def _encode(path: Path, frames: Iterator[Any], crf: int) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=VIDEO_FPS, options={"crf": str(crf), "preset": "veryfast"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--images", type=int, default=40_000)
    parser.add_argument("--easy-images", type=int, default=16_000)
    parser.add_argument("--videos", type=int, default=1_500, help="clips of each of the seven kinds")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    write(asked.output, asked.images, asked.easy_images, asked.videos, asked.seed, asked.workers)


if __name__ == "__main__":
    main()
