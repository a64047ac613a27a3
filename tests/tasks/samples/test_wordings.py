"""The wordings that the tiny models learn: answers can be had from what is shown, and letters name the right option."""

import re

from harness.data.scenes import VIDEO_KINDS, image_scene, scene_rng, video_scene
from tasks.samples.wordings import Asked, clip_questions, picture_questions


def _pictures() -> list[Asked]:
    scenes = [image_scene("train", index) for index in range(40)]
    return [asked for scene in scenes for asked in picture_questions(scene, scene_rng("test", scene.key), 3)]


def _clips() -> list[Asked]:
    scenes = [video_scene("train", kind, index) for kind in VIDEO_KINDS for index in range(5)]
    return [asked for scene in scenes for asked in clip_questions(scene, scene_rng("test", scene.key))]


def test_a_letter_follows_its_own_word() -> None:
    for asked in _clips():
        if asked.form in ("options", "lookup"):
            letter = re.search(r"\(([A-E])\)$", asked.answer)
            assert letter
            shown = dict(re.findall(r"\(([A-E])\) (.+)", asked.prompt))
            assert len(set(shown.values())) == len(shown) == 4
            assert asked.answer.startswith(shown[letter[1]])


def test_lookups_ask_for_an_option_that_is_there() -> None:
    for asked in _pictures() + _clips():
        if asked.form == "lookup":
            word = re.match(r"Question: Which option is (.+)\?", asked.prompt)
            assert word
            assert asked.answer.startswith(f"{word[1]} (")


def test_yes_is_as_likely_as_no() -> None:
    answers = [asked.answer for asked in _pictures() if asked.form == "yes-no"]
    assert set(answers) == {"yes", "no"}
    assert 0.3 < answers.count("yes") / len(answers) < 0.7


def test_only_what_is_not_there_is_unanswerable() -> None:
    scenes = [image_scene("train", index) for index in range(60)]
    seen = set()
    for scene in scenes:
        shapes = {thing.shape for thing in scene.things}
        for asked in picture_questions(scene, scene_rng("test", scene.key), 3):
            if asked.kind == "unanswerable":
                assert not any(f"the {shape}?" in asked.prompt for shape in shapes)
            seen.add(asked.kind)
    assert {"unanswerable", "caption", "lookup", "existence"} <= seen


def test_the_same_scene_is_asked_the_same() -> None:
    assert _pictures() == _pictures()
