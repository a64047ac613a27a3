"""What stands before a question in LLaVA-Mini's video question answering.

The released text (examples of answers in full sentences) is not copied here. `--qa-preamble FILE` takes it from the
user's own checkout of LLaVA-Mini, known by its sha256; otherwise one sentence of ours stands in its place.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UserError

OWN_PREAMBLE = (
    "Answer the question about the video with one complete sentence that repeats the wording of the question.\n"
)


def read_preamble(place: Path, sha256: str) -> str:
    """The text with this sha256: a file itself, or a string in a Python script, also of a folder (the whole checkout).

    Raises UserError where it is in none.
    """
    scripts = sorted(place.rglob("run_inference_video_qa*.py")) if place.is_dir() else [place]
    for text in (text for script in scripts for text in _texts(script)):
        if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == sha256:
            return text
    raise UserError(
        f"--qa-preamble {place}: does not hold the released preamble (sha256 {sha256[:12]}..). It stands in "
        "LLaVA-Mini's script of this benchmark: run_inference_video_qa.py for MSVD-QA and MSRVTT-QA, "
        "run_inference_video_qa_act.py for ActivityNet-QA. Name the checkout, that script, or a file with the text "
        "alone; without --qa-preamble a sentence of our own is used."
    )


def _texts(file: Path) -> Iterator[str]:
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--qa-preamble {file}: cannot be read ({error}).") from error
    yield content
    yield from _strings(content)


def _strings(content: str) -> Iterator[str]:
    """The string literals of a Python source; nothing is run."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
