"""The adapter: answers depend on the question and its medium alone, and everything about them is reported."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from harness.errors import CheckpointError, MediaError, NotAvailable, UserError
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Request, Response, Video
from models import Preset
from models.llava.adapter import LlavaAdapter
from models.llava.loading import load
from tests.support.llava_tiny import GRID, write_checkpoint

VARIANTS = {
    "mini": {},
    "mini of four tokens, high resolution": {"compressor_size": 2, "resolution_ratio": 2},
    "without pre-fusion": {"prefusion_layer_num": 0},
    "identity": {"compressor_size": None, "image_aspect_ratio": "pad"},
}


def _loaded(folder: Path) -> LlavaAdapter:
    return load(Preset("tiny", "", "", str(folder), "bare"), None, "cpu", "float32", "pyav")


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys(), scope="module")
def adapter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LlavaAdapter:
    return _loaded(write_checkpoint(tmp_path_factory.mktemp("model"), **request.param))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[Media]:
    """Two pictures and two frame folders, of 3 and 20 frames."""
    root, rng = tmp_path_factory.mktemp("media"), np.random.default_rng(0)
    found: list[Media] = []
    for name, frames in (("p", 0), ("q", 0), ("v", 3), ("w", 20)):
        (root / name).mkdir()
        for index in range(max(1, frames)):
            PIL.Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(root / name / f"{index:03}.png")
        found.append(Video(name, root / name, folder_fps=1.0) if frames else Image(name, root / name / "000.png"))
    return found


def _group(media: Media | None, *texts: str, tokens: int = 5) -> Group:
    name = "text" if media is None else media.id
    return Group(media, tuple(Request(f"{name}{index}", text, tokens) for index, text in enumerate(texts)))


def _answers(adapter: LlavaAdapter, *groups: Group, doubled: bool = False) -> dict[str, Response]:
    prepare, frames = adapter.preparer(), FramePolicy(doubled=doubled)
    ready = [
        ReadyGroup(group, prepare(group.media, frames) if group.media is not None else iter(())) for group in groups
    ]
    return {response.sample_id: response for response in adapter.respond(ready)}


def test_answer_does_not_depend_on_what_else_is_asked(adapter: LlavaAdapter, media: list[Media]) -> None:
    groups = [
        _group(media[0], "what color is it ?", "which shape ?", "a red circle and a blue square . what is it ?"),
        _group(media[2], "which color ?", "what is the shape ?"),
        _group(None, "what is a circle ?"),
        _group(media[1], "what ?", tokens=2),
        _group(media[3], "is it red ?"),
    ]
    together = _answers(adapter, *groups)
    alone: dict[str, Response] = {}
    for group in groups:
        for request in group.requests:
            alone |= _answers(adapter, Group(group.media, (request,)))
    assert together == alone
    assert len({response.text for response in alone.values()}) > 2


def test_medium_and_question_both_change_the_answer(adapter: LlavaAdapter, media: list[Media]) -> None:
    words = [
        "red",
        "blue",
        "what is the shape ?",
        "which color is the square ?",
        "circle and square",
        "is it a circle ?",
    ]
    first, second = (_answers(adapter, _group(medium, *words, tokens=8)) for medium in media[:2])
    assert len({response.text for response in first.values()}) > 1
    assert [r.text for r in first.values()] != [r.text for r in second.values()]


def test_tokens_and_frames_are_counted(adapter: LlavaAdapter, media: list[Media]) -> None:
    found = _answers(
        adapter, _group(media[0], "what is it ?", tokens=1), _group(media[2], "what ?"), _group(None, "what ?")
    )
    parts = 5 if adapter.preparer().split == 2 else 1
    size = adapter.model.config.compressor_size
    per_image = parts * GRID**2 if size is None else size**2
    assert [found[name].vision_tokens for name in ("p0", "v0", "text0")] == [per_image, 3 * per_image, 0]
    assert [found[name].text_tokens for name in ("p0", "v0", "text0")] == [5, 3, 3]
    assert [found[name].frames for name in ("p0", "v0", "text0")] == [1, 3, 0]
    assert found["p0"].output_tokens == 1
    assert all(1 <= response.output_tokens <= 5 and response.notes == () for response in found.values())


def test_a_doubled_picture_enters_prefusion_twice_and_the_language_model_once(
    tmp_path: Path, media: list[Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = _loaded(write_checkpoint(tmp_path))
    seen: list[int] = []
    fuse = adapter.model.reducer.fuse
    monkeypatch.setattr(
        adapter.model.reducer,
        "fuse",
        lambda encoded, text: seen.append(encoded.patches.shape[1]) or fuse(encoded, text),  # type: ignore[func-returns-value]
    )
    group = _group(media[0], "what color is it ?")
    once = _answers(adapter, group)
    twice = _answers(adapter, group, doubled=True)
    assert seen == [GRID**2, 2 * GRID**2]
    assert [answers[group.requests[0].sample_id].vision_tokens for answers in (once, twice)] == [1, 1]


def test_cut_prompt_is_said(tmp_path: Path, media: list[Media]) -> None:
    adapter = _loaded(write_checkpoint(tmp_path, tokenizer_model_max_length=4))
    found = _answers(
        adapter, _group(media[0], "what is it ?"), _group(media[3], "what ?"), _group(None, "what is it ?")
    )
    assert found["p0"].notes == ("prompt cut by 2 tokens (tokenizer_model_max_length)",)
    assert (found["p0"].vision_tokens, found["p0"].text_tokens) == (1, 3)
    assert found["w0"].notes == ("prompt cut by 19 tokens (tokenizer_model_max_length)",)
    assert (found["w0"].vision_tokens, found["w0"].text_tokens) == (3, 1)
    assert found["text0"].notes == ()


def test_cut_prompts_of_one_medium_are_said_each(tmp_path: Path, media: list[Media]) -> None:
    adapter = _loaded(write_checkpoint(tmp_path, tokenizer_model_max_length=5))
    group = _group(media[0], "what ?", "what is it ?", "is it red ? what")
    found = _answers(adapter, group)
    adapter.sharing = False
    assert _answers(adapter, group) == found
    assert [found[f"p{index}"].notes != () for index in range(3)] == [False, True, True]


def test_broken_medium_is_heard_of_before_any_answer(adapter: LlavaAdapter, media: list[Media]) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield next(adapter.preparer()(media[2], FramePolicy()))
        raise MediaError("truncated video")

    good = ReadyGroup(_group(media[0], "what ?"), adapter.preparer()(media[0], FramePolicy()))
    with pytest.raises(MediaError, match="truncated video"):
        next(adapter.respond([good, ReadyGroup(_group(media[2], "what ?"), broken())]))


def test_video_answers_stop_at_the_released_keyword_too(tmp_path: Path, media: list[Media]) -> None:
    plain = _loaded(write_checkpoint(tmp_path))
    groups = [_group(media[at], "what is it ?", "which color ?", "a red circle ?", tokens=8) for at in (0, 2)]
    free = _answers(plain, *groups)
    words = {word for name, response in free.items() if name.startswith("v") for word in response.text.split()}
    assert words
    for word in words:
        template = replace(plain.template, video_stop=word)
        card, preparer = plain.card, plain.preparer()
        adapter = LlavaAdapter(plain.model, plain.tokenizer, template, preparer, card, plain.words.stop)
        for name, response in _answers(adapter, *groups).items():
            released = free[name].text.split(word)[0].strip() if name.startswith("v") else free[name].text
            assert response.text == released


def test_features_of_a_picture_are_computed_once(
    adapter: LlavaAdapter, media: list[Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    hook = adapter.model.tower.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    parts = 5 if adapter.preparer().split == 2 else 1
    _answers(adapter, _group(media[0], *["what ?"] * 6), _group(media[3], "what ?", "which ?"))
    hook.remove()
    assert sum(seen) == 21 * parts


@pytest.mark.parametrize(
    "name", ["model.safetensors", "vision_tower/model.safetensors", "tokenizer.json", "config.json"]
)
def test_identity_changes_with_any_file_that_can_change_an_answer(tmp_path: Path, name: str) -> None:
    folder = write_checkpoint(tmp_path / "a")
    before = _loaded(folder).card
    shutil.copytree(folder, tmp_path / "b")
    assert _loaded(tmp_path / "b").card.digest == before.digest
    content = bytearray((tmp_path / "b" / name).read_bytes())
    place = content.rfind(b"\n") if name.endswith("json") else len(content) - 2
    content[place : place + 1] = b"\n " if name.endswith("json") else bytes([content[place] ^ 1])
    (tmp_path / "b" / name).write_bytes(content)
    assert _loaded(tmp_path / "b").card.digest != before.digest


@pytest.mark.parametrize("remove", ["tokenizer.json", "model.safetensors", "vision_tower/preprocessor_config.json"])
def test_checkpoint_with_a_file_missing_says_which_folder(tmp_path: Path, remove: str) -> None:
    folder = write_checkpoint(tmp_path)
    (folder / remove).unlink()
    with pytest.raises(CheckpointError, match=str(folder)):
        _loaded(folder)


def test_unpublished_weights_need_a_checkpoint() -> None:
    with pytest.raises(NotAvailable, match=r"never published.*--checkpoint DIR"):
        load(Preset("llava-mini-7b", "", "", None, "v1"), None, "cpu", None, "pyav")


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_device_that_is_not_there_is_named(tmp_path: Path, device: str) -> None:
    with pytest.raises(UserError, match=device):
        load(Preset("t", "", "", str(write_checkpoint(tmp_path)), "bare"), None, device, None, "pyav")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_precision_answers(tmp_path: Path, media: list[Media], dtype: str) -> None:
    adapter = load(Preset("t", "", "", str(write_checkpoint(tmp_path)), "bare"), None, "cpu", dtype, "pyav")
    assert adapter.card.dtype == dtype
    assert {parameter.dtype for parameter in adapter.model.lm.parameters()} == {getattr(torch, dtype)}
    assert {parameter.dtype for parameter in adapter.model.tower.parameters()} == {torch.float32}
    found = _answers(adapter, _group(media[0], "what is it ?"), _group(media[2], "which ?"))
    assert all(response.output_tokens for response in found.values())


def test_cost_grows_with_questions_and_patches(adapter: LlavaAdapter, media: list[Media]) -> None:
    one, two = _group(media[0], "what ?"), _group(media[0], "what ?", "what ?")
    cost: Callable[[Group], int] = adapter.cost_tokens
    assert 0 < cost(one) < cost(two) < 2 * cost(one)
    adapter.sharing = False
    assert cost(two) == 2 * cost(one)
    adapter.sharing = True


def test_without_sharing_the_answers_are_the_same(adapter: LlavaAdapter, media: list[Media]) -> None:
    groups = [_group(media[index], "what color is it ?", "which shape ?", "is it red ?") for index in (0, 3, 1)]
    shared = _answers(adapter, *groups)
    adapter.sharing = False
    assert _answers(adapter, *groups) == shared
    adapter.sharing = True
