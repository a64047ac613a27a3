"""The sample sets of LLaVA-Bench and MM-Vet: whole, and made only of what a scene can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.data.scenes import SIDE, image_caption, image_questions, image_scene
from harness.data.sources import DataSource
from harness.media.image import open_image
from harness.types import Image, Sample
from tasks import TASKS
from tasks import samples as sample_sets
from tasks.llavabench import CATEGORIES
from tasks.mmvet import CAPABILITIES
from tasks.samples.llavabench import DESCRIBE, PICTURES

NAMES = ("llavabench", "mmvet")
Sets = Mapping[str, Sequence[Sample]]


def build(folder: Path) -> Sets:
    sample_sets.build(NAMES, folder, 0)
    return {name: TASKS.load(name)().samples(DataSource("folder", folder, synthetic=True)) for name in NAMES}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    return build(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_60_items_that_are_whole_and_pictures_that_open(sets: Sets, name: str) -> None:
    assert len(sets[name]) >= 60
    assert len({sample.id for sample in sets[name]}) == len(sets[name])
    assert not any(sample.broken for sample in sets[name])
    for media in {sample.media for sample in sets[name] if isinstance(sample.media, Image)}:
        assert open_image(media).size == (SIDE, SIDE)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    build(first)
    build(second)
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    assert files
    assert all((first / path).read_bytes() == (second / path).read_bytes() for path in files)


def test_every_llavabench_picture_has_each_category_and_its_caption_as_context(sets: Sets) -> None:
    assert Counter(sample.meta["category"] for sample in sets["llavabench"]) == dict.fromkeys(CATEGORIES, PICTURES)
    scenes = [image_scene("evaluation", index, 0) for index in range(PICTURES)]
    for index, sample in enumerate(sets["llavabench"]):
        scene = scenes[index // len(CATEGORIES)]
        assert sample.meta["context"] == image_caption(scene)
        asked = {one.text: one.answer for one in image_questions(scene)} | {DESCRIBE: image_caption(scene)}
        assert asked[sample.question] == sample.answer


def test_mmvet_needs_several_capabilities_at_once_and_has_both_marks_in_answers(sets: Sets) -> None:
    needed = {name for sample in sets["mmvet"] for name in sample.meta["capabilities"]}
    assert needed == set(CAPABILITIES) - {"know"}
    assert len({tuple(sorted(sample.meta["capabilities"])) for sample in sets["mmvet"]}) >= 5
    assert any("<AND>" in sample.answer for sample in sets["mmvet"])
    assert any("<OR>" in sample.answer for sample in sets["mmvet"])
