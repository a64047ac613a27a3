"""VQA-v2, VizWiz and TextVQA from local folders in the hub's format, with the columns that the dataset cards name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.data.hub import TableBytes
from harness.data.sources import DataSource
from harness.task import Task
from harness.types import Missing, Sample
from tasks.textvqa import TextVqa
from tasks.vizwiz import VizWiz
from tasks.vqav2 import VqaV2
from tasks.wording import SHORT_ANSWER, UNANSWERABLE
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.tasks import score_text


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


def test_vqav2_rows_of_one_image_form_a_group(tmp_path: Path) -> None:
    said = [{"answer": "net", "answer_confidence": "yes", "answer_id": person} for person in range(1, 11)]
    row = {"question_type": "what", "multiple_choice_answer": "net", "answers": said, "answer_type": "other"}
    rows = [{**row, "image_id": image, "question_id": image * 1000, "question": "Where?"} for image in (3, 9)]
    rows.append({**rows[0], "question_id": 3001})
    samples = read(VqaV2(), tmp_path, rows)
    assert [(one.id, one.answer, one.media and one.media.id) for one in samples] == [
        ("3000", "net", "3"),
        ("9000", "net", "9"),
        ("3001", "net", "3"),
    ]
    assert [picture(one) for one in samples] == [b"picture 0", b"picture 1", b"picture 0"]
    assert VqaV2().breakdown([score_text(VqaV2(), samples[0], "A net")])["perAnswerType"] == {"other": 100.0}


def test_vqav2_rows_without_labels_are_not_scored(tmp_path: Path) -> None:
    row = {"question_type": "", "multiple_choice_answer": "", "answers": None, "answer_type": "", "image_id": 1}
    (one,) = read(VqaV2(), tmp_path, [{**row, "question_id": 1, "question": "Where?"}])
    assert isinstance(score_text(VqaV2(), one, "net").result, Missing)


def test_vizwiz_capitalises_the_question(tmp_path: Path) -> None:
    row = {"question_id": "VizWiz_val_00000000", "question": "WHAT is this?", "category": "other"}
    labelled, bare = read(
        VizWiz(), tmp_path, [{**row, "answers": ["can"] * 10}, {**row, "question_id": "2", "answers": []}]
    )
    assert VizWiz().request(labelled, "llava").text == f"What is this?\n{UNANSWERABLE}\n{SHORT_ANSWER}"
    assert (labelled.id, labelled.answer, picture(labelled)) == ("VizWiz_val_00000000", "can", b"picture 0")
    assert VizWiz().breakdown([score_text(VizWiz(), labelled, "Can")])["perAnswerType"] == {"other": 100.0}
    assert isinstance(score_text(VizWiz(), bare, "can").result, Missing)


def test_textvqa_lists_the_ocr_tokens(tmp_path: Path) -> None:
    row = {"image_id": "00ff", "question": "what IS it?", "answers": ["exit"] * 10}
    rows = [{**row, "question_id": 1, "ocr_tokens": ["EXIT", "a, b"]}, {**row, "question_id": 2, "ocr_tokens": []}]
    first, second = read(TextVqa(), tmp_path, rows)
    assert TextVqa().request(first, "llava").text == f"What is it?\nReference OCR token: EXIT, a, b\n{SHORT_ANSWER}"
    assert TextVqa().request(second, "llava").text == f"What is it?\nReference OCR token: \n{SHORT_ANSWER}"
    assert (first.id, picture(first), first.media) == ("1", b"picture 0", second.media)
