from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.data.scenes import SIDE, ImageScene, image_scene
from harness.data.sources import DataSource
from harness.media.image import open_image
from harness.scoring.statistics import point
from harness.types import Image, Sample
from tasks import TASKS
from tasks import samples as sample_sets
from tests.support.tasks import score_texts

SEED = 0
NAMES = ("vqav2", "vizwiz", "textvqa")
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
    assert all(len(sample.meta["answers"]) == 10 and not sample.broken for sample in sets[name])
    for media in {sample.media for sample in sets[name] if isinstance(sample.media, Image)}:
        assert open_image(media).size == (SIDE, SIDE)


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answers_score_the_most_there_is_under_each_rule(sets: Sets, name: str) -> None:
    task = TASKS.load(name)()
    run = score_texts(task, sets[name], [sample.answer for sample in sets[name]])
    assert point(task.headline, run) == 100.0
    assert set(task.variants(run).values()) == {100.0}


@pytest.mark.parametrize("name", NAMES)
def test_no_constant_answer_reaches_a_third(sets: Sets, name: str) -> None:
    task = TASKS.load(name)()
    for text in {sample.answer for sample in sets[name]}:
        value = point(task.headline, score_texts(task, sets[name], [text] * len(sets[name])))
        assert value is not None
        assert value <= 100 / 3


def test_same_seed_same_bytes_and_another_seed_other_ones(root: Path, tmp_path: Path) -> None:
    sample_sets.build(NAMES, tmp_path / "again", SEED)
    sample_sets.build(NAMES, tmp_path / "other", SEED + 1)
    assert digests(tmp_path / "again") == digests(root)
    for name in NAMES:
        assert digests(tmp_path / "other" / name) != digests(root / name)


@pytest.mark.parametrize("name", NAMES)
def test_people_agree_on_some_questions_and_differ_on_others(sets: Sets, name: str) -> None:
    agreed = Counter(len(set(sample.meta["answers"])) == 1 for sample in sets[name])
    assert min(agreed[True], agreed[False]) >= 10


def test_vqav2_has_every_answer_type(sets: Sets) -> None:
    types = Counter(sample.meta["answer_type"] for sample in sets["vqav2"])
    assert set(types) == {"yes/no", "number", "other"}
    assert min(types.values()) >= 20


def test_vizwiz_asks_a_quarter_of_its_questions_about_shapes_that_are_not_there(sets: Sets, root: Path) -> None:
    unanswerable = [sample for sample in sets["vizwiz"] if not sample.meta["answerable"]]
    assert len(unanswerable) * 4 == len(sets["vizwiz"])
    scenes = {
        picture_of(scene, root): scene for scene in (image_scene("evaluation", index, SEED) for index in range(200))
    }
    for sample in unanswerable:
        assert sample.answer == "unanswerable"
        asked = sample.question.removeprefix("What color is the ").removesuffix("?")
        assert isinstance(sample.media, Image)
        assert isinstance(sample.media.source, Path)
        assert asked not in {thing.shape for thing in scenes[sample.media.source.read_bytes()].things}


def picture_of(scene: ImageScene, scratch: Path) -> bytes:
    from harness.data.scenes import render

    path = scratch / "picture.jpg"
    render(scene).save(path, quality=92)
    content = path.read_bytes()
    path.unlink()
    return content


def test_textvqa_lists_the_printed_word_among_others(sets: Sets) -> None:
    counts = Counter()
    for sample in sets["textvqa"]:
        tokens = sample.meta["prompt"].split("\n")[1].removeprefix("Reference OCR token: ").split(", ")
        assert sample.answer in tokens
        counts[len(tokens)] += 1
    assert set(counts) == {1, 2, 3}
