"""ActivityNet-QA's folder layout over moving scenes; names look like those of the hosted videos."""

from __future__ import annotations

from pathlib import Path

from harness.data.scenes import VideoScene, scene_rng
from tasks.activitynetqa import ActivityNetQa
from tasks.samples.video_qa import write_question_pairs

FOLDER = ActivityNetQa.layout.folder
_FIRST_CLIP = 300
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def write(folder: Path, seed: int) -> None:
    """`test_q.json`, `test_a.json`, `test_videos/v_<name>.mp4`."""
    write_question_pairs(folder, ActivityNetQa.layout, _FIRST_CLIP, _name, seed)


def _name(scene: VideoScene) -> str:
    """Eleven letters that may begin with a hyphen, as hosted names do."""
    return "".join(scene_rng("sample activitynet", scene.key).choices(_LETTERS, k=11))
