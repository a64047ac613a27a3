"""Memory of a streamed video on the shapes of Vicuna-7B, counted on the meta device, by the code that answers."""

from __future__ import annotations

import pytest
import torch

from harness.profiler.frames import CONTEXT_BYTES
from harness.profiler.memory import GIB, MIB, MemorySlopes, measure_memory, tensor_bytes
from models.llava.model import LlavaModel
from models.llava.sharing import Reading, SharedFusion
from tests.support.vicuna import MINI, vicuna_7b

CHUNK, QUESTIONS, LONG = 16, 8, 10_000
BEFORE, AFTER = range(1, 26), range(40, 64)
STREAMED_MIB = (0.508, 0.610)
"""A frame with chunked and with whole prefill: `specs/efficiency.md` section 3."""
WITHIN = 0.05


@pytest.fixture(scope="module")
def model() -> LlavaModel:
    return vicuna_7b(MINI)


def asked(model: LlavaModel) -> SharedFusion:
    return SharedFusion(model, list(BEFORE), [[number, *AFTER] for number in range(30, 30 + QUESTIONS)])


def stream(model: LlavaModel, frames: int) -> SharedFusion:
    fusion = asked(model)
    for _ in range(frames // CHUNK):
        pictures = torch.empty(CHUNK, 1, 336, 336, 3, dtype=torch.uint8, device="meta")
        fusion.add(model.tower.normalise(pictures, torch.float16))
    return fusion


def read(model: LlavaModel, frames: int) -> object:
    """What stands in memory once the language model has the first logits of every question."""
    question = torch.empty(1 + len(AFTER), 4096, dtype=torch.float16, device="meta")
    shared = torch.empty(len(BEFORE) + frames, 4096, dtype=torch.float16, device="meta")
    reading = Reading(model.lm, shared, [question] * QUESTIONS)
    (pack,) = reading.packs
    return shared, reading, reading.start(pack)


@pytest.fixture(scope="module")
def streamed(model: LlavaModel) -> MemorySlopes:
    weights = [*model.parameters(), *model.buffers()]
    counts = [64 * (number + 1) for number in range(4)]
    return measure_memory(lambda frames: stream(model, frames), counts, torch.device("meta"), weights)


@pytest.fixture(scope="module")
def prefilled(model: LlavaModel) -> MemorySlopes:
    weights = [*model.parameters(), *model.buffers()]
    counts = [2048 * (number + 1) for number in range(4)]
    return measure_memory(lambda frames: read(model, frames), counts, torch.device("meta"), weights)


def test_a_frame_costs_what_its_token_costs(prefilled: MemorySlopes) -> None:
    low, high = (bound * MIB for bound in STREAMED_MIB)
    assert low * (1 - WITHIN) <= prefilled.live.slope <= prefilled.peak.slope <= high * (1 + WITHIN)


def test_frames_pixels_and_features_never_stand_together(streamed: MemorySlopes) -> None:
    pixels, features = 336 * 336 * 3 * 2, 576 * 4096 * 2
    assert streamed.live.slope < pixels / 10
    assert streamed.peak.slope < features / 10


def test_ten_thousand_frames_fit_24_gib(model: LlavaModel, streamed: MemorySlopes, prefilled: MemorySlopes) -> None:
    fixed = tensor_bytes([*model.parameters(), *model.buffers()]) + CONTEXT_BYTES
    assert fixed + max(line.at(LONG) for line in (streamed.peak, prefilled.peak)) < 24 * GIB
