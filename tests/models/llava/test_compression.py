"""Positions of the compression module against the released tables."""

from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import load_file

from models.llava.compression import Compression, resize_positions, sincos_positions
from tests.support.golden import golden_path

TABLE = re.compile(r"pos\.dim(\d+)\.grid(\d+)(?:\.to(\d+))?(?:\.channels_(.+))?")


@pytest.mark.golden
def test_position_tables_and_their_interpolation_are_the_released_ones() -> None:
    tables = load_file(golden_path("llava_mini", "pos_embed.safetensors"))
    for name, expected in tables.items():
        match = TABLE.fullmatch(name)
        assert match is not None
        width, grid, target, channels = match.groups()
        table = sincos_positions(int(width), int(grid))
        if target is not None:
            table = resize_positions(table, int(target))
        if channels is not None:
            ends = [tuple(map(int, span.split("-"))) for span in channels.split("_")]
            table = table[:, [channel for first, last in ends for channel in range(first, last + 1)]]
        torch.testing.assert_close(table, expected, rtol=0, atol=1e-5, msg=name)


def test_positions_change_keys_but_never_values() -> None:
    torch.manual_seed(0)
    compression = Compression(2, 16)
    same = torch.randn(1, 1, 16).expand(1, 16, 16)
    before = compression(same)
    with torch.no_grad():
        compression.pos_embed.add_(torch.randn(4, 16))
    torch.testing.assert_close(compression(same), before)
    different = torch.randn(1, 16, 16)
    moved = compression(different)
    with torch.no_grad():
        compression.pos_embed.add_(torch.randn(4, 16))
    assert not torch.allclose(compression(different), moved)


def test_one_query_is_blind_to_where_a_patch_stands() -> None:
    compression = Compression(1, 16)
    patches = torch.randn(1, 9, 16)
    torch.testing.assert_close(compression(patches), compression(patches.flip(1)))
