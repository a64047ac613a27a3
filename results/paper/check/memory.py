"""Memory: section 5.3, Figures 1 and 9. "MB" and "GB" in the paper are MiB and GiB, as its curves show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from harness.profiler.shapes import Shape
from results.paper.check import Check, Explanation
from results.paper.check.computation import baseline, mini
from results.paper.tables import PaperRow, load_table

MIB, GIB = 2**20, 2**30
VIDEO_LLAVA_TOKENS = 257
"""16 x 16 patches of 224 pixels and the class token."""
HALF = 2
READ_OFF = 1e-3
CONTEXT = GIB // 2
"""What a CUDA process takes besides tensors (specs/efficiency.md section 3)."""


def memory() -> Iterator[Check]:
    section, figure1, figure9 = (load_table(name) for name in ("section5", "figure1", "figure9"))
    token = _token_mib(baseline())
    v15, video_llava, ours = baseline().vision_tokens * token, VIDEO_LLAVA_TOKENS * token, mini().vision_tokens * token
    for table in (section, figure1):
        rounded = Explanation("rounding", f"{float(v15):.2f}, to tens", round(v15, -1))
        yield _check(table["Memory per image, LLaVA-v1.5"], v15, rounded)
        yield _check(table["Memory per image, LLaVA-Mini"], ours)
    least = (
        f"Video-LLaVA's {VIDEO_LLAVA_TOKENS} tokens take {float(video_llava):.0f}, and the paper's own curve says so"
    )
    yield _check(section["Memory per image, least of other models"], video_llava, note=least)
    yield _digitised(figure9["Memory per frame, LLaVA-v1.5"], v15)
    yield _digitised(figure9["Memory per frame, Video-LLaVA"], video_llava)
    copies = [ours + Fraction(count * HALF * mini().config.llama["hidden_size"], MIB) for count in (2, 3)]
    kept = "the token's own embedding lies in memory two or three times besides: {:.3f} to {:.3f}"
    reason = kept.format(*map(float, copies))
    yield _check(
        figure9["Memory per frame, LLaVA-Mini"],
        ours,
        Explanation("remainder", reason, sum(copies) / 2, True),
    )
    few = (40 * GIB - _weights(baseline())) / MIB / v15
    note = f"{int(few)} frames fit beside the weights; the paper's own curve crosses 40 GiB at 76"
    yield _check(section["Frames in 40 GB, LLaVA-v1.5"], few, note=note)
    many = (24 * GIB - _weights(mini()) - CONTEXT) / MIB / ours
    yield _check(section["Frames in 24 GB, LLaVA-Mini"], many, bound="over", note=f"{int(many):,} by the paper's slope")


def _check(
    row: PaperRow, ours: Fraction, *explanations: Explanation, note: str = "", bound: str | None = None
) -> Check:
    printed = row.number("value")
    assert printed is not None
    source = row.source.removeprefix("LLaVA-Mini paper, ")
    limit = "over" if bound == "over" else None
    return Check(source, row.name, printed, row.text("unit"), ours, explanations, limit, note)


def _digitised(row: PaperRow, value: Fraction) -> Check:
    """A slope read off a figure's curve, which is known to a thousandth."""
    found = _check(row, value)
    near = abs(found.relative_error) <= READ_OFF
    return replace(found, explanations=(Explanation("rounding", "read off the figure's pixels"),) if near else ())


def _token_mib(shape: Shape) -> Fraction:
    """What one token leaves after a forward: half-precision keys and values, and float32 logits."""
    llama = shape.config.llama
    heads = llama.get("num_key_value_heads", llama["num_attention_heads"])
    width = heads * llama.get("head_dim", llama["hidden_size"] // llama["num_attention_heads"])
    return Fraction(2 * llama["num_hidden_layers"] * width * HALF + 4 * llama["vocab_size"], MIB)


def _weights(shape: Shape) -> Fraction:
    """Bytes of all weights in half precision."""
    import torch

    from harness.profiler.fresh import fresh_model

    model = fresh_model(shape.config, shape.vision, torch.device("meta"), torch.float16)
    return Fraction(sum(one.numel() for one in model.parameters()) * HALF)
