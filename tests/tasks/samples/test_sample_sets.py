from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from harness.data.scenes import IMAGE_KINDS
from harness.data.sources import DataSource
from harness.errors import UnknownName, UserError
from harness.scoring.statistics import point
from harness.types import Sample
from tasks import samples as sample_sets
from tasks.gqa import Gqa
from tasks.mlvu import FILES, Mlvu
from tests.support.tasks import score_texts

SEED = 0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    sample_sets.build(["gqa", "mlvu"], folder, SEED)
    return folder


@pytest.fixture(scope="module")
def gqa(root: Path) -> Sequence[Sample]:
    return Gqa().samples(DataSource("folder", root, synthetic=True))


@pytest.fixture(scope="module")
def mlvu(root: Path) -> Sequence[Sample]:
    return Mlvu().samples(DataSource("folder", root, synthetic=True))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_gqa_set_has_several_questions_of_every_kind_on_each_picture(gqa: Sequence[Sample]) -> None:
    kinds = Counter(sample.meta["kind"] for sample in gqa)
    assert len(gqa) >= 300
    assert set(kinds) == set(IMAGE_KINDS)
    assert (kinds["relation"] + kinds["size"]) * 3 <= len(gqa)
    assert min(Counter(sample.media.id for sample in gqa if sample.media).values()) >= 3
    assert not any(sample.broken for sample in gqa)


def test_gqa_existence_is_yes_as_often_as_no(gqa: Sequence[Sample]) -> None:
    answers = Counter(sample.answer for sample in gqa if sample.meta["kind"] == "existence")
    assert answers["yes"] == answers["no"] > 0


def test_gqa_breakdown_of_a_sample_run_lists_the_kinds_and_the_official_tables(gqa: Sequence[Sample]) -> None:
    run = score_texts(Gqa(), gqa, [sample.answer for sample in gqa])
    table = Gqa().breakdown(run)
    assert point(Gqa.headline, run) == table["Open"] == table["Binary"] == 100.0
    assert set(table["sample kinds"]) == set(IMAGE_KINDS)
    assert table["Distribution"] == 0.0
    assert {"query", "verify", "choose"} == set(table["structural type"])


def test_gqa_annotations_point_only_backwards_and_name_what_the_question_names(root: Path) -> None:
    annotations = json.loads((root / "gqa" / "data" / "testdev_balanced_questions.json").read_text())
    for annotation in annotations.values():
        for place, step in enumerate(annotation["semantic"]):
            assert all(0 <= earlier < place for earlier in step["dependencies"])
            if step["operation"] == "select":
                assert step["argument"] in annotation["question"]
        assert annotation["answer"] in annotation["fullAnswer"]


def test_pictures_are_jpeg_files_named_by_the_question_file(gqa: Sequence[Sample], root: Path) -> None:
    files = {sample.media.source for sample in gqa if sample.media}
    assert files == set((root / "gqa" / "data" / "images").iterdir())
    with Image.open(str(min(files, key=str))) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")


def test_mlvu_set_asks_enough_in_every_task_with_every_letter_right_equally_often(mlvu: Sequence[Sample]) -> None:
    assert len(mlvu) >= 140
    assert not any(sample.broken for sample in mlvu)
    for task in FILES:
        letters = Counter(sample.answer for sample in mlvu if sample.meta["task"] == task)
        assert set(letters) == set("ABCD")
        assert len(set(letters.values())) == 1
    assert all(len(set(sample.choices)) == 4 for sample in mlvu)


def test_always_the_same_letter_scores_at_chance(mlvu: Sequence[Sample]) -> None:
    for letter in "ABCD":
        assert point(Mlvu.headline, score_texts(Mlvu(), mlvu, [letter] * len(mlvu))) == 25.0


def test_some_videos_have_several_questions(mlvu: Sequence[Sample]) -> None:
    assert max(Counter(sample.media.id for sample in mlvu if sample.media).values()) > 1


def test_videos_are_h264_and_give_about_one_frame_a_second_for_8_to_12_seconds(mlvu: Sequence[Sample]) -> None:
    import av

    for path in {sample.media.source for sample in mlvu if sample.media}:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            frames, rate = sum(1 for _ in container.decode(stream)), float(stream.average_rate)
            assert 8 <= rate <= 10
            assert 8 <= frames // rate <= 12


def test_same_seed_same_bytes_and_another_seed_other_ones(root: Path, tmp_path: Path) -> None:
    sample_sets.build(["gqa", "mlvu"], tmp_path / "again", SEED)
    sample_sets.build(["gqa"], tmp_path / "other", SEED + 1)
    assert digests(tmp_path / "again") == digests(root)
    assert digests(tmp_path / "other" / "gqa") != digests(root / "gqa")


def test_a_set_that_is_there_stays(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    sample_sets.build(["gqa", "mlvu"], root, SEED)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_set_of_another_seed_or_code_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_sets.build(["gqa"], tmp_path, SEED)
    first = digests(tmp_path)
    sample_sets.build(["gqa"], tmp_path, SEED + 1)
    assert digests(tmp_path) != first
    (tmp_path / "gqa" / "data" / "testdev_balanced_questions.json").unlink()
    monkeypatch.setattr(sample_sets, "_code_digest", lambda builder: "other code")
    sample_sets.build(["gqa"], tmp_path, SEED + 1)
    assert (tmp_path / "gqa" / "data" / "testdev_balanced_questions.json").is_file()


def test_an_interrupted_build_leaves_nothing_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.samples.gqa as builder

    def interrupted(folder: Path, seed: int) -> None:
        (folder / "half.jpg").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(builder, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sample_sets.build(["gqa"], tmp_path, SEED)
    assert list(tmp_path.iterdir()) == []
    sample_sets.build(["gqa"], tmp_path, SEED)
    assert not (tmp_path / "gqa" / "half.jpg").exists()


def test_somebody_elses_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "gqa").mkdir()
    (tmp_path / "gqa" / "mine.txt").write_text("the real download")
    with pytest.raises(UserError, match="is no sample set"):
        sample_sets.build(["gqa"], tmp_path, SEED)
    assert (tmp_path / "gqa" / "mine.txt").read_text() == "the real download"


def test_an_unknown_task_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="'gqa'"):
        sample_sets.build(["gqaa"], tmp_path, SEED)
