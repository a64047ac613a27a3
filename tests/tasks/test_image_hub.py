"""Image benchmarks read from local folders in the hub's format, with the columns that the dataset cards name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from harness.data.hub import TableBytes
from harness.data.sources import DataSource
from harness.types import Sample
from tasks.mmbench import MmBench
from tasks.mme import Mme
from tasks.pope import Pope
from tasks.scienceqa import ScienceQa
from tasks.seedbench import SeedBench

LETTER = "Answer with the option's letter from the given choices directly."


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def png(shade: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Pillow.new("RGB", (4, 4), (shade,) * 3).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def hub_folder(root: Path, rows: list[dict[str, Any]], split: str, config: str = "default", many: bool = False) -> None:
    """Adds one split to a dataset folder: parquet files and the card that names them."""
    import datasets
    import yaml

    picture = datasets.Image()
    table = datasets.Dataset.from_list(rows)
    table = table.cast_column("image", datasets.List(picture) if many else picture)
    (root / config).mkdir(parents=True, exist_ok=True)
    table.to_parquet(root / config / f"{split}-0.parquet")
    files = [
        {"split": path.name.partition("-")[0], "path": f"{config}/{path.name}"}
        for path in sorted((root / config).iterdir())
    ]
    head = yaml.safe_dump({"configs": [{"config_name": config, "data_files": files}]})
    (root / "README.md").write_text(f"---\n{head}---\n", encoding="utf-8")


def shade(sample: Sample) -> int:
    assert sample.media is not None
    assert isinstance(sample.media.source, TableBytes)
    with Pillow.open(io.BytesIO(sample.media.source.read())) as picture:
        return picture.convert("RGB").getpixel((0, 0))[0]


def test_pope_takes_its_three_splits(tmp_path: Path) -> None:
    for place, category in enumerate(("adversarial", "random", "popular")):
        row = {"id": "0", "question_id": "1", "question": f"Is there a {category}?", "answer": "yes"}
        rows = [{**row, "image_source": "COCO_1", "category": category, "image": png(place)}]
        hub_folder(tmp_path / "hub", rows, category, "Full")
    samples = Pope().samples(DataSource("hub", repo=str(tmp_path / "hub")))
    assert [sample.meta["category"] for sample in samples] == ["adversarial", "random", "popular"]
    assert [shade(sample) for sample in samples] == [0, 1, 2]
    assert len({sample.id for sample in samples}) == 3
    assert Pope().request(samples[1], "llava").text.startswith("Is there a random?\nAnswer the question")


def test_mme_takes_the_instruction_off_and_numbers_the_pair(tmp_path: Path) -> None:
    row = {"question_id": "color/1.png", "category": "color"}
    rows = [
        {**row, "question": "Is it red?  Please answer yes or no.", "answer": "Yes", "image": png(7)},
        {**row, "question": "Is it blue? Please answer yes or no.", "answer": "No", "image": png(7)},
    ]
    hub_folder(tmp_path / "hub", rows, "test")
    samples = Mme().samples(DataSource("hub", repo=str(tmp_path / "hub")))
    assert [(s.id, s.question, s.answer) for s in samples] == [
        ("color/1.png#1", "Is it red?", "Yes"),
        ("color/1.png#2", "Is it blue?", "No"),
    ]
    assert [shade(sample) for sample in samples] == [7, 7]


def test_scienceqa_asks_rows_without_image_as_text(tmp_path: Path) -> None:
    row = {"question": "Which  one?", "choices": ["x", "y"], "answer": 1, "hint": "", "subject": "s"}
    rows = [{**row, "image": png(9)}, {**row, "image": None, "hint": "Look."}]
    hub_folder(tmp_path / "hub", rows, "test", "ScienceQA-FULL")
    pictured, text_only = ScienceQa().samples(DataSource("hub", repo=str(tmp_path / "hub")))
    assert shade(pictured) == 9
    assert (text_only.media, text_only.meta["image"]) == (None, False)
    assert (pictured.answer, text_only.answer) == ("B", "B")
    text = ScienceQa().request(text_only, "llava").text
    assert text == f"Context: Look.\nWhich one?\nA. x\nB. y\n{LETTER}"


def test_mmbench_takes_indices_of_either_type(tmp_path: Path) -> None:
    row = {"question": "Which?", "hint": "nan", "A": "x", "B": "y", "C": "nan", "D": "nan", "category": "ocr"}
    row = {**row, "L2-category": "l2", "split": "dev", "comment": "nan", "source": "s"}
    rows = [{**row, "index": str(i), "answer": a, "image": png(3)} for i, a in ((5, "A"), (1000005, "B"))]
    hub_folder(tmp_path / "hub", rows, "dev")
    samples = MmBench().samples(DataSource("hub", repo=str(tmp_path / "hub")))
    assert [sample.meta["group"] for sample in samples] == [5, 5]
    assert samples[0].media is not None
    assert samples[1].media is not None
    assert samples[0].media.id == samples[1].media.id
    assert (samples[0].meta["l2-category"], shade(samples[0])) == ("l2", 3)
    assert MmBench().request(samples[0], "llava").text == f"Which?\nA. x\nB. y\n{LETTER}"


def test_seedbench_shows_the_middle_frame_of_a_video(tmp_path: Path) -> None:
    row = {"answer": "A", "data_id": "d", "question": "Which?", **{f"choice_{letter}": letter for letter in "abcd"}}
    rows = [
        {**row, "question_id": "1", "data_type": "image", "question_type_id": 1, "image": [png(20)]},
        {**row, "question_id": "2", "data_type": "video", "question_type_id": 10, "image": [png(i) for i in range(8)]},
    ]
    hub_folder(tmp_path / "hub", rows, "test", many=True)
    picture, video = SeedBench().samples(DataSource("hub", repo=str(tmp_path / "hub")))
    assert (shade(picture), shade(video)) == (20, 3)
    assert (picture.meta["medium"], video.meta["medium"]) == ("image", "video")
