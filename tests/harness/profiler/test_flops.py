"""The closed form against the paper's numbers as the golden file has them."""

from __future__ import annotations

import json
import sys

import pytest

from harness.errors import UnknownName, UserError
from harness.profiler.flops import (
    PAPER,
    STAGES,
    TEXT_TOKENS,
    compression_flops,
    decode_flops,
    flops,
    language_model_flops,
    prefusion_flops,
)
from harness.profiler.shapes import shape_of
from tests.support.golden import golden_path

MINI, BASELINE = "llava-mini-7b", "llava-v1.5-7b"
TOTALS = {
    "LLaVA-v1.5 336 total": BASELINE,
    "Mini w/o pf C=1": "llava-mini-7b-nofusion-1",
    "Mini w/o pf C=16": "llava-mini-7b-nofusion-16",
    "Mini w/o pf C=64": "llava-mini-7b-nofusion-64",
    "Mini w/o pf C=144": "llava-mini-7b-nofusion-144",
    "Mini pf1": "llava-mini-7b-prefusion-1",
    "Mini pf2": "llava-mini-7b-prefusion-2",
    "Mini pf3": "llava-mini-7b-prefusion-3",
    "Mini pf4": MINI,
    "Mini C=4": "llava-mini-7b-tokens-4",
    "Mini C=16 (Fig1)": "llava-mini-7b-tokens-16",
    "Mini C=64 (Fig1)": "llava-mini-7b-tokens-64",
    "v1.5 672": "llava-v1.5-7b-672",
    "Mini 672 Tab14 C=1": "llava-mini-7b-672",
    "Mini-HD text C=64": "llava-mini-hd",
}
PARTS = {
    "vision enc 336": (MINI, "tower"),
    "projection 336": (MINI, "projector"),
    "compression 336": (MINI, "compression"),
    "pre-fusion 336": (MINI, "prefusion"),
    "LLM 336 mini": (MINI, "language_model"),
    "LLM 336 v1.5": (BASELINE, "language_model"),
    "vision enc 672": ("llava-mini-7b-672", "tower"),
    "projection 672": ("llava-mini-7b-672", "projector"),
    "LLM 672 v1.5": ("llava-v1.5-7b-672", "language_model"),
    "compression 672 (2304 KV, C=1)": ("llava-mini-7b-672", "compression"),
    "pre-fusion 672": ("llava-mini-7b-672", "prefusion"),
    "LLM 672 mini": ("llava-mini-7b-672", "language_model"),
    "compression C=1": (MINI, "compression"),
    "compression C=4": ("llava-mini-7b-tokens-4", "compression"),
}
REDUCTIONS = {
    "FLOPs reduction 336": (MINI, BASELINE),
    "FLOPs reduction 672": ("llava-mini-7b-672", "llava-v1.5-7b-672"),
}
UNITS = {"T": 1e12, "G": 1e9}
PRINTED = 2
"""Decimals of the paper's totals in T."""
NOT_FLOPS = "x"
"""Ratios of latencies."""


def total(name: str) -> int:
    return flops(shape_of(name)).total


def inside_the_model() -> int:
    """Table 12: no pre-fusion, but the model's first 4 layers see all patches, the other 28 only C + T tokens."""
    shape = shape_of(MINI, {"prefusion_layers": "0"})
    stages = flops(shape).stages
    short, long = shape.vision_tokens + TEXT_TOKENS, shape.patches + shape.vision_tokens + TEXT_TOKENS
    layer = shape_of(MINI, {"prefusion_layers": "1"})
    more = prefusion_flops(layer, long, PAPER) - prefusion_flops(layer, short, PAPER)
    head = sum(stages[name] for name in ("tower", "projector", "compression"))
    return head + language_model_flops(shape, short, PAPER) + 4 * more


def ours(name: str) -> float:
    if name in TOTALS:
        return total(TOTALS[name])
    if name in PARTS:
        shape, stage = PARTS[name]
        return flops(shape_of(shape)).stages[stage]
    if name in REDUCTIONS:
        small, large = map(total, REDUCTIONS[name])
        return 100 * (1 - small / large)
    assert name == "in-LLM variant", f"the golden file has a row that this test does not know: {name}"
    return inside_the_model()


