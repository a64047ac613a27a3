"""What an answer costs, from a run and from the shape of its model."""

from __future__ import annotations

from typing import Any

import pytest

from harness.profiler.shapes import shape_of
from results.leaderboard.costs import costs_of, image_bytes


def info(model: str = "llava-mini-7b", tokens: int = 1, **task: Any) -> dict[str, Any]:
    """A run.json with one task."""
    return {
        "config": {"model": model},
        "model": {"dtype": "float16", "settings": {"vision_tokens": tokens}},
        "tasks": {"gqa": {"vision_tokens": float(tokens), "text_tokens": 43.2, "frames": 1.0, **task}},
        "speeds": {"gqa": {"answered": 10, "cached": 0, "seconds": 2.5}},
    }


@pytest.mark.parametrize(
    ("model", "tokens", "tflops", "mib"), [("llava-mini-7b", 1, 1.96, 0.62), ("llava-v1.5-7b", 576, 8.55, 358.31)]
)
def test_the_papers_own_numbers_come_out_of_the_shape(model: str, tokens: int, tflops: float, mib: float) -> None:
    found = costs_of("gqa", info(model, tokens))
    assert round(found["tflops_per_sample"], 2) == tflops
    assert round(found["mib_per_image"], 2) == mib


@pytest.mark.parametrize("name", ["llava-mini", "llava-v1.5-7b", "llava-mini-tiny"])
def test_bytes_of_an_image_are_those_of_the_profiler(name: str) -> None:
    import torch
    from transformers import LlamaConfig

    from harness.profiler.memory import paper_bytes_per_token

    shape = shape_of(name)
    per_token = paper_bytes_per_token(LlamaConfig(**shape.config.llama), torch.float16)
    assert image_bytes(shape) == shape.vision_tokens * per_token


def test_a_video_costs_more_than_a_picture() -> None:
    assert costs_of("gqa", info(frames=8.2))["tflops_per_sample"] > 5 * costs_of("gqa", info())["tflops_per_sample"]


def test_the_pace_is_known_only_where_nothing_came_from_the_cache() -> None:
    document = info()
    assert costs_of("gqa", document)["ms_per_sample"] == 250
    document["speeds"]["gqa"]["cached"] = 1
    assert "ms_per_sample" not in costs_of("gqa", document)


def test_weights_of_another_shape_or_an_unknown_model_have_no_counted_cost() -> None:
    for document in (info(tokens=4), info(model="somebody-elses")):
        assert set(costs_of("gqa", document)) == {"vision_tokens", "ms_per_sample"}


def test_what_a_run_measured_comes_before_what_was_counted() -> None:
    cost = {"ms_per_sample": 9.5, "tflops_per_sample": None, "mib_per_image": float("nan"), "convention": "paper"}
    assert costs_of("gqa", info(cost=cost)) == {"vision_tokens": 1.0, "ms_per_sample": 9.5}
