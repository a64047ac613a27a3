from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.errors import UserError
from tasks.qa_preamble import OWN_PREAMBLE, read_preamble

TEXT = "Speak in full sentences.\nE.g. \"Who?\" -> 'It is \u00e9.'\n"
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()


def test_a_file_with_the_text_alone_is_the_text(tmp_path: Path) -> None:
    file = tmp_path / "preamble.txt"
    file.write_text(TEXT, encoding="utf-8")
    assert read_preamble(file, SHA256) == TEXT


@pytest.mark.parametrize(
    "script",
    ["qs = {0!r} + question", "def f(q):\n    return f{1} + q", "raise SystemExit({0!r})", "x = ({2!r} {3!r})"],
)
def test_a_script_is_read_and_never_run(tmp_path: Path, script: str) -> None:
    file = tmp_path / "script.py"
    file.write_text(script.format(TEXT, repr(TEXT)[:-1] + "{q}'", TEXT[:9], TEXT[9:]), encoding="utf-8")
    assert read_preamble(file, SHA256) == TEXT


def test_a_checkout_is_searched_for_the_scripts(tmp_path: Path) -> None:
    folder = tmp_path / "eval" / "video"
    folder.mkdir(parents=True)
    (folder / "run_inference_video_qa.py").write_text("qs = 'another'", encoding="utf-8")
    (folder / "run_inference_video_qa_act.py").write_text(f"qs = {TEXT!r}", encoding="utf-8")
    assert read_preamble(tmp_path, SHA256) == TEXT


@pytest.mark.parametrize("content", [b"", b"qs = 'another'", b"not ( python", b"x = '\\ud800'"])
def test_another_text_is_refused_with_the_way_to_the_right_one(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "script.py"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"run_inference_video_qa_act\.py"):
        read_preamble(file, SHA256)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_an_error_of_the_user(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "absent.py"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"--qa-preamble .*absent\.py: cannot be read"):
        read_preamble(file, SHA256)


def test_our_own_preamble_is_one_line() -> None:
    assert OWN_PREAMBLE.count("\n") == 1
    assert OWN_PREAMBLE.endswith("question.\n")
