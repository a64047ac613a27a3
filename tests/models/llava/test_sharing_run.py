"""Through the executor: a medium is decoded once and seen once, however many questions are asked about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.engine.local import LocalExecutor
from harness.media.chunks import Chunk
from harness.media.workers import PreparePool
from harness.types import FramePolicy, Group, Image, Media, Request, Response, Video
from models import Preset
from models.llava.adapter import LlavaAdapter
from models.llava.loading import load
from tests.support.llava_tiny import write_checkpoint
from tests.support.media import write_video

QUESTIONS = tuple(
    f"what is the {word} ?" for word in ("color", "shape", "red", "blue", "circle", "square", "what", "a")
)


class Counting:
    """A preparer that remembers what it was asked for."""

    def __init__(self, adapter: LlavaAdapter) -> None:
        self._prepare, self.asked = adapter.preparer(), Counter[str]()

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        self.asked[media.id] += 1
        yield from self._prepare(media, frames)


@pytest.fixture(params=[{}, {"compressor_size": None}], ids=["mini", "identity"])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> LlavaAdapter:
    folder = write_checkpoint(tmp_path / "model", **request.param)
    return load(Preset("tiny", "", "", str(folder), "bare"), None, "cpu", "float32", "pyav")


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    """A video of 40 seconds and three pictures, with 8 questions each."""
    media: list[Media] = [Video("v", write_video(tmp_path / "v.mp4", frames=200, fps=5))]
    rng = np.random.default_rng(0)
    for name in ("p", "q", "r"):
        PIL.Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / f"{name}.png")
        media.append(Image(name, tmp_path / f"{name}.png"))
    return [Group(one, tuple(Request(f"{one.id}{at}", text, 4) for at, text in enumerate(QUESTIONS))) for one in media]


def _run(adapter: LlavaAdapter, groups: list[Group], batch_tokens: int) -> tuple[dict[str, str], Counter[str], int]:
    """Answers, how often each medium was prepared, and pictures through the tower."""
    seen = 0

    def count(_: object, inputs: tuple[np.ndarray, ...]) -> None:
        nonlocal seen
        seen += len(inputs[0])

    preparer = Counting(adapter)
    hook = adapter.model.tower.register_forward_pre_hook(count)
    with PreparePool(preparer, 0, 60, 2**20) as pool:
        outcomes = list(LocalExecutor(adapter, pool, batch_tokens).run(groups))
    hook.remove()
    answers = {one.sample_id: one.result.text for one in outcomes if isinstance(one.result, Response)}
    assert len(answers) == sum(len(group.requests) for group in groups)
    return answers, preparer.asked, seen


@pytest.mark.parametrize("batch_tokens", [300, 10**6])
def test_media_are_decoded_once_and_pass_the_tower_once(
    adapter: LlavaAdapter, groups: list[Group], batch_tokens: int
) -> None:
    _, asked, seen = _run(adapter, groups, batch_tokens)
    assert asked == Counter("vpqr")
    assert seen == 40 + 3


def test_answers_are_those_of_asking_one_by_one_unshared(adapter: LlavaAdapter, groups: list[Group]) -> None:
    shared = [_run(adapter, groups, tokens)[0] for tokens in (60, 300, 10**6)]
    apart = [Group(group.media, (request,)) for group in groups for request in group.requests]
    adapter.sharing = False
    expected = _run(adapter, apart, 1)[0]
    assert all(answers == expected for answers in shared)
    assert len(set(expected.values())) > 2


@pytest.mark.slow
def test_ten_minutes_of_720p_are_decoded_once_for_eight_questions(adapter: LlavaAdapter, tmp_path: Path) -> None:
    video = Video("long", write_video(tmp_path / "long.mp4", frames=1200, fps=2, size=(1280, 720)))
    asked = tuple(Request(str(at), text, 4, FramePolicy()) for at, text in enumerate(QUESTIONS))
    answers, prepared, seen = _run(adapter, [Group(video, asked)], 10**6)
    assert len(answers) == len(QUESTIONS)
    assert prepared == {"long": 1}
    assert seen == 600
