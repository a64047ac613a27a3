from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.costs import cost_of
from harness.profiler.flops import decode_flops, flops
from harness.profiler.shapes import shape_of
from harness.types import Response

FRESH = {"answered": 4, "cached": 0, "seconds": 2.0}


def config(model: str, checkpoint: str | None = None) -> RunConfig:
    source = {"gqa": DataSource("folder", Path("data"))}
    return RunConfig(model, ("gqa",), source, Path("run"), profile=True, checkpoint=checkpoint)


def answer(text: int, frames: int = 1, output: int = 3, tokens: int = 1) -> Response:
    return Response("1", "yes", vision_tokens=frames * tokens, text_tokens=text, output_tokens=output, frames=frames)


def test_an_image_and_43_tokens_cost_what_the_paper_prints() -> None:
    found = cost_of(config("llava-mini-7b"), [answer(43)], FRESH)
    assert round(found["tflops_per_sample"], 2) == 1.96
    assert round(found["mib_per_image"], 3) == 0.622
    assert found["ms_per_sample"] == 500
    assert found["notes"] == []


def test_each_sample_counts_at_its_own_length_and_frames() -> None:
    shape = shape_of("llava-mini-7b")
    found = cost_of(config("llava-mini-7b"), [answer(20), answer(60, frames=8)], FRESH)
    exact = (flops(shape, 20).total + flops(shape, 60, images=8).total) / 2e12
    assert found["tflops_per_sample"] == pytest.approx(exact, rel=1e-5)


def test_the_first_token_of_an_answer_comes_from_the_prefill() -> None:
    shape = shape_of("llava-mini-7b")
    one, three = (cost_of(config("llava-mini-7b"), [answer(40, output=n)], FRESH) for n in (1, 3))
    more = (three["tflops_with_decoding"] - one["tflops_with_decoding"]) * 1e12
    assert one["tflops_with_decoding"] == pytest.approx(flops(shape, 40, "hardware").total / 1e12, rel=1e-5)
    assert more == pytest.approx(decode_flops(shape, 41, 2), rel=1e-3)


def test_a_question_without_a_picture_has_no_tower() -> None:
    found = cost_of(config("llava-mini-7b"), [answer(43, frames=0)], FRESH)
    stages = flops(shape_of("llava-mini-7b"), 43, images=0).stages
    assert found["tflops_per_sample"] == pytest.approx(stages["language_model"] / 1e12, rel=1e-5)


@pytest.mark.parametrize("speed", [{}, {"answered": 2, "cached": 1, "seconds": 1.0}, {"answered": 0, "cached": 3}])
def test_answers_from_the_cache_have_no_time(speed: dict[str, float]) -> None:
    found = cost_of(config("llava-mini-7b"), [answer(43)], speed)
    assert found["ms_per_sample"] is None
    assert any("cache" in note for note in found["notes"])


def test_a_model_without_a_shape_has_a_time_and_a_reason() -> None:
    found = cost_of(config("parrot"), [answer(43)], FRESH)
    assert (found["tflops_per_sample"], found["ms_per_sample"]) == (None, 500)
    assert "no FLOPs" in found["notes"][0]


def test_tokens_that_are_not_the_shapes_are_not_counted() -> None:
    found = cost_of(config("llava-mini-7b"), [answer(43, tokens=4)], FRESH)
    assert found["tflops_per_sample"] is None
    assert "not those of the shape" in found["notes"][0]


def test_another_checkpoint_is_said_to_be_counted_by_the_presets_shape() -> None:
    found = cost_of(config("llava-mini-7b", "elsewhere"), [answer(43)], FRESH)
    assert "whatever --checkpoint holds" in found["notes"][0]


def test_nothing_answered_costs_nothing_known() -> None:
    found = cost_of(config("llava-mini-7b"), [], {})
    assert found["notes"] == ["no sample was answered"]
