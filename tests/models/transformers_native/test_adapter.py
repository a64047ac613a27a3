"""Every family on tiny random weights: one answer however questions are batched and whatever they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MediaError
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Request, Response, Video
from models import load_model
from models.transformers_native.adapter import NativeAdapter
from tests.support.native_tiny import CONFIGS, PRESETS, VIDEOS, write_native

QUESTIONS = ("what color is the circle ?", "which shape ?", "is it red and is it a square . yes no one two ?", "a")


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
    case: str, native: Mapping[str, NativeAdapter], pictures: list[Image]
) -> None:
    model, media = native[case], [*pictures, None]
    expected = _alone(model, media)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=False), expected)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=True), expected)
    assert len({one.text for one in expected.values()}) > 3, "random weights that answer all alike test nothing"


@pytest.mark.parametrize("case", VIDEOS)
def test_videos_in_a_batch_and_shared_are_those_of_one_by_one(
    case: str, native: Mapping[str, NativeAdapter], pictures: list[Image], video: Video
) -> None:
    model, media = native[case], [video, pictures[0]]
    expected = _alone(model, media)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=False), expected)
    _same(_answers(model, _groups(model, media, QUESTIONS), sharing=True), expected)


def test_a_picture_that_cannot_be_read_passes_through(native: Mapping[str, NativeAdapter], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    model = native["llava"]
    groups = _groups(model, [Image("bad", tmp_path / "bad.png")], QUESTIONS)
    with pytest.raises(MediaError):
        list(model.respond(groups))


def test_text_beyond_the_context_is_left_out_and_noted(
    native: Mapping[str, NativeAdapter], pictures: list[Image]
) -> None:
    model = native["llava"]
    for sharing in (False, True):
        (ready,) = _groups(model, pictures[:1], ["it is red . " * 200 + "which shape ?", "a"])
        long, short = _answers(model, [ready], sharing).values()
        assert "left out (context of 512)" in long.notes[0]
        assert long.vision_tokens + long.text_tokens == 512
        assert long.output_tokens == 1
        assert "answer ended by the model's context" in long.notes[1]
        assert short.notes == ()


@pytest.mark.parametrize("case", ["blip-2", "llava"])
def test_a_full_context_does_not_disturb_others_in_the_batch(
    case: str, native: Mapping[str, NativeAdapter], pictures: list[Image]
) -> None:
    model, media = native[case], pictures[:2]
    questions = ["it is red . " * 200, "which shape ?"]
    expected: dict[str, Response] = {}
    for medium in media:
        for index, text in enumerate(questions):
            (answer,) = _answers(model, _groups(model, [medium], [text]), sharing=False).values()
            expected[answer.sample_id.removesuffix("0") + str(index)] = answer
    _same(_answers(model, _groups(model, media, questions), sharing=False), expected)


def test_media_beyond_the_context_are_noted_and_the_question_stays(
    native: Mapping[str, NativeAdapter], video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = native["video_llava"]
    monkeypatch.setattr(model._rows, "limit", 30)
    (answer,) = _answers(model, _groups(model, [video], ["which shape ?"]), sharing=True).values()
    assert answer.notes == ("prompt longer than the model's context of 30 tokens",)
    assert answer.text_tokens > 3


def test_a_placeholder_in_a_question_is_no_second_picture(
    native: Mapping[str, NativeAdapter], pictures: list[Image]
) -> None:
    model = native["llava"]
    with_it, without = _answers(
        model, _groups(model, pictures[:1], ["which <image> shape ?", "which shape ?"]), True
    ).values()
    assert with_it.text == without.text


def test_frames_are_as_many_as_the_run_allows(native: Mapping[str, NativeAdapter], video: Video) -> None:
    for case in VIDEOS:
        preparer = native[case].preparer()
        assert sum(map(len, preparer(video, FramePolicy(max_frames=2)))) == 2
        assert preparer.frames >= 8
    with pytest.raises(MediaError, match="pictures only"):
        next(native["llava"].preparer()(video, FramePolicy()))


def test_doubling_a_picture_is_said_not_to_be_done(native: Mapping[str, NativeAdapter], pictures: list[Image]) -> None:
    model = native["llava"]
    policy = FramePolicy(doubled=True)
    group = Group(pictures[0], (Request("a", "which shape ?", 2, policy),))
    (answer,) = model.respond([ReadyGroup(group, model.preparer()(pictures[0], policy))])
    assert "shown once" in answer.notes[0]


def test_costs_grow_with_questions_and_fall_with_sharing(native: Mapping[str, NativeAdapter], video: Video) -> None:
    model = native["qwen2_vl"]
    few, many = (Group(video, tuple(Request(str(at), "which", 8) for at in range(n))) for n in (2, 8))
    model.sharing = True
    shared = model.cost_tokens(many)
    assert model.cost_tokens(few) < shared
    model.sharing = False
    assert shared < model.cost_tokens(many)


def test_an_answer_is_cut_where_the_model_goes_on_by_itself(
    native: Mapping[str, NativeAdapter], pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = native["llava_onevision"]
    answers = _answers(model, _groups(model, pictures[:1], QUESTIONS), sharing=False).values()
    question, whole = next((at, one) for at, one in enumerate(answers) if len(set(one.text.split())) > 1)
    words = whole.text.split()
    until = next(word for word in words if word != words[0])
    monkeypatch.setattr(model, "_until", f" {until}")
    for sharing in (False, True):
        cut = list(_answers(model, _groups(model, pictures[:1], QUESTIONS), sharing).values())[question]
        assert cut.text.split() == words[: words.index(until)]
        assert cut.output_tokens == words.index(until) + 1


def test_a_language_model_with_windows_shares_no_prefix_and_says_so(
    native: Mapping[str, NativeAdapter], pictures: list[Image], tmp_path: Path
) -> None:
    windows = {**CONFIGS["llava"]["text_config"], "model_type": "mistral", "sliding_window": 8}
    folder = write_native(tmp_path / "windows", "llava", text_config=windows)
    model = load_model(PRESETS["llava"], checkpoint=str(folder), device="cpu")
    assert isinstance(model, NativeAdapter)
    assert "attention in windows" in model.card.notes[0]
    assert native["llava"].card.notes == ()
    assert "Q-Former reads the question" in native["instructblip"].card.notes[0]
    _same(_answers(model, _groups(model, pictures, QUESTIONS), sharing=True), _alone(model, pictures))
