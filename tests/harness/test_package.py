"""The package's front door."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness
from tests.support.cli import PROJECT


@pytest.mark.parametrize("name", harness.__all__)
def test_every_name_of_the_front_door_is_behind_it(name: str) -> None:
    assert callable(getattr(harness, name))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="evaluat"):
        _ = harness.evaluat  # type: ignore[attr-defined]


def test_front_door_opens_without_heavy_imports() -> None:
    script = "import sys, harness; print(*({'torch', 'numpy', 'transformers', 'av', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
