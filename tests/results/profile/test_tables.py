from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import pytest

from harness.errors import UserError
from results.profile.tables import Column, Question, csv_rows, questions, remarks
from results.profile.write import write
from tests.support.profiles import TINY, tiny_profile


def named(key: str) -> Question:
    return next(one for one in questions(tiny_profile()) if one.key == key)


def cells(question: Question, row: int) -> dict[str, object]:
    return dict(zip((column.key for column in question.columns), question.rows[row], strict=True))


def test_every_question_that_can_be_answered_without_a_gpu_has_a_table() -> None:
    keys = [one.key for one in questions(tiny_profile())]
    assert keys == ["flops", "text_tokens", "memory", "frames", "latency", "decoding", "roofline"]


def test_a_row_of_flops_adds_up_to_its_total() -> None:
    table = named("flops")
    for index in range(len(table.rows)):
        row = cells(table, index)
        parts = [value for key, value in row.items() if key.endswith("_flops") and key != "total_flops"]
        assert sum(parts) == row["total_flops"]  # type: ignore[arg-type]


def test_the_sweep_repeats_the_table_at_the_first_count() -> None:
    document = tiny_profile()
    swept = {row[0]: row for row in named("text_tokens").rows if row[1] == document["text_tokens"]}
    for name in TINY:
        assert swept[name][2] == document["flops"]["paper"][name]["total"]


def test_the_baseline_is_less_by_nothing() -> None:
    rows = [cells(named("flops"), index) for index in range(4)]
    assert {row["reduction_percent"] for row in rows if row["model"] == "llava-v1.5-tiny"} == {0.0}


def test_a_value_that_is_not_known_is_a_dash_and_an_empty_field() -> None:
    table = Question("q", "", "", (Column("model", "model"), Column("ms", "ms", 1)), (("a", None), ("b", 1.25)))
    assert list(table.texts()) == [["a", "-"], ["b", "1.2"]]
    assert list(csv_rows(table)) == [["model", "ms"], ["a", ""], ["b", 1.25]]


def test_what_was_left_out_is_said_with_its_reason() -> None:
    document = copy.deepcopy(tiny_profile())
    document["latency"] |= {"skipped": {"big": "too much"}, "notes": ["the GPU is 40 % busy"]}
    document["memory"]["big"] = {"skipped": "does not fit"}
    lines = remarks(document)
    assert lines[0].startswith("Random weights; T = 43")
    for said in ("big: latency skipped: too much.", "the GPU is 40 % busy", "big: memory skipped: does not fit."):
        assert said in lines
    assert any("no NVIDIA GPU" in line for line in lines)
    assert any("are equal to what" in line for line in lines)
    assert "big" not in [row[0] for one in questions(document) for row in one.rows]


def test_the_folder_holds_json_csv_and_a_page(tmp_path: Path) -> None:
    document = tiny_profile()
    paths = write(document, tmp_path / "new" / "folder")
    assert json.loads(paths[0].read_text(encoding="utf-8"))["flops"] == json.loads(json.dumps(document["flops"]))
    for question in questions(document):
        with (tmp_path / "new" / "folder" / f"{question.key}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert header == [column.key for column in question.columns]
        assert len(rows) == len(question.rows)
    assert paths[-1].name == "profile.html"


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        write(tiny_profile(), tmp_path / "file")


def test_what_only_a_gpu_gives_has_its_place() -> None:
    document = copy.deepcopy(tiny_profile())
    document["memory"]["llava-mini-tiny"]["frames"] |= {"bisected": 1234}
    energy = {"joules": 12.5, "answers": 400, "seconds": 30.0, "idle_w": 75.0}
    document["latency"]["models"]["llava-mini-tiny"]["energy"] = energy
    tables = {one.key: list(one.texts()) for one in questions(document)}
    assert [row[-1] for row in tables["frames"]] == ["1,234", "-"]
    assert tables["energy"] == [["llava-mini-tiny", "12.50", "400", "75.0"]]
