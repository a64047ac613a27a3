from __future__ import annotations

import pytest
import torch

from harness.profiler.storages import LiveBytes, fused_attention

pytestmark = pytest.mark.parametrize("device", ["cpu", "meta"])


def test_live_bytes_come_and_go_and_the_peak_stays(device: str) -> None:
    with LiveBytes() as counter:
        first = torch.zeros(100, device=device)
        second = first + 1
        assert (counter.live, counter.peak) == (800, 800)
        del first
        assert (counter.live, counter.peak) == (400, 800)
        del second
    assert (counter.live, counter.peak) == (0, 800)


def test_views_and_known_tensors_cost_nothing(device: str) -> None:
    weight = torch.zeros(10, 10, device=device)
    with LiveBytes([weight]) as counter:
        row = weight[0]
        weight.add_(1)
    assert (counter.live, counter.peak) == (0, 0)
    assert row.shape == (10,)


def test_a_view_keeps_the_whole_storage_alive(device: str) -> None:
    with LiveBytes() as counter:
        kept = torch.zeros(1000, device=device)[:1]
        assert counter.live == 4000
        kept = kept.clone()
        assert counter.live == 4


def test_attention_allocates_its_output_alone(device: str) -> None:
    query = torch.zeros(1, 2, 64, 8, device=device)
    with fused_attention(), LiveBytes([query]) as counter:
        out = torch.nn.functional.scaled_dot_product_attention(query, query, query)
    assert out.shape == query.shape
    assert counter.peak < 64 * 64 * 2 * 4, "the scores alone would be more"
