"""FLOPs: Tables 7, 8, 12 and 14, section 5 and Figure 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from harness.profiler.flops import PAPER, Flops, flops, prefusion_flops
from harness.profiler.shapes import Shape, shape_of
from results.paper.check import Check, Explanation, Value
from results.paper.tables import PaperRow, load_table

TERA, GIGA = 10**12, 10**9
MINI, BASELINE = "llava-mini-7b", "llava-v1.5-7b"
_STAGES = {
    "vision_encoder_t": "tower",
    "projection_t": "projector",
    "compression_t": "compression",
    "prefusion_t": "prefusion",
    "llm_t": "language_model",
}


def mini(**overrides: int) -> Shape:
    """LLaVA-Mini on Vicuna-7B: `prefusion_layers`, `vision_tokens`, `resolution`."""
    return shape_of(MINI, {name: str(value) for name, value in overrides.items()})


def baseline(resolution: int = 336) -> Shape:
    return shape_of(BASELINE, {"resolution": str(resolution)})


def computation(tokens: int) -> Iterator[Check]:
    """`tokens`: text tokens of every prompt."""
    yield from _table7(tokens)
    yield from _table8(tokens)
    yield from _table12(tokens)
    yield from _table14(tokens)
    yield from _texts(tokens)


def _check(
    row: PaperRow, column: str, ours: Value, *explanations: Explanation, note: str = "", unit: str = "T"
) -> Check:
    printed = row.number(column)
    assert printed is not None, (row.name, column)
    source = row.source.removeprefix("LLaVA-Mini paper, ")
    scaled = Fraction(ours) / {"T": TERA, "G": GIGA}.get(unit, 1)
    return Check(source, row.name, printed, unit, scaled, explanations, note=note)


def _table7(tokens: int) -> Iterator[Check]:
    for row in load_table("table7"):
        layers, visual = row.number("prefusion_layers"), row.number("vision_tokens")
        shape = baseline() if layers is None else mini(prefusion_layers=int(layers), vision_tokens=int(visual or 0))
        others = [mini(prefusion_layers=count) for count in (2, 4)]
        between = sum(flops(one, tokens).total for one in others) / 2 / TERA
        note = f"a typing error: halfway between 2 and 4 layers lies {between:.2f}" if layers == 3 else ""
        yield _check(row, "flops_t", flops(shape, tokens).total, note=note)


def _table8(tokens: int) -> Iterator[Check]:
    for row in load_table("table8"):
        shape = mini(vision_tokens=int(row.number("vision_tokens") or 0))
        counted = flops(shape, tokens)
        if row.text("flops_t"):
            pooled = (counted.total - counted.stages["compression"]) / TERA
            note = f"with the query-based module's FLOPs; average pooling alone would be {pooled:.4f}"
            yield _check(row, "flops_t", counted.total, note=note)
        else:
            yield _check(row, "extra_flops_g", counted.stages["compression"], unit="G")


def _table12(tokens: int) -> Iterator[Check]:
    whole = flops(mini(), tokens)
    plain, inside = load_table("table12").rows
    yield _check(plain, "flops_t", whole.total)
    # 4 of the backbone's own layers see patches, compressed tokens and text; so 4 fewer see the short prompt.
    shape = mini()
    within = whole.total - prefusion_flops(shape, shape.vision_tokens + tokens, PAPER)
    guess = 1.96 - 0.96 * 4 / 32
    note = (
        f"the structure described costs {within / TERA:.2f}; 1.96 - 4/32 of the 0.96 without pre-fusion is {guess:.2f}"
    )
    yield _check(inside, "flops_t", within, note=note)


def _table14(tokens: int) -> Iterator[Check]:
    for row in load_table("table14"):
        resolution = int(row.number("resolution") or 0)
        compressed = bool(row.text("compression_t"))
        shape = mini(resolution=resolution) if compressed else baseline(resolution)
        counted = flops(shape, tokens)
        reasons = _reasons(row, shape, counted, tokens)
        for column, stage in _STAGES.items():
            if row.text(column):
                one = _check(row, column, counted.stages[stage], *reasons.get(column, ()))
                yield Check(one.source, f"{row.name}: {stage}", one.printed, one.unit, one.ours, one.explanations)
        total = _check(row, "total_t", counted.total)
        yield Check(total.source, f"{row.name}: total", total.printed, total.unit, total.ours)


def _reasons(row: PaperRow, shape: Shape, counted: Flops, tokens: int) -> Mapping[str, tuple[Explanation, ...]]:
    """What Table 14 prints in place of a stage's FLOPs. Its LLM column is what is left of the total."""
    cells = {column: row.number(column) for column in (*_STAGES, "total_t")}
    total, parts = cells["total_t"], [cells[column] or Decimal(0) for column in list(_STAGES)[:-1]]
    assert total is not None
    true = {stage: count / TERA for stage, count in counted.stages.items() if count}
    split = " + ".join(f"{stage.replace('_', ' ')} {value:.3f}" for stage, value in true.items())
    left = Explanation("remainder", f"the total less the other columns; true split: {split}", total - sum(parts), True)
    one_crop = flops(baseline(), tokens).stages["tower"]
    rounded = Fraction(round(one_crop / GIGA), 1000) * shape.crops
    found = {
        "llm_t": (left,),
        "vision_encoder_t": (Explanation("rounding", f"{shape.crops} times the rounded 0.349", rounded),),
    }
    if shape.compressed_patches and counted.stages["prefusion"]:
        fused = shape.patches + shape.vision_tokens + tokens
        layer = Fraction(prefusion_flops(shape, fused, PAPER), shape.prefusion_layers * TERA)
        macs = Fraction(2 * (shape.compressed_patches + shape.vision_tokens) * shape.config.vision_width**2, TERA)
        found["compression_t"] = (Explanation("inconsistent", "multiply-adds (MACs), not FLOPs", macs),)
        found["prefusion_t"] = (
            Explanation("inconsistent", f"MACs of one layer over {fused} tokens", layer / 2),
            Explanation("inconsistent", f"FLOPs of one layer over {fused} tokens, not of all", layer, True),
        )
        if shape.crops > 1:
            del found["compression_t"]
    return found


