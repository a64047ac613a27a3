"""LLaVA-Bench and MM-Vet from local folders in the hub's format, with the columns that the dataset cards name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.data.hub import TableBytes
from harness.data.sources import DataSource
from harness.task import Task
from harness.types import Sample
from tasks.llavabench import LlavaBench
from tasks.mmvet import MmVet
from tests.support.hub import keep_caches_in, write_dataset


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_caches_in(tmp_path, monkeypatch)


def read(task: Task, folder: Path, rows: list[dict[str, Any]]) -> list[Sample]:
    pictured = [
        {**row, "image": {"bytes": f"picture {place}".encode(), "path": None}} for place, row in enumerate(rows)
    ]
    write_dataset(folder / "hub", task.card.hub.split, {"default": pictured}, image="image")
    return list(task.samples(DataSource("hub", repo=str(folder / "hub"))))


def picture(sample: Sample) -> bytes:
    assert sample.media is not None
    assert isinstance(sample.media.source, TableBytes)
    return sample.media.source.read()


@pytest.mark.parametrize("caption", ["A red bus.\nOn a street.", ["A red bus.", "On a street."]])
def test_llavabench_questions_about_one_image_form_a_group(caption: str | list[str], tmp_path: Path) -> None:
    row = {"caption": caption, "gpt_answer": "A bus.", "question": "What is it?"}
    rows = [
        {**row, "question_id": index, "image_id": f"00{image}", "category": category}
        for index, (image, category) in enumerate([(1, "conv"), (2, "detail"), (1, "complex")])
    ]
    samples = read(LlavaBench(), tmp_path, rows)
    assert [(one.id, one.media and one.media.id, one.meta["category"]) for one in samples] == [
        ("0", "001", "conv"),
        ("1", "002", "detail"),
        ("2", "001", "complex"),
    ]
    assert {(one.question, one.answer, one.meta["context"]) for one in samples} == {
        ("What is it?", "A bus.", "A red bus.\nOn a street.")
    }
    assert picture(samples[1]) == b"picture 1"


def test_mmvet_capabilities_are_split_and_ids_are_those_of_the_folder(tmp_path: Path) -> None:
    row = {"question": "What is x?", "answer": "-1<AND>-5", "image_source": "s"}
    capabilities = ["ocr,math", "ocr, spat", "rec"]
    rows = [{**row, "question_id": f"v1_{index}", "capability": text} for index, text in enumerate(capabilities)]
    samples = read(MmVet(), tmp_path, rows)
    assert [(one.id, one.meta["capabilities"]) for one in samples] == [
        ("0", ["ocr", "math"]),
        ("1", ["ocr", "spat"]),
        ("2", ["rec"]),
    ]
    assert {one.answer for one in samples} == {"-1<AND>-5"}
    assert [picture(one) for one in samples] == [b"picture 0", b"picture 1", b"picture 2"]
