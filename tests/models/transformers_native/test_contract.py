"""Every family keeps the contract of adapters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.conformance import conformance
from models.transformers_native.adapter import NativeAdapter
from tests.support.native_tiny import PRESETS


@pytest.mark.parametrize("case", PRESETS)
def test_family_passes_the_kit(case: str, native: Mapping[str, NativeAdapter]) -> None:
    assert [verdict for verdict in conformance(native[case]) if not verdict.passed] == []
