from __future__ import annotations

import base64
import csv
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MediaError, NotAvailable
from tasks.mmbench_table import Base64Span, read_table

COLUMNS = ("index", "question", "hint", "image", "A")


def table(path: Path, rows: list[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_row_is_read_from_its_place_in_the_file(tmp_path: Path) -> None:
    rows = [
        ("1", 'Which "one"\tis\nit?', "", encoded(b"first"), "x"),
        ("2", "plain", "two\n\nlines", encoded(b"second" * 1000), "y"),
    ]
    first, second = read_table(table(tmp_path / "t.tsv", rows))
    assert first.fields == {"index": "1", "question": 'Which "one"\tis\nit?', "hint": None, "A": "x"}
    assert second.fields["hint"] == "two\n\nlines"
    assert isinstance(first.image.source, Base64Span)
    assert isinstance(second.image.source, Base64Span)
    assert (first.image.source.read(), second.image.source.read()) == (b"first", b"second" * 1000)


def test_pandas_missing_values_are_missing_and_numbers_stay_text(tmp_path: Path) -> None:
    rows = [(str(number), "q", text, encoded(b"i"), "1.0") for number, text in enumerate(["nan", "None", "N/A", "0"])]
    fields = [row.fields for row in read_table(table(tmp_path / "t.tsv", rows))]
    assert [one["hint"] for one in fields] == [None, None, None, "0"]
    assert {one["A"] for one in fields} == {"1.0"}


def test_equal_pictures_are_one_image(tmp_path: Path) -> None:
    rows = [(str(number), "q", "", encoded(content), "x") for number, content in enumerate([b"i", b"i", b"j"])]
    one, same, other = (row.image for row in read_table(table(tmp_path / "t.tsv", rows)))
    assert one == same
    assert one.id != other.id


def test_a_span_travels_to_a_worker_and_is_read_there(tmp_path: Path) -> None:
    (row,) = read_table(table(tmp_path / "t.tsv", [("1", "q", "", encoded(b"picture"), "x")]))
    assert isinstance(row.image.source, Base64Span)
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(row.image.source.read).result() == b"picture"


def test_windows_line_ends_and_blank_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"index\timage\tquestion\r\n1\t" + base64.b64encode(b"i") + b"\tq\r\n\r\n2\t\tr\r\n")
    first, second = read_table(path)
    assert first.fields == {"index": "1", "question": "q"}
    assert second.fields == {"index": "2", "question": "r"}
    assert isinstance(first.image.source, Base64Span)
    assert first.image.source.read() == b"i"


def test_what_is_not_base64_or_gone_is_a_media_error(tmp_path: Path) -> None:
    (row,) = read_table(table(tmp_path / "t.tsv", [("1", "q", "", "not base64!", "x")]))
    assert isinstance(row.image.source, Base64Span)
    with pytest.raises(MediaError, match="not base64"):
        row.image.source.read()
    with pytest.raises(MediaError, match="unreadable file"):
        Base64Span(tmp_path / "gone.tsv", 0, 4).read()


def test_a_file_without_pictures_is_refused_by_name(tmp_path: Path) -> None:
    path = table(tmp_path / "t.tsv", [("1", "q")], ("index", "question"))
    with pytest.raises(NotAvailable, match="no column 'image'"):
        read_table(path)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='"\t\n'), max_size=20)


@settings(max_examples=40)
@given(st.lists(st.tuples(TEXT, st.binary(max_size=40)), min_size=1, max_size=5))
def test_any_text_around_a_picture_leaves_it_readable(rows: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = [(str(number), text, text, encoded(content), "x") for number, (text, content) in enumerate(rows)]
        read = read_table(table(Path(folder) / "t.tsv", lines))
        assert [row.image.source.read() for row in read if isinstance(row.image.source, Base64Span)] == [
            content for _, content in rows
        ]
