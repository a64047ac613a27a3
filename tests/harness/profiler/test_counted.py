"""Closed form == counters, to the last FLOP; the counters run the modules on the meta device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from harness.profiler import counted
from harness.profiler.counted import CALFLOPS, FLOP_COUNTER, Disagreement, checked
from harness.profiler.flops import STAGES, flops
from harness.profiler.fresh import fresh_model
from harness.profiler.shapes import shape_names, shape_of
from harness.profiler.work import Work

SIZES = (
    "llava-mini-7b",
    "llava-mini-7b-tokens-4",
    "llava-mini-7b-tokens-64",
    "llava-mini-7b-pooling-4",
    "llava-mini-7b-672",
    "llava-mini-hd",
    "llava-mini",
    "llava-v1.5-7b",
    "llava-v1.5-7b-672",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_published_shapes_agree_with_both_counters(name: str) -> None:
    found = checked(shape_of(name))
    assert set(found.stages) == {CALFLOPS.name, FLOP_COUNTER.name}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mqt-7b-2", "mqt-7b-256", "mqt-tiny", "tokenpacker-7b-144"])
def test_reducers_of_baselines_agree_with_torchs_counter(name: str) -> None:
    shape = shape_of(name)
    found = checked(shape)
    hardware = flops(shape, convention="hardware").stages
    assert found.stages[FLOP_COUNTER.name]["compression"] == hardware["compression"] > 0
    assert any("compared with torch.utils.flop_counter alone" in note for note in found.notes)


@pytest.mark.parametrize("name", ["llava-mini-tiny", "llava-v1.5-tiny"])
@pytest.mark.parametrize("text_tokens", [1, 60, 200])
def test_shipped_models_agree_at_any_length_of_text(name: str, text_tokens: int) -> None:
    found = checked(shape_of(name), text_tokens)
    assert found.text_tokens == text_tokens
    assert all(tuple(stages) == STAGES for stages in found.stages.values())


@pytest.mark.parametrize("layers", ["0", "1", "3"])
def test_changed_shapes_agree(layers: str) -> None:
    checked(shape_of("llava-mini-tiny", {"prefusion_layers": layers, "vision_tokens": "9", "resolution": "144"}))


@pytest.mark.parametrize("name", ["llava-mini-tiny", "llava-v1.5-tiny", "llava-mini-hd", "llava-v1.5-7b-672"])
@pytest.mark.parametrize("frames", [1, 3])
def test_executed_is_what_this_code_runs(name: str, frames: int) -> None:
    shape = shape_of(name)
    model = fresh_model(shape.config, shape.vision, torch.device("meta"), torch.float16).requires_grad_(False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Work(model, 43, shape.crops).first_token(frames)
    assert counter.get_total_flops() == flops(shape, 43, "executed", images=frames).total


def test_a_disagreement_of_one_flop_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    one_more = replace(FLOP_COUNTER, count=lambda module, inputs: FLOP_COUNTER.count(module, inputs) + 1)
    monkeypatch.setattr(counted, "COUNTERS", (one_more,))
    with pytest.raises(Disagreement, match=r"stage tower: .* \+1\."):
        checked(shape_of("llava-mini-tiny"))


def test_without_calflops_the_other_counter_is_used_and_the_lack_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "find_spec", lambda name: None)
    found = checked(shape_of("llava-mini-tiny"))
    assert set(found.stages) == {FLOP_COUNTER.name}
    assert found.notes == (
        "calflops is not installed, so 'paper' was not compared with it (pip install calflops==0.3.2)",
    )


class _Breaks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4, device="meta")

    def forward(self, hidden: Tensor) -> Tensor:
        raise RuntimeError(f"no forward for {tuple(self.linear(hidden).shape)}")


def test_what_calflops_leaves_after_an_exception_is_undone() -> None:
    originals = (nn.functional.linear, torch.matmul, torch.Tensor.matmul, torch.Tensor.add)
    before = CALFLOPS.count(nn.Linear(4, 4, device="meta"), {"input": torch.empty(1, 4, device="meta")})
    with pytest.raises(RuntimeError, match="no forward"):
        CALFLOPS.count(_Breaks(), {"hidden": torch.empty(1, 4, device="meta")})
    assert (nn.functional.linear, torch.matmul, torch.Tensor.matmul, torch.Tensor.add) == originals
    assert CALFLOPS.count(nn.Linear(4, 4, device="meta"), {"input": torch.empty(1, 4, device="meta")}) == before


def test_sizes_are_names_of_shapes() -> None:
    assert set(SIZES) <= set(shape_names())
