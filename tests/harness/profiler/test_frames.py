from __future__ import annotations

import pytest
import torch

from harness.errors import UserError
from harness.profiler.frames import (
    CONTEXT_BYTES,
    PREFILL,
    STREAM,
    bisect_frames,
    frames_in,
    out_of_memory_phase,
    parse_bytes,
    phase_lines,
    predict_frames,
)
from harness.profiler.lines import Line
from harness.profiler.memory import GIB, measure_memory, tensor_bytes
from harness.profiler.work import Work
from tests.support.llava_tiny import tiny_model
from tests.support.vicuna import BASELINE, MINI, vicuna_7b


@pytest.mark.parametrize(
    ("text", "size"), [("24GiB", 24 * GIB), ("24 gib", 24 * GIB), ("24GB", 24 * 10**9), ("0.5MiB", 2**19)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["24", "GiB", "-1GiB", "24Gi", "24 bytes"])
def test_a_size_without_unit_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="write a number and a unit"):
        parse_bytes(text)


def test_the_phase_with_the_steepest_or_highest_line_runs_out_first() -> None:
    steep, high = Line(10.0, 0.0, 1.0, 0.0), Line(1.0, 900.0, 1.0, 0.0)
    assert predict_frames(1000, 0, {STREAM: high, PREFILL: steep}).frames == 100
    assert predict_frames(950, 0, {STREAM: high, PREFILL: steep}).first_out == STREAM
    assert predict_frames(1100, 0, {STREAM: high, PREFILL: steep}).first_out == PREFILL


def test_a_budget_below_the_weights_holds_no_frame() -> None:
    limit = predict_frames(1000, 1200, {STREAM: Line(1.0, 0.0, 1.0, 0.0)})
    assert (limit.frames, limit.first_out) == (0, STREAM)


def test_memory_that_does_not_grow_has_no_end() -> None:
    assert predict_frames(1000, 0, {STREAM: Line(0.0, 10.0, 1.0, 0.0)}).frames is None


def test_the_prediction_is_the_last_that_fits() -> None:
    work = Work(tiny_model().to("meta"), text_tokens=5, chunk=4)
    known = [*work.model.parameters(), *work.model.buffers()]
    fixed = tensor_bytes(known) + CONTEXT_BYTES
    lines = phase_lines(work)
    budget = fixed + int(max(line.at(150.5) for line in lines.values()))
    limit = frames_in(work, budget, lines)
    assert (limit.frames, limit.first_out, limit.fixed_bytes) == (150, PREFILL, fixed)
    found = measure_memory(work.prefill, (149, 150, 151, 152), work.device, known, before=work.streamed)
    assert [fixed + peak <= budget for peak in found.peak_bytes] == [True, True, False, False]


def test_ten_thousand_frames_fit_in_24_gib_with_one_vision_token_and_30_do_not_with_576() -> None:
    mini = frames_in(Work(vicuna_7b(MINI), text_tokens=43), parse_bytes("24GiB"))
    assert mini.frames is not None
    assert mini.frames > 10_000
    baseline = frames_in(Work(vicuna_7b(BASELINE), text_tokens=43), parse_bytes("24GiB"))
    assert baseline.frames is not None
    assert 20 < baseline.frames < 30
    assert mini.first_out == baseline.first_out == PREFILL


def test_both_phases_have_lines_without_curvature() -> None:
    for line in phase_lines(Work(tiny_model().to("meta"), text_tokens=5, chunk=4)).values():
        assert line.r2 == pytest.approx(1.0)


@pytest.mark.parametrize("start", [1, 7, 64, 5000])
def test_bisection_finds_the_last_that_fits(start: int) -> None:
    tried: list[int] = []

    def fails(frames: int) -> str | None:
        tried.append(frames)
        return PREFILL if frames > 1234 else None

    assert bisect_frames(fails, start) == (1234, PREFILL)
    assert len(tried) < 30


def test_bisection_names_the_phase_just_above_the_limit() -> None:
    def fails(frames: int) -> str | None:
        return None if frames <= 10 else STREAM if frames < 20 else PREFILL

    assert bisect_frames(fails, 100) == (10, STREAM)


def test_the_phase_that_runs_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(tiny_model(), text_tokens=5, chunk=4)
    assert out_of_memory_phase(work, 3) is None

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(work.model.lm, "forward", full)
    assert out_of_memory_phase(work, 3) == PREFILL
    monkeypatch.setattr(work.model.tower, "forward", full)
    assert out_of_memory_phase(work, 3) == STREAM
