"""Baselines with modules of their own keep the contract of models, and answer in half precision too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.conformance import conformance
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Request, Video
from models import presets
from models.llava.adapter import LlavaAdapter
from models.llava.loading import load
from tests.support.media import write_video
from tests.support.published import VID, write_llama_vid, write_video_chatgpt, write_voco

ANY = ("video-chatgpt-7b", "voco-llama-7b", "voco-llama-7b-2", "llama-vid-7b-video", "llama-vid-7b-224", "movie-llm-7b")
WRITERS: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "video-chatgpt": (write_video_chatgpt, {}),
    "voco": (write_voco, {}),
    "llama-vid": (write_llama_vid, VID),
}


def _loaded(name: str, folder: Path, dtype: str) -> LlavaAdapter:
    """A preset as it is, with the shape of a tiny checkpoint."""
    known = presets()[name]
    write, options = WRITERS[known.reducer]
    preset = replace(known, options={**known.options, **options})
    return load(preset, str(write(folder)), "cpu", dtype, "pyav")


@pytest.mark.parametrize("name", ANY)
def test_contract_is_kept(tmp_path: Path, name: str) -> None:
    assert [one for one in conformance(_loaded(name, tmp_path, "float32")) if not one.passed] == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["video-chatgpt-7b", "voco-llama-7b-2", "llama-vid-7b-video"])
def test_half_precision_answers_and_the_tower_stays_in_single(tmp_path: Path, name: str, dtype: str) -> None:
    adapter = _loaded(name, tmp_path / "model", dtype)
    assert next(adapter.model.tower.parameters()).dtype == torch.float32
    assert {one.dtype for one in adapter.model.reducer.parameters()} == {getattr(torch, dtype)}
    video = Video("v", write_video(tmp_path / "v.mp4", frames=20, fps=5))
    group = Group(video, tuple(Request(text, text, 4) for text in ("what is it ?", "which color ?")))
    found = list(adapter.respond([ReadyGroup(group, adapter.preparer()(video, FramePolicy()))]))
    assert len(found) == 2
    assert all(one.output_tokens and one.vision_tokens for one in found)
