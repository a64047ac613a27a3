"""MSVD-QA's folder layout over moving scenes."""

from __future__ import annotations

from pathlib import Path

from tasks.msvdqa import MsvdQa
from tasks.samples.video_qa import write_question_pairs

FOLDER = MsvdQa.layout.folder
_FIRST_CLIP = 100


def write(folder: Path, seed: int) -> None:
    """`test_q.json`, `test_a.json`, `videos/<name>.mp4`."""
    write_question_pairs(folder, MsvdQa.layout, _FIRST_CLIP, lambda scene: f"vid_{scene.key}", seed)
