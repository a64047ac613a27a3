from __future__ import annotations

import pytest
import torch

from harness.errors import UserError
from harness.profiler.lines import fit
from harness.profiler.memory import (
    MIB,
    cache_bytes_per_token,
    measure_memory,
    paper_bytes_per_token,
    tensor_bytes,
)
from harness.profiler.work import Work
from models.llava.model import LlavaModel
from tests.support.llava_tiny import tiny_model
from tests.support.vicuna import BASELINE, MINI, vicuna_7b

COUNTS = (4, 8, 12, 16)


def weights(model: LlavaModel) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]


def test_a_line_is_fitted_exactly_and_says_how_well() -> None:
    line = fit([1, 2, 3, 4], [5.0, 7.0, 9.0, 11.0])
    assert (line.slope, line.intercept, line.r2, line.worst) == pytest.approx((2.0, 3.0, 1.0, 0.0))
    assert fit([1, 2, 3], [1.0, 3.0, 2.0]).r2 == pytest.approx(0.25)


def test_fewer_than_four_counts_are_refused() -> None:
    with pytest.raises(UserError, match="at least 4 different counts, not 3"):
        measure_memory(torch.zeros, (1, 2, 3), torch.device("cpu"))


def test_live_and_peak_are_told_apart() -> None:
    def work(count: int) -> torch.Tensor:
        large = torch.zeros(10 * count)
        return large[:count].clone()

    found = measure_memory(work, COUNTS, torch.device("cpu"))
    assert (found.live.slope, found.peak.slope) == pytest.approx((4.0, 44.0))
    assert found.live.r2 == found.peak.r2 == 1.0
    assert found.method == "counted"


def test_the_peak_of_what_came_before_does_not_count() -> None:
    def before(count: int) -> torch.Tensor:
        return torch.zeros(10 * count)[:1].clone()

    found = measure_memory(lambda one: one + 1, COUNTS, torch.device("cpu"), before=before)
    assert found.peak_bytes == (8,) * len(COUNTS)


@pytest.mark.parametrize(("head", "images"), [(BASELINE, (1, 2, 3, 4)), (MINI, (64, 128, 192, 256))])
def test_memory_per_image_of_vicuna_7b_is_the_closed_form(head: dict[str, object], images: tuple[int, ...]) -> None:
    model = vicuna_7b(head)
    work = Work(model, text_tokens=43)
    found = measure_memory(work.paper_forward, images, work.device, weights(model))
    per_token = paper_bytes_per_token(model.lm.config, torch.float16)
    assert found.live_bytes == tuple(per_token * work.tokens_per_frame * count for count in images)
    assert found.live.r2 == pytest.approx(1.0)


def test_the_papers_two_slopes() -> None:
    config = vicuna_7b(MINI).lm.config
    assert f"{576 * paper_bytes_per_token(config, torch.float16) / MIB:.2f}" == "358.31"
    assert f"{paper_bytes_per_token(config, torch.float16) / MIB:.3f}" == "0.622"
    assert cache_bytes_per_token(config, torch.float16) / MIB == 0.5


@pytest.mark.parametrize("size", [None, 1, 2])
def test_the_pass_on_meta_keeps_what_the_real_one_keeps(size: int | None) -> None:
    real = Work(tiny_model(compressor_size=size), text_tokens=5, chunk=4)
    meta = Work(tiny_model(compressor_size=size).to("meta"), text_tokens=5, chunk=4)
    lines = [measure_memory(w.stream, COUNTS, w.device, weights(w.model)) for w in (real, meta)]
    assert lines[0].live.slope == pytest.approx(lines[1].live.slope)
    tokens = real.tokens_per_frame * real.model.lm.config.hidden_size
    assert lines[0].live.slope == pytest.approx(4 * tokens), "of a frame its visual tokens stay, and nothing else"


def test_the_prefill_on_meta_finds_what_streaming_leaves() -> None:
    work = Work(tiny_model().to("meta"), text_tokens=5, chunk=4)
    lines = [measure_memory(work.prefill, COUNTS, work.device, weights(work.model), before=b) for b in
             (work.stream, work.streamed)]  # fmt: skip
    assert lines[0] == lines[1]


def test_the_peak_of_streaming_grows_only_by_what_is_kept() -> None:
    work = Work(tiny_model(), text_tokens=5, chunk=4)
    found = measure_memory(work.stream, COUNTS, work.device, weights(work.model))
    assert found.peak.slope == pytest.approx(found.live.slope)


def test_weights_are_counted_once() -> None:
    shared = torch.zeros(8)
    assert tensor_bytes([shared, shared[:4], torch.zeros(2)]) == 40
