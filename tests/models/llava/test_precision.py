"""In half precision too, every baseline with modules of its own answers, and the tower stays in single."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Request, Video
from models import Preset, presets
from models.llava.loading import load
from tests.support.media import write_video
from tests.support.published import VID, write_llama_vid, write_video_chatgpt, write_voco

BASELINES: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "video-chatgpt-7b": (write_video_chatgpt, {}),
    "voco-llama-7b-2": (write_voco, {}),
    "llama-vid-7b-video": (write_llama_vid, VID),
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", BASELINES)
def test_half_precision_answers(tmp_path: Path, name: str, dtype: str) -> None:
    write, options = BASELINES[name]
    known = presets()[name]
    preset = Preset(name, "", "", None, known.conversation, reducer=known.reducer, options={**known.options, **options})
    adapter = load(preset, str(write(tmp_path / "model")), "cpu", dtype, "pyav")
    assert next(adapter.model.tower.parameters()).dtype == torch.float32
    assert {one.dtype for one in adapter.model.reducer.parameters()} == {getattr(torch, dtype)}
    video = Video("v", write_video(tmp_path / "v.mp4", frames=20, fps=5))
    group = Group(video, tuple(Request(text, text, 4) for text in ("what is it ?", "which color ?")))
    found = list(adapter.respond([ReadyGroup(group, adapter.preparer()(video, FramePolicy()))]))
    assert len(found) == 2
    assert all(one.output_tokens and one.vision_tokens for one in found)
