"""Every form in which answers made elsewhere come."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.types import Missing
from results.predictions import Predictions, read_predictions
from tests.support.folders import write_json, write_jsonl


def texts(found: Predictions) -> dict[str, object]:
    return {row.name: row.answer for row in found.rows}


@pytest.mark.parametrize(
    "row",
    [
        {"question_id": 7, "prompt": "Is it?", "text": "yes", "answer_id": "x", "model_id": "m", "metadata": {}},
        {"questionId": "7", "prediction": "yes"},
        {"id": "7", "question": "Is it?", "answer": "the gold answer", "pred": "yes"},
        {"index": 7.0, "question": "Is it?", "answer": "A", "prediction": "yes"},
        {"image": "7", "answer": "yes"},
        {"video_name": "7", "Q": "Is it?", "A": "gold", "pred": "yes"},
    ],
)
def test_each_kind_of_row_is_read_from_a_list_and_from_lines(row: dict[str, object], tmp_path: Path) -> None:
    write_json(tmp_path / "list.json", [row, {**row, "extra": 1}])
    write_jsonl(tmp_path / "lines.jsonl", [row, {**row, "extra": 1}])
    write_jsonl(tmp_path / "line.jsonl", [row])
    for name in ("list.json", "lines.jsonl", "line.jsonl"):
        found = read_predictions([tmp_path / name], "gqa")
        assert texts(found) == {"7": "yes"}
        assert not found.unreadable
        asked = {"prompt", "question", "Q"}.intersection(row)
        assert all(one.prompt == ("Is it?" if asked else "") for one in found.rows)


def test_plain_table_of_ids_keeps_repeated_keys(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text('{"v1_0": "a", "v1_1": 2, "v1_0": "b", "v1_2": [1]}')
    found = read_predictions([tmp_path / "table.json"], "mmvet")
    assert [(row.name, row.answer) for row in found.rows] == [("v1_0", "a"), ("v1_1", 2), ("v1_0", "b")]
    assert found.unreadable == ["table.json, key v1_2: no answer text"]


def test_a_consistency_row_is_two_answers(tmp_path: Path) -> None:
    row = {"video_name": "v", "Q1": "First?", "Q2": "Second?", "A": "gold", "pred1": "one", "pred2": "two"}
    write_json(tmp_path / "pred.json", [row])
    found = read_predictions([tmp_path / "pred.json"], "videochatgpt")
    assert [(one.name, one.prompt, one.answer) for one in found.rows] == [
        ("v", "First?", "one"),
        ("v", "Second?", "two"),
    ]


def test_mme_result_files_name_category_and_image(tmp_path: Path) -> None:
    (tmp_path / "color.txt").write_text("1.txt\tIs it red?\tYes\tyes\tand tabs\r\n2.jpg\tIs it?\tNo\n", newline="")
    found = read_predictions([tmp_path], "mme")
    (row,) = found.rows
    assert (row.name, row.prompt, row.answer) == ("color/1", "Is it red?", "yes\tand tabs")
    assert len(found.unreadable) == 1
    assert found.unreadable[0].startswith("color.txt:2:")


def test_a_journal_keeps_why_an_answer_is_missing(tmp_path: Path) -> None:
    journal = tmp_path / "gqa" / "responses.jsonl"
    write_jsonl(journal, [{"id": "1", "text": "yes"}, {"id": "2", "missing": {"reason": "no file", "detail": "x.jpg"}}])
    write_json(tmp_path / "run.json", {})
    for path in (tmp_path, tmp_path / "gqa", journal):
        assert texts(read_predictions([path], "gqa")) == {"1": "yes", "2": Missing("no file", "x.jpg")}
    with pytest.raises(UserError, match="no answers of pope"):
        read_predictions([tmp_path], "pope")


def test_a_workbook_is_read_by_its_first_row(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in (["index", "question", "prediction", "answer"], [1, "q", "B", "A"], [2, "q", None, "A"], []):
        book.active.append(row)
    book.save(tmp_path / "upload.xlsx")
    assert texts(read_predictions([tmp_path / "upload.xlsx"], "mmbench")) == {"1": "B", "2": ""}
    (tmp_path / "no.xlsx").write_text("plain text")
    with pytest.raises(UserError, match="no xlsx workbook"):
        read_predictions([tmp_path / "no.xlsx"], "mmbench")


def test_lines_that_are_no_answers_are_kept_as_complaints(tmp_path: Path) -> None:
    lines = ['{"question_id": 1, "text": "a"}', "{torn", "", "3", '{"text": "b"}', '{"question_id": 2}', b"\xff\xfe"]
    content = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    (tmp_path / "answers.jsonl").write_bytes(content)
    found = read_predictions([tmp_path / "answers.jsonl"], "gqa")
    assert texts(found) == {"1": "a"}
    assert found.unreadable == [
        "answers.jsonl:2: not JSON",
        "answers.jsonl:4: no JSON object",
        "answers.jsonl:5: no id",
        "answers.jsonl:6: no answer text",
        "answers.jsonl:7: not JSON",
    ]


def test_a_file_without_any_answer_or_that_is_not_there_ends_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "prose.txt").write_text("no answers here\n")
    for name, says in (("empty.jsonl", "no answer"), ("prose.txt", "prose.txt:1: not JSON"), ("gone", "No such file")):
        with pytest.raises(UserError, match=says):
            read_predictions([tmp_path / name], "gqa")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("id"), inner, max_size=3),
    max_leaves=8,
)


@given(st.one_of(st.text().map(str.encode), st.binary(), st.lists(JSON).map(lambda rows: json.dumps(rows).encode())))
def test_any_content_is_read_or_refused_with_a_message(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.jsonl"
        path.write_bytes(b'{"id": "1", "text": "a"}\n' + content)
        found = read_predictions([path], "gqa")
        assert found.rows[0].answer == "a"
        path.write_bytes(content)
        try:
            found = read_predictions([path], "gqa")
        except UserError:
            return
        assert found.rows