def _texts(tokens: int) -> Iterator[Check]:
    section, figure = load_table("section5"), load_table("figure1")
    yield _check(
        section["FLOPs of LLaVA-Mini-HD"], "value", flops(mini(resolution=672, vision_tokens=64), tokens).total
    )
    yield _check(section["FLOPs of LLaVA-v1.5"], "value", flops(baseline(), tokens).total)
    for resolution in (336, 672):
        saved = _reduction(resolution, 1, tokens)
        hd = f"; with the 64 tokens of LLaVA-Mini-HD {float(_reduction(672, 64, tokens)):.1f} %"
        note = f"of a model with 1 token{hd}" if resolution == 672 else ""
        yield _check(section[f"FLOPs reduction at {resolution} pixels"], "value", saved, note=note, unit="%")
    yield _check(figure["FLOPs of LLaVA-v1.5"], "value", flops(baseline(), tokens).total)
    for count, name in ((1, "1 token"), (16, "16 tokens"), (64, "64 tokens")):
        ours = flops(mini(vision_tokens=count), tokens).total
        note = f"the formula gives {ours / TERA:.3f}" if count == 16 else ""
        yield _check(figure[f"FLOPs of LLaVA-Mini, {name}"], "value", ours, note=note)


def _reduction(resolution: int, visual: int, tokens: int) -> Fraction:
    """Percent of the baseline's FLOPs that LLaVA-Mini saves."""
    ours = flops(mini(resolution=resolution, vision_tokens=visual), tokens).total
    return 100 - Fraction(100 * ours, flops(baseline(resolution), tokens).total)
