"""Video-ChatGPT end to end: its file over its base, its words, its frames, one pooled clip a video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness.errors import CheckpointError, NotAvailable
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Request, Video
from models import load_model
from models.llava.adapter import LlavaAdapter
from models.llava.prompts import IMAGE, conversation, prompt_ids
from models.llava.reducers.video_chatgpt import FRAMES, ClipPool, pool
from tests.support.llava_tiny import GRID
from tests.support.media import write_video
from tests.support.published import change_weights, finished, write_video_chatgpt

WAYS = [{"batch_tokens": 100_000}, {"batch_tokens": 1}, {"sharing": False}]


def _loaded(folder: Path) -> LlavaAdapter:
    model = load_model("video-chatgpt-7b", checkpoint=str(folder), device="cpu", dtype="float32")
    assert isinstance(model, LlavaAdapter)
    return model


def test_sample_task_is_answered_alike_in_batches_and_one_by_one(tmp_path: Path) -> None:
    folder = write_video_chatgpt(tmp_path / "model")
    together, *others = finished("video-chatgpt-7b", folder, "mvbench", tmp_path, WAYS, 6)
    assert len(set(together.values())) > 1
    assert all(other == together for other in others)


def test_video_of_any_length_has_one_pooled_clip(tmp_path: Path) -> None:
    adapter = _loaded(write_video_chatgpt(tmp_path / "model"))
    prepare = adapter.preparer()
    for name, length in (("long", 130), ("short", 7)):
        video = Video(name, write_video(tmp_path / f"{name}.mp4", frames=length, fps=10))
        group = Group(video, (Request(name, "what is it ?", 3),))
        (response,) = adapter.respond([ReadyGroup(group, prepare(video, FramePolicy()))])
        assert (response.frames, response.vision_tokens) == (min(length, FRAMES), FRAMES + GRID**2)


def test_a_frame_cap_is_kept(tmp_path: Path) -> None:
    prepare = _loaded(write_video_chatgpt(tmp_path / "model")).preparer()
    video = Video("v", write_video(tmp_path / "v.mp4", frames=30, fps=10))
    assert sum(len(chunk) for chunk in prepare(video, FramePolicy(max_frames=4))) == 4


def test_frames_lose_their_aspect_ratio_in_folders_too(tmp_path: Path) -> None:
    import PIL.Image

    prepare = _loaded(write_video_chatgpt(tmp_path / "model")).preparer()
    (tmp_path / "v").mkdir()
    wide = np.zeros((28, 84, 3), np.uint8)
    wide[:, :28] = 255  # a third, which a centre crop would lose
    PIL.Image.fromarray(wide).save(tmp_path / "v" / "0.png")
    (chunk,) = prepare(Video("v", tmp_path / "v", folder_fps=1.0), FramePolicy())
    assert 0.2 < (chunk > 127).mean() < 0.45


def test_pooling_does_not_depend_on_how_frames_come() -> None:
    frames = torch.randn(23, 16, 8, generator=torch.Generator().manual_seed(0))
    clip = ClipPool(torch.nn.Identity())
    for some in frames.split(5):
        clip.add(some)
    assert torch.equal(clip.tokens(), pool(frames))


def test_more_frames_than_it_pools_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 100 frames"):
        pool(torch.zeros(FRAMES + 1, 1, 1))


def test_prompt_has_the_video_after_the_question(tmp_path: Path) -> None:
    adapter = _loaded(write_video_chatgpt(tmp_path / "model"))
    template = conversation("video_chatgpt")
    text = template.render((template.turn.replace("{question}", "what ?"), None), None)
    assert text.endswith("USER: what ?\n<vid_start><image><vid_end> ASSISTANT:")
    ids = prompt_ids("what ?", True, template, adapter.tokenizer)
    at = ids.index(IMAGE)
    _, start, end = adapter.tokenizer.convert_tokens_to_ids(list(template.words))
    assert (ids[at - 1], ids[at + 1]) == (start, end)


@pytest.mark.parametrize("embeddings", [True, False])
def test_the_file_counts_over_its_base(tmp_path: Path, embeddings: bool) -> None:
    folder = write_video_chatgpt(tmp_path, embeddings)
    base = load_file(folder / "model.safetensors")
    top = torch.load(folder / "video_chatgpt-7B.bin", weights_only=True)
    model = _loaded(folder).model
    words = model.lm.model.embed_tokens.weight
    old = len(base["model.embed_tokens.weight"])
    assert torch.equal(model.reducer.projector.weight, top["model.mm_projector.weight"].float())
    assert len(words) == len(model.lm.lm_head.weight) == old + 3
    added = top["model.embed_tokens.weight"][old:].float() if embeddings else words[:old].mean(0).expand(3, -1)
    torch.testing.assert_close(words[old:].detach(), added.detach(), rtol=0, atol=1e-6)
    hidden = torch.randn(50, words.shape[1])
    assert int((hidden @ model.lm.lm_head.weight.T).argmax(1).max()) < old


def test_base_without_the_file_says_where_to_get_it(tmp_path: Path) -> None:
    folder = write_video_chatgpt(tmp_path)
    (folder / "video_chatgpt-7B.bin").unlink()
    with pytest.raises(NotAvailable, match=r"hf download MBZUAI/Video-ChatGPT-7B video_chatgpt-7B.bin --local-dir"):
        _loaded(folder)


def test_file_without_projector_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    folder = write_video_chatgpt(tmp_path)
    torch.save({"model.other": torch.zeros(1)}, folder / "video_chatgpt-7B.bin")
    with pytest.raises(CheckpointError, match=r"no model.mm_projector.\* but model.other"):
        _loaded(folder)


def test_base_of_another_family_is_named(tmp_path: Path) -> None:
    folder = write_video_chatgpt(tmp_path)
    change_weights(folder, lambda all_: {**all_, "model.query_abstractor.query": torch.zeros(2, 2)})
    with pytest.raises(CheckpointError, match=r"extra \(model.query_abstractor.query\).*MQT-LLaVA"):
        _loaded(folder)


def test_digest_changes_with_the_file(tmp_path: Path) -> None:
    before = _loaded(write_video_chatgpt(tmp_path / "a")).card
    after = _loaded(write_video_chatgpt(tmp_path / "b", embeddings=False)).card
    assert before.digest != after.digest
    assert json.loads(json.dumps(dict(before.settings)))["frames"] == "100 at segment midpoints"
