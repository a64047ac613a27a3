from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.data.scenes import SHAPES, SIDE, image_scene
from harness.data.sources import DataSource
from harness.media.image import open_image
from harness.scoring.statistics import point
from harness.types import Image, Sample
from tasks import TASKS
from tasks import samples as sample_sets
from tests.support.tasks import score_texts

SEED = 0
NAMES = ("scienceqa", "pope", "mme", "mmbench", "mmbench_cn", "seedbench")
ENGLISH = tuple(name for name in NAMES if name != "mmbench_cn")
Sets = Mapping[str, Sequence[Sample]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    sample_sets.build(NAMES, folder, SEED)
    return folder


@pytest.fixture(scope="module")
def sets(root: Path) -> Sets:
    return {name: TASKS.load(name)().samples(DataSource("folder", root, synthetic=True)) for name in NAMES}


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_60_items_that_are_whole_and_pictures_that_open(sets: Sets, name: str) -> None:
    assert len(sets[name]) >= 60
    assert len({sample.id for sample in sets[name]}) == len(sets[name])
    assert not any(sample.broken for sample in sets[name])
    for media in {sample.media for sample in sets[name] if isinstance(sample.media, Image)}:
        assert open_image(media).size == (SIDE, SIDE)


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answers_score_the_most_there_is(sets: Sets, name: str) -> None:
    task = TASKS.load(name)()
    run = score_texts(task, sets[name], [sample.answer for sample in sets[name]])
    best = point(task.headline, run)
    assert best == (1200.0 if name == "mme" else 100.0)  # six of MME's ten perception categories


@pytest.mark.parametrize("name", NAMES)
def test_no_constant_answer_reaches_two_thirds(sets: Sets, name: str) -> None:
    task = TASKS.load(name)()
    for text in ("Yes", "No", *"ABCD"):
        value = point(task.headline, score_texts(task, sets[name], [text] * len(sets[name])))
        assert value is not None
        assert value / (1200.0 if name == "mme" else 100.0) <= 2 / 3 + 1e-9


@pytest.mark.parametrize(
    ("name", "questions"),
    [
        ("pope", "pope/llava_pope_test.jsonl"),
        ("mme", "MME/llava_mme.jsonl"),
        ("seedbench", "seed_bench/llava-seed-bench.jsonl"),
    ],
)
def test_question_files_hold_the_very_prompts(sets: Sets, root: Path, name: str, questions: str) -> None:
    task, lines = TASKS.load(name)(), (root / questions).read_text(encoding="utf-8").splitlines()
    assert [task.request(sample, "llava").text for sample in sets[name]] == [json.loads(line)["text"] for line in lines]


def test_same_seed_same_bytes_and_another_seed_other_ones(root: Path, tmp_path: Path) -> None:
    sample_sets.build(NAMES, tmp_path / "again", SEED)
    sample_sets.build(NAMES, tmp_path / "other", SEED + 1)
    assert digests(tmp_path / "again") == digests(root)
    for folder in root.iterdir():
        assert digests(tmp_path / "other" / folder.name) != digests(folder)


def test_pope_asks_after_as_many_things_that_are_there_as_not_in_each_category(sets: Sets) -> None:
    labels = Counter((sample.meta["category"], sample.answer) for sample in sets["pope"])
    assert len(labels) == 6
    assert len(set(labels.values())) == 1
    scenes = {f"COCO_val2014_{index + 1:012d}.jpg": image_scene("evaluation", index, SEED) for index in range(30)}
    for sample in sets["pope"]:
        asked = re.fullmatch(r"Is there an? (.+) in the image\?", sample.question)
        assert asked is not None
        assert sample.media is not None
        words = set(asked.group(1).split()) - {"object"}
        there = any(words <= {thing.color, thing.shape} for thing in scenes[sample.media.id].things)
        assert sample.answer == ("yes" if there else "no"), sample


def test_mme_asks_one_yes_and_one_no_of_each_picture(sets: Sets) -> None:
    answers = defaultdict(list)
    for sample in sets["mme"]:
        answers[sample.meta["image"]].append(sample.answer)
    assert all(sorted(pair) == ["No", "Yes"] for pair in answers.values())
    assert len({sample.meta["category"] for sample in sets["mme"]}) == 7


def test_mmbench_turns_the_options_of_each_question_all_the_way_round(sets: Sets) -> None:
    groups = defaultdict(list)
    for sample in sets["mmbench"]:
        groups[sample.meta["group"]].append(sample)
    assert {len(group) for group in groups.values()} >= {2, 4}
    for group in groups.values():
        first = group[0].choices
        assert [sample.choices for sample in group] == [first[turn:] + first[:turn] for turn in range(len(first))]
        assert len({sample.choices["ABCD".index(sample.answer)] for sample in group}) == 1
        assert len({sample.media for sample in group}) == 1


def test_chinese_questions_hold_no_english_but_printed_words(sets: Sets) -> None:
    for sample, english in zip(sets["mmbench_cn"], sets["mmbench"], strict=True):
        assert not re.search("[A-Za-z]", sample.question + sample.meta["hint"])
        assert sample.answer == english.answer
        for text, original in zip(sample.choices, english.choices, strict=True):
            assert text != original or original.isdigit() or "word" in english.question


def test_seedbench_has_every_type_and_four_different_options(sets: Sets) -> None:
    assert {sample.meta["type"] for sample in sets["seedbench"]} == set(range(1, 13))
    assert {sample.meta["medium"] for sample in sets["seedbench"]} == {"image", "video"}
    assert all(len(set(sample.choices)) == 4 for sample in sets["seedbench"])


def test_scienceqa_has_questions_with_a_picture_and_with_a_text_that_answers(sets: Sets) -> None:
    with_image = [sample for sample in sets["scienceqa"] if sample.media]
    text_only = [sample for sample in sets["scienceqa"] if not sample.media]
    assert len(with_image) >= 60
    assert text_only
    for sample in text_only:
        assert any(shape in sample.meta["hint"] for shape in SHAPES)
    assert {len(sample.choices) for sample in sets["scienceqa"]} == {2, 3, 4, 5}
    for sample in sets["scienceqa"]:
        assert len(set(sample.choices)) == len(sample.choices)
