from __future__ import annotations

import json

import pytest
import torch
from transformers import CLIPVisionConfig

from harness.profiler.costs import LatencySettings, conditions, latency_costs, memory_costs
from harness.profiler.frames import PREFILL
from harness.profiler.fresh import fresh_model
from harness.profiler.memory import GIB
from harness.profiler.work import Work
from models.llava.config import parse_config
from tests.support.llava_tiny import raw_config, tiny_model

QUICK = LatencySettings(rounds=2, warmup=1, lengths=(2, 3), energy_s=0)


def work(size: int | None = 1, device: str = "cpu") -> Work:
    return Work(tiny_model(compressor_size=size).to(device), text_tokens=5, chunk=4)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("size", [None, 1])
def test_memory_per_image_agrees_with_its_closed_form(size: int | None, device: str) -> None:
    found = memory_costs(work(size, device))
    paper = found["paper_convention"]
    assert paper["live"]["mib_per_image"] == pytest.approx(paper["closed_form_mib"], rel=1e-6)
    assert paper["live"]["r2"] == pytest.approx(1.0)
    assert found["method"] == "counted"
    assert "frames" not in found


def test_frames_in_a_budget_name_the_phase_and_what_is_assumed() -> None:
    found = memory_costs(work(None, "meta"), budget=GIB)["frames"]
    assert found["first_out"] == PREFILL
    assert found["predicted"] > 0
    assert found["context_bytes_assumed"] == GIB // 2
    assert "memory only, not quality" in found["notes"][0]
    assert "bisected" not in found, "only a GPU is tried out"


def test_every_number_says_how_it_was_made() -> None:
    found = conditions(work())
    assert found["weights"] == "random"
    assert (found["text_tokens"], found["text_tokens_with_placeholder"]) == (5, 6)
    assert (found["device"], found["dtype"], found["attention"]) == ("cpu", "float32", "sdpa")
    assert found["versions"]["torch"] == torch.__version__


def test_latency_is_split_by_the_stages_that_a_model_has() -> None:
    works = {"mini": work(1), "baseline": work(None)}
    flops = {"mini": {"tower": 1e6, "language_model": 2e6}}
    found = latency_costs(works, flops, QUICK)
    stages = {name: set(one["first_token"]["stages"]) for name, one in found["models"].items()}
    assert stages["mini"] == {"tower", "projector", "compression", "prefusion", "language_model"}
    assert stages["baseline"] == {"tower", "projector", "language_model"}
    assert {use["stage"] for use in found["models"]["mini"]["roofline"]} == {"tower", "language_model"}
    assert found["models"]["baseline"]["roofline"] == []
    assert found["models"]["mini"]["energy"] is None
    assert set(found["models"]["mini"]["decode"]["by_length"]) == {2, 3}
    json.dumps(found, allow_nan=False)


def test_stages_that_cannot_be_found_leave_the_total() -> None:
    class Unknown(Work):
        def stages(self) -> dict[str, torch.nn.Module]:
            return {}

    found = latency_costs({"odd": Unknown(tiny_model(), text_tokens=5)}, {}, QUICK)["models"]["odd"]["first_token"]
    assert found["stages"] == {}
    assert found["other_ms"] == pytest.approx(found["total"]["median_ms"])


def test_time_against_flops_needs_three_different_models() -> None:
    works = {name: work(1) for name in ("a", "b", "c")}
    flops = {name: {"tower": 1e6 * (k + 1)} for k, name in enumerate(works)}
    assert "flops_line" in latency_costs(works, flops, QUICK)
    assert "flops_line" not in latency_costs({"a": works["a"]}, flops, QUICK)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_fresh_model_is_made_in_its_dtype_and_leaves_no_trace(device: str) -> None:
    clip = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=7
    )
    state = torch.random.get_rng_state()
    model = fresh_model(parse_config(raw_config(), "tiny"), clip, torch.device(device), torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert {parameter.device.type for parameter in model.parameters()} == {device}
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not model.training
