"""Every family on tiny random weights: one answer however questions are batched and whatever they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.errors import MediaError
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Request, Response, Video
from models import load_model
from models.transformers_native.adapter import NativeAdapter
from tests.support.native_tiny import write_native

PRESETS = {
    "llava": "llava-hf-1.5-7b",
    "llava_next": "llava-next-mistral-7b",
    "llava_onevision": "llava-onevision-7b",
    "video_llava": "video-llava-7b",
    "qwen2_vl": "qwen2-vl-7b",
    "qwen2_5_vl": "qwen2.5-vl-7b",
    "blip-2": "blip2-opt-6.7b",
    "blip-2 t5": "blip2-flan-t5-xl",
    "instructblip": "instructblip-vicuna-7b",
    "instructblip t5": "instructblip-vicuna-7b",
    "idefics": "idefics-9b-instruct",
}
VIDEOS = [case for case in PRESETS if case.startswith(("llava_onevision", "video_llava", "qwen"))]
QUESTIONS = ("what color is the circle ?", "which shape ?", "is it red and is it a square . yes no one two ?", "a")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NativeAdapter]:
    """Loaded once each, as they are asked for."""

    class Loaded(dict[str, NativeAdapter]):
        def __missing__(self, case: str) -> NativeAdapter:
            family, _, text = case.partition(" ")
            folder = write_native(tmp_path_factory.mktemp(family), family, text or None)
            model = load_model(PRESETS[case], checkpoint=str(folder), device="cpu")
            assert isinstance(model, NativeAdapter)
            self[case] = model
            return model

    return Loaded()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for index, size in enumerate([(40, 30), (31, 90), (28, 28)]):
        noise = np.random.default_rng(index).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        PIL.Image.fromarray(noise).save(folder / f"{index}.png")
        found.append(Image(f"picture {index}", folder / f"{index}.png"))
    return found


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    folder = tmp_path_factory.mktemp("video")
    for index in range(5):
        noise = np.random.default_rng(index).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        PIL.Image.fromarray(noise).save(folder / f"{index}.png")
    return Video("video", folder)


def _groups(model: NativeAdapter, media: Sequence[Media | None], questions: Sequence[str]) -> list[ReadyGroup]:
    ready = []
    for medium in media:
        name = medium.id if medium else "text"
        requests = tuple(Request(f"{name} {index}", text, 6) for index, text in enumerate(questions))
        chunks: Iterator[np.ndarray] = iter(()) if medium is None else model.preparer()(medium, FramePolicy())
        ready.append(ReadyGroup(Group(medium, requests), chunks))
    return ready


def _answers(model: NativeAdapter, groups: Sequence[ReadyGroup], sharing: bool) -> dict[str, Response]:
    model.sharing = sharing
    return {one.sample_id: one for one in model.respond(groups)}


def _alone(model: NativeAdapter, media: Sequence[Media | None]) -> dict[str, Response]:
    found: dict[str, Response] = {}
    for medium in media:
        for index, text in enumerate(QUESTIONS):
            (ready,) = _groups(model, [medium], [text])
            (answer,) = _answers(model, [ready], sharing=False).values()
            found[answer.sample_id.removesuffix("0") + str(index)] = answer
    return found


def _same(got: dict[str, Response], expected: dict[str, Response]) -> None:
    assert got.keys() == expected.keys()
    for name, one in got.items():
        other = expected[name]
        assert (one.text, one.vision_tokens, one.text_tokens, one.output_tokens, one.frames) == (
            (other.text, other.vision_tokens, other.text_tokens, other.output_tokens, other.frames)
        ), name


@pytest.mark.parametrize("case", PRESETS)
def test_answers_in_a_batch_and_shared_are_those_of_one_by_one(
    case: str, models: dict[str, NativeAdapter], pictures: list[Image]
) -> None:
    model, media = models[case], [*pictures, None]
    expected = _alone(model, media)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=False), expected)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=True), expected)
    assert len({one.text for one in expected.values()}) > 3, "random weights that answer all alike test nothing"


@pytest.mark.parametrize("case", VIDEOS)
def test_videos_in_a_batch_and_shared_are_those_of_one_by_one(
    case: str, models: dict[str, NativeAdapter], pictures: list[Image], video: Video
) -> None:
    model, media = models[case], [video, pictures[0]]
    expected = _alone(model, media)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=False), expected)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=True), expected)


def test_a_picture_that_cannot_be_read_passes_through(models: dict[str, NativeAdapter], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    model = models["llava"]
    groups = _groups(model, [Image("bad", tmp_path / "bad.png")], QUESTIONS)
    with pytest.raises(MediaError):
        list(model.respond(groups))
