"""Training data of the tiny models: LLaVA-format JSON beside JPEG pictures and H.264 clips of synthetic scenes.

    python -m tasks.samples.training --output DIR [--images 40000] [--easy-images 16000] [--videos 1500] [--workers 2]

writes `stage1.json` (a picture and its caption) and `stage2.json` (a picture or clip and a question in the wording of
the benchmarks), each a list of {"id", "image" | "video", "kind", "form", "conversations": [{"from": "human", "value"},
{"from": "gpt", "value"}]}; "kind" and "form" (`wordings`) are ours. Scenes come from the "train" split, which shares no
seed with the sample sets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.scenes import (
    SIDE,
    VIDEO_KINDS,
    Split,
    image_scene,
    render,
    render_frames,
    scene_rng,
    video_scene,
)
from tasks.samples.wordings import Asked, caption, clip_questions, picture_questions

LOOKUPS = 12
"""Questions answered by their own options, with each picture of few things."""
VIDEO_FPS = 2
"""Frames a second of training clips: enough for sampling one a second, and quick to write."""


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
    asked = picture_questions(scene, scene_rng("wording", scene.key), LOOKUPS if easy else 0)
    return [_turn(scene.key, caption(scene), image=name)], _rows(scene.key, asked, image=name)


def _write_video(root: Path, split: Split, seed: int, clip: tuple[str, int]) -> _Records:
    scene = video_scene(split, *clip, seed)
    name, rng = f"videos/{scene.key}.mp4", scene_rng("crf", scene.key)
    _encode(root / name, render_frames(scene, VIDEO_FPS), crf=rng.randint(16, 28))
    return [], _rows(scene.key, clip_questions(scene, scene_rng("wording", scene.key)), video=name)


def _rows(key: str, asked: Iterable[Asked], **media: str) -> list[dict[str, Any]]:
    return [_turn(f"{key}-{number}", one, **media) for number, one in enumerate(asked)]


def _turn(identifier: str, asked: Asked, **media: str) -> dict[str, Any]:
    text = f"<image>\n{asked.prompt}" if asked.prompt else "<image>"
    talk = [{"from": "human", "value": text}, {"from": "gpt", "value": asked.answer}]
    return {"id": identifier, **media, "kind": asked.kind, "form": asked.form, "conversations": talk}


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