@pytest.mark.golden
def test_every_row_of_the_golden_file_comes_out() -> None:
    rows = [row for row in json.loads(golden_path("efficiency.json").read_text()) if row["unit"] != NOT_FLOPS]
    assert rows
    for row in rows:
        value = ours(row["name"]) / UNITS.get(row["unit"], 1)
        assert round(value, 5) == pytest.approx(row["ours"], abs=1e-9), row["name"]


@pytest.mark.golden
def test_43_is_the_only_number_of_text_tokens_that_fits_the_paper() -> None:
    rows = json.loads(golden_path("efficiency.json").read_text())
    fits = [
        (shape_of(TOTALS[row["name"]]), row["published"])
        for row in rows
        if row["name"] in TOTALS and row["exact_at_printed_precision"]
    ]
    matched = {
        text: sum(round(flops(shape, text).total / 1e12, PRINTED) == published for shape, published in fits)
        for text in range(10, 80)
    }
    assert [text for text, count in matched.items() if count == len(fits)] == [TEXT_TOKENS]
    assert matched[TEXT_TOKENS - 1] == matched[TEXT_TOKENS + 1] == 0


def test_the_saving_shrinks_as_the_text_grows() -> None:
    small, large = shape_of(MINI), shape_of(BASELINE)
    saved = [100 * (1 - flops(small, t).total / flops(large, t).total) for t in (43, 60, 100, 200, 500, 1000)]
    assert saved == pytest.approx([77.1, 74.8, 69.8, 59.6, 40.1, 23.8], abs=0.05)  # specs/efficiency.md section 1


def test_counting_attention_leaves_the_headline_as_it_is() -> None:
    small, large = (flops(shape_of(name), convention="hardware").total / 1e12 for name in (MINI, BASELINE))
    assert (small, large) == pytest.approx((2.02, 8.79), abs=0.005)
    assert 100 * (1 - small / large) == pytest.approx(77.0, abs=0.05)


def test_stages_are_all_there_and_text_tokens_go_with_the_number() -> None:
    found = flops(shape_of(BASELINE), text_tokens=60)
    assert tuple(found.stages) == STAGES
    assert found.stages["compression"] == found.stages["prefusion"] == 0
    assert (found.text_tokens, found.images, found.convention) == (60, 1, "paper")


def test_frames_repeat_everything_but_the_text_and_the_language_model() -> None:
    shape = shape_of(MINI)
    one, ten = flops(shape, 100), flops(shape, 100, images=10)
    for stage in STAGES[:-1]:
        assert ten.stages[stage] == 10 * one.stages[stage]
    assert ten.stages["language_model"] == language_model_flops(shape, 10 + 100, PAPER)


@pytest.mark.parametrize("convention", ["hardware", "executed"])
def test_decoding_is_what_a_longer_prefill_costs_more(convention: str) -> None:
    """A cached step does the products of one row; a prefill without causal skipping does all pairs, a cache a half."""
    shape = shape_of(MINI)
    heads_width, layers = 4096, 32
    pairs = 4 * heads_width * layers
    context, new = 44, 5
    linear = decode_flops(shape, context, new, "paper") - new * layers * shape.config.llama["intermediate_size"]
    rows = sum(context + step for step in range(1, new + 1))
    assert decode_flops(shape, context, new, convention) == linear + pairs * rows


def test_average_pooling_costs_next_to_nothing() -> None:
    pooled = shape_of("llava-mini-7b-pooling-1")
    assert compression_flops(pooled, PAPER) < 1e6 < compression_flops(shape_of(MINI), PAPER)


def test_an_unknown_convention_and_no_text_are_refused() -> None:
    shape = shape_of(MINI)
    with pytest.raises(UnknownName, match="hardware"):
        flops(shape, convention="hardwar")
    with pytest.raises(UserError, match="at least one token"):
        flops(shape, text_tokens=0)


def test_counting_imports_no_torch() -> None:
    import subprocess

    code = (
        "import sys; from harness.profiler.flops import flops; from harness.profiler.shapes import shape_of; "
        "flops(shape_of('llava-mini-hd')); sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
