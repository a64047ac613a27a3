"""Where golden vectors lie, in one place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
REAL_MEDIA = PROJECT.parent / "shared" / "real"
needs_real_media = pytest.mark.skipif(
    not REAL_MEDIA.is_dir(), reason="the real media beside the project are not redistributed: ../shared/real"
)


def published_path(name: str) -> Path:
    """A file of published answers or figures, read where it lies: under $GOLDEN_ROOT/real, else ../shared/golden/real.

    They are not redistributed, so where there are none the test is skipped by name.
    """
    beside = PROJECT.parent / "shared" / "golden"
    for root in (Path(os.environ.get("GOLDEN_ROOT") or beside), beside):
        if (root / "real" / name).is_file():
            return root / "real" / name
    pytest.skip(f"published file {name} is not redistributed and not at hand: {beside / 'real'}")


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
