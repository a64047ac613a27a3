"""The journal: whole lines, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records.journal import Journal, entry_of, outcome_of, read_journal
from harness.types import Missing, Response

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)


@given(ANY_TEXT, st.integers(0, 10**6), st.lists(ANY_TEXT, max_size=2))
def test_response_survives_the_way_through_an_entry(text: str, number: int, notes: list[str]) -> None:
    import json

    response = Response("q", text, number, 1, 2, 3, tuple(notes))
    assert outcome_of(json.loads(json.dumps(entry_of("q", response, 0.5, False, None)))) == response


@given(ANY_TEXT, ANY_TEXT)
def test_missing_survives_the_way_through_an_entry(reason: str, detail: str) -> None:
    assert outcome_of(entry_of("q", Missing(reason, detail), 0.0, False, None)) == Missing(reason, detail)


def test_absent_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "no.jsonl")) == []


@pytest.mark.parametrize("kept", range(0, 40, 3))
def test_line_torn_anywhere_is_cut_and_the_next_one_stands_whole(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append(entry_of("a", Response("a", "first"), 0.0, False, None))
        whole = path.stat().st_size
        journal.append(entry_of("b", Response("b", "second"), 0.0, False, None))
    path.write_bytes(path.read_bytes()[: whole + kept])
    assert [entry["id"] for entry in read_journal(path)] == ["a"]
    with Journal(path) as journal:
        assert journal.repaired == (kept > 0)
        journal.append(entry_of("c", Response("c", "third"), 0.0, False, None))
    assert [entry["id"] for entry in read_journal(path)] == ["a", "c"]


def test_foreign_line_is_located(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append(entry_of("a", Response("a", "x"), 0.0, False, None))
    path.write_bytes(path.read_bytes() + b'{"id": "b"}\n')
    with pytest.raises(UserError, match=r"j\.jsonl:2"):
        list(read_journal(path))


def test_full_disk_is_one_message_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = tmp_path / "j.jsonl"
    write = os.write
    with Journal(path) as journal:
        journal.append(entry_of("a", Response("a", "x"), 0.0, False, None))
        monkeypatch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
        with pytest.raises(UserError, match="run-eval resume"):
            journal.append(entry_of("b", Response("b", "y"), 0.0, False, None))
        monkeypatch.undo()
    assert path.read_bytes().endswith(b"\n")
    assert [entry["id"] for entry in read_journal(path)] == ["a"]
