"""The check names what is wrong with an upload file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from results.export import FORMS
from results.export.check import problems
from results.export.files import encode

VIZWIZ = FORMS.load("vizwiz")
RECORDS = [{"image": f"{number}.jpg", "answer": "x"} for number in range(3)]


def found(content: bytes | list[Any], name: str = "vizwiz") -> str:
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return " ".join(problems(FORMS.load(name), content, RECORDS))


def test_a_good_file_has_no_fault() -> None:
    assert found(RECORDS) == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{torn", "the file is not JSON"),
        (b"{}", "the file is no JSON list"),
        (b'[{"image": "a", "image": "b"}]', "occurs more than once"),
        ([*RECORDS[:2], 3], "record 3 is no JSON object"),
        ([*RECORDS[:2], {"image": "2.jpg"}], "record 3: has the columns image instead of image, answer"),
        ([*RECORDS[:2], {"answer": "x", "image": "2.jpg"}], "record 3: has the columns answer, image"),
        ([*RECORDS[:2], {"image": "2.jpg", "answer": 3}], "record 3: answer is 3, which must be text"),
        ([*RECORDS[:2], {"image": "2.jpg", "answer": None}], "record 3: answer is None"),
        (RECORDS[:2], "1 of 3 values of image are absent: '2.jpg'"),
        ([*RECORDS, RECORDS[0]], "are too many: they are no questions, or occur more than once: '0.jpg'"),
        ([RECORDS[1], RECORDS[0], RECORDS[2]], "record 1 has image '1.jpg', which must be '0.jpg'"),
    ],
)
def test_each_fault_is_named(content: bytes | list[Any], says: str) -> None:
    assert says in found(content)


def test_many_faults_are_counted_not_listed() -> None:
    bad = [{"image": f"{number}.jpg", "answer": number} for number in range(3)] * 10
    assert "more records with faults" in found(bad)


def test_a_table_is_checked_key_by_key() -> None:
    form = FORMS.load("mmvet")
    expected = [{"id": "v1_0", "text": "a"}, {"id": "v1_1", "text": "b"}]

    def faults(document: Any) -> str:
        return " ".join(problems(form, json.dumps(document).encode(), expected))

    assert faults({"v1_0": "a", "v1_1": "b"}) == ""
    assert "'0' is no id like v1_0" in faults({"0": "a", "v1_1": "b"})
    assert "text is 3, which must be text" in faults({"v1_0": 3, "v1_1": "b"})
    assert "no JSON object from id to text" in faults([])


def test_a_workbook_that_is_none_or_has_other_columns_is_named() -> None:
    form = FORMS.load("mmbench")
    assert "no xlsx workbook" in " ".join(problems(form, b"plain", []))
    record: dict[str, Any] = {**dict.fromkeys(form.columns), "index": 1, "question": "q"}
    good = encode(form, [record])
    assert not list(problems(form, good, [record]))
    assert "index are absent: 2" in " ".join(problems(form, good, [record, {**record, "index": 2}]))
    textual = encode(form, [{**record, "index": "1"}])
    assert "index is '1', which must be a whole number" in " ".join(problems(form, textual, [record]))
