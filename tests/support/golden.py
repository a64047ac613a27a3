"""Where golden vectors lie, in one place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def golden_path(*parts: str) -> Path:
    """A golden file: under $GOLDEN_ROOT if set, else in ../shared/golden, else in the compact copy tests/golden.

    A file that only the full set holds skips its test by name where neither full set is at hand; with GOLDEN_ROOT set,
    an absent file is an error.
    """
    if root := os.environ.get("GOLDEN_ROOT"):
        return Path(root, *parts)
    beside = PROJECT.parent / "shared" / "golden"
    if beside.is_dir():
        return beside.joinpath(*parts)
    inside = PROJECT / "tests" / "golden" / Path(*parts)
    if not inside.exists():
        pytest.skip(f"golden file {Path(*parts)} is not in the compact copy; set GOLDEN_ROOT to the full set")
    return inside
