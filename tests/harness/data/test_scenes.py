"""Scenes are pure functions of their seed, and every question's answer follows from what is drawn."""

from collections import Counter

import numpy as np
import pytest

from harness.data.scenes import (
    IMAGE_KINDS,
    SECONDS,
    SHAPES,
    SIDE,
    VIDEO_KINDS,
    ImageScene,
    SceneQuestion,
    Thing,
    VideoScene,
    image_caption,
    image_questions,
    image_scene,
    render,
    render_at,
    render_frames,
    scene_rng,
    things_at,
    video_questions,
    video_scene,
)

SCENES = [image_scene("evaluation", index) for index in range(400)]
QUESTIONS = [(scene, question) for scene in SCENES for question in image_questions(scene)]


def test_a_scene_is_the_same_each_time() -> None:
    assert image_scene("train", 7) == image_scene("train", 7)
    assert video_scene("train", "ego", 7) == video_scene("train", "ego", 7)
    assert np.array_equal(render(SCENES[0]), render(SCENES[0]))


@pytest.mark.parametrize("other", ["train", "validation"])
def test_splits_share_no_scene(other: str) -> None:
    ours = {(scene.things, scene.background) for scene in SCENES}
    theirs = {(s.things, s.background) for s in (image_scene(other, index) for index in range(400))}
    assert not ours & theirs
    assert scene_rng("image", "evaluation", 0, 1).random() != scene_rng("image", other, 0, 1).random()


def test_things_lie_apart_and_inside_the_picture() -> None:
    for scene in SCENES:
        for index, one in enumerate(scene.things):
            assert 0 < one.x < SIDE
            assert 0 < one.y < SIDE
            for two in scene.things[index + 1 :]:
                assert max(abs(one.x - two.x), abs(one.y - two.y)) > 40


def _named(scene: ImageScene, words: list[str]) -> list[Thing]:
    """Things that fit every colour and shape among `words`."""
    wanted = [word.rstrip("?") for word in words]
    return [t for t in scene.things if all(w in (t.color, t.shape, "object") for w in wanted)]


def _true_answer(scene: ImageScene, question: SceneQuestion) -> str:
    words = question.text.rstrip("?").split()
    match question.kind:
        case "colour":
            (thing,) = _named(scene, words[-1:])
            return thing.color
        case "shape":
            (thing,) = _named(scene, words[-2:-1])
            return thing.shape
        case "count":
            singular = (
                words[2].removesuffix("s") if words[2].removesuffix("s") in SHAPES else words[2].removesuffix("es")
            )
            return str(sum(thing.shape == singular for thing in scene.things))
        case "existence":
            return "yes" if _named(scene, words[3:]) else "no"
        case "word":
            assert scene.word is not None
            return scene.word.lower()
    (one,), (two,) = _named(scene, words[2:4]), _named(scene, words[-2:])
    if question.kind == "size":
        assert one.size != two.size
        return "larger" if one.radius > two.radius else "smaller"
    if "left" in words:
        return "left" if one.x < two.x else "right"
    return "above" if one.y < two.y else "below"


def test_every_image_answer_is_true_of_the_scene() -> None:
    assert {question.kind for _, question in QUESTIONS} == set(IMAGE_KINDS)
    for scene, question in QUESTIONS:
        assert question.answer == _true_answer(scene, question), question


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("colour", 0.2),
        ("shape", 0.25),
        ("count", 0.42),
        ("existence", 0.57),
        ("relation", 0.35),
        ("size", 0.57),
        ("word", 0.2),
    ],
)
def test_no_answer_is_common(kind: str, most: float) -> None:
    answers = Counter(question.answer for _, question in QUESTIONS if question.kind == kind)
    assert answers.most_common(1)[0][1] / answers.total() < most


def test_relation_and_size_are_at_most_a_third() -> None:
    hard = sum(question.kind in ("relation", "size") for _, question in QUESTIONS)
    assert hard / len(QUESTIONS) <= 1 / 3


def test_a_picture_shows_each_thing_in_its_colour() -> None:
    for scene in SCENES[:20]:
        picture = np.asarray(render(scene)).astype(int)
        assert picture.shape == (SIDE, SIDE, 3)
        for thing in scene.things:
            if thing.shape != "ring":  # whose middle is background
                assert np.ptp(picture[int(thing.y) - 2 : int(thing.y) + 3, int(thing.x)], axis=0).max() < 12
        assert all(thing.color in image_caption(scene) for thing in scene.things)


def _seen(scene: VideoScene) -> list[tuple[Thing, ...]]:
    return [things_at(scene, second + 0.5) for second in range(SECONDS)]


def _true_video_answer(scene: VideoScene, question: SceneQuestion) -> str:
    frames = _seen(scene)
    wanted = "shape" if "What shape" in question.text else "color"
    match scene.kind:
        case "plotQA":
            (mover,) = [t for t in frames[0] if (t.x, t.y) not in {(u.x, u.y) for u in frames[1]}]
            return str(getattr(mover, wanted))
        case "needle":
            times = Counter((t.color, t.shape) for frame in frames for t in frame)
            ((color, shape),) = [look for look, count in times.items() if count == 1]
            return color if wanted == "color" else shape
        case "ego":
            first, last = frames[0][0], frames[-1][0]
            if "direction" not in question.text:
                return first.color
            dx, dy = first.x - last.x, first.y - last.y  # the camera goes against what it sees
            return ("right" if dx > 0 else "left") if abs(dx) > abs(dy) else ("down" if dy > 0 else "up")
        case "count":
            there = [bool(frame) for frame in frames]
            return str(sum(now and not before for before, now in zip([False, *there], there, strict=False)))
        case "order":
            return frames[0 if "first" in question.text else -1][0].color
        case "topic_reasoning":
            return Counter(t.shape for frame in frames for t in frame).most_common(1)[0][0]
    first, last = frames[0][0], frames[-1]
    if not last:
        return "disappearance"
    changed = {"color": "color change", "shape": "shape change", "size": "growth"}
    (name,) = [text for field, text in changed.items() if getattr(first, field) != getattr(last[0], field)]
    return name


@pytest.mark.parametrize("kind", VIDEO_KINDS)
def test_every_video_answer_is_true_of_the_clip_and_one_of_four(kind: str) -> None:
    for index in range(60):
        scene = video_scene("evaluation", kind, index)
        for question in video_questions(scene):
            assert question.answer == _true_video_answer(scene, question), question
            assert len(set(question.choices)) == 4
            assert question.choices.count(question.answer) == 1


def test_no_option_place_is_common() -> None:
    places = Counter(
        question.choices.index(question.answer)
        for kind in VIDEO_KINDS
        for index in range(60)
        for question in video_questions(video_scene("evaluation", kind, index))
    )
    assert max(places.values()) / places.total() < 0.32


def test_frames_follow_the_clock() -> None:
    scene = video_scene("train", "ego", 3)
    frames = list(render_frames(scene, fps=2))
    assert len(frames) == 2 * SECONDS
    assert np.array_equal(frames[5], render_at(scene, 2.5))
    assert not np.array_equal(frames[0], frames[-1])
