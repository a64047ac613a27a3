"""MSRVTT-QA's folder layout over moving scenes."""

from __future__ import annotations

from pathlib import Path

from tasks.msrvttqa import MsrvttQa
from tasks.samples.video_qa import write_question_pairs

FOLDER = MsrvttQa.layout.folder
_FIRST_CLIP = 200


def write(folder: Path, seed: int) -> None:
    """`test_q.json`, `test_a.json`, `videos/all/<name>.mp4`."""
    write_question_pairs(folder, MsrvttQa.layout, _FIRST_CLIP, lambda scene: f"video_{scene.key}", seed)
