"""What the paper's accuracy tables say about each other: means, group means and differences, computed anew.

Every check has a printed cell and the value that the other cells give. `misprints.csv` lists the cells that do not
follow, each with the reason; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from results.averages import MME, MME_HIGHEST, PERCENTAGES
from results.paper.tables import PaperRow, load_table, rounds_to

DIMENSIONS = ("correctness", "detail", "context", "temporal", "consistency")
BASELINE = "LLaVA-v1.5"
BASELINE_TOKENS = 576
COMPARED = f", compared with {BASELINE}"
GROUPS = {
    "action": ("Action Sequence", "Action Prediction", "Action Antonym", "Fine-grained Action", "Unexpected Action"),
    "object": ("Object Existence", "Object Interaction", "Object Shuffle"),
    "position": ("Moving Direction", "Action Localization"),
    "scene": ("Scene Transition",),
    "count": ("Action Count", "Moving Count"),
    "attribute": ("Moving Attribute", "State Change"),
    "pose": ("Fine-grained Pose",),
    "character": ("Character Order",),
    "cognition": ("Egocentric Navigation", "Episodic Reasoning", "Counterfactual Inference"),
}
"""MVBench's groups as Table 3 averages them (the paper's section C.2)."""


@dataclass(frozen=True)
class Derived:
    """A printed cell and what it follows from. `value` is exact."""

    table: str
    row: str
    column: str
    printed: Decimal
    value: Fraction
    formula: str

    @property
    def follows(self) -> bool:
        """Whether the value, rounded half up at the printed digits, is the printed one."""
        return rounds_to(self.printed, self.value)


def derived() -> Iterator[Derived]:
    """Every cell of the accuracy tables that follows from others."""
    yield from _image_averages()
    yield from _differences()
    for row in load_table("table2"):
        yield from _mean(row, DIMENSIONS, "mean of the five dimensions")
    for row in load_table("table4"):
        columns = [c for c in load_table("table4").columns if c not in ("frames", "average")]
        yield from _mean(row, columns, "mean of the seven tasks")
    yield from _mvbench()
    yield from _repeated()


def _cell(row: PaperRow, column: str, value: Fraction, formula: str) -> Iterator[Derived]:
    if (printed := row.number(column)) is not None:
        yield Derived(row.table, row.name, column, printed, value, formula)


def _mean(row: PaperRow, columns: Sequence[str], formula: str) -> Iterator[Derived]:
    yield from _cell(row, "average", _mean_of([row.number(column) for column in columns]), formula)


def _mean_of(values: Sequence[Decimal | None]) -> Fraction:
    return sum((Fraction(value) for value in values if value is not None), Fraction()) / len(values)


def _average(row: PaperRow) -> Fraction | None:
    mme, percentages = row.number(MME), [row.number(column) for column in PERCENTAGES]
    if mme is None or None in percentages:
        return None
    columns = len(PERCENTAGES) + 1
    return (_mean_of(percentages) * len(PERCENTAGES) + Fraction(mme) / Fraction(MME_HIGHEST)) / columns


def _image_averages() -> Iterator[Derived]:
    for row in load_table("table1"):
        if COMPARED not in row.name and (value := _average(row)) is not None:
            yield from _cell(row, "average", value, "(sum of the ten percentages + MME / 2000) / 11")


def _differences() -> Iterator[Derived]:
    table = load_table("table1")
    base = table[BASELINE]
    for row in table:
        model, compared, _ = row.name.partition(COMPARED)
        if not compared:
            continue
        ours = table[model]
        tokens = Fraction(ours.number("vision_tokens") or 0) * 100 / BASELINE_TOKENS
        yield from _cell(row, "vision_tokens_percent", tokens, f"vision tokens / {BASELINE_TOKENS}")
        for column in (*PERCENTAGES, MME):
            difference = Fraction(ours.number(column) or 0) - Fraction(base.number(column) or 0)
            yield from _cell(row, column, difference, f"{model} - {BASELINE}")
        average = (_average(ours) or Fraction()) - (_average(base) or Fraction())
        yield from _cell(row, "average", average, f"{model} - {BASELINE}, before rounding")


def _mvbench() -> Iterator[Derived]:
    tasks = load_table("appendix_h")
    every = [task for group in GROUPS.values() for task in group]
    for row in load_table("table3"):
        method = row.name.lower().replace("-", "_").replace(" ", "_")
        for group, members in GROUPS.items():
            value = _mean_of([tasks[task].number(method) for task in members])
            yield from _cell(row, group, value, f"mean of Appendix H's {', '.join(members)}")
        overall = _mean_of([tasks[task].number(method) for task in every])
        yield from _cell(row, "average", overall, "mean of Appendix H's twenty tasks")
        yield from _cell(tasks["Average"], method, overall, "mean of the twenty tasks")


def _repeated() -> Iterator[Derived]:
    """Rows that stand in two tables: both must print the same."""
    main, sizes = load_table("table1"), load_table("table6")
    twins = [
        (sizes[BASELINE], main[BASELINE]),
        (sizes["LLaVA-Mini, 336 pixels, 1 token"], main["LLaVA-Mini"]),
        (sizes["LLaVA-Mini, 672 pixels, 64 tokens"], main["LLaVA-Mini-HD"]),
        (load_table("table11")[BASELINE], main[BASELINE]),
    ]
    merging = load_table("table10")
    for row in merging:
        name = row.name if row.name.startswith("MQT") else row.name.partition(",")[0]
        if not row.name.startswith("LLaVA-Mini"):
            twins.append((row, main[name]))
    for row, twin in twins:
        for column in ("vqav2", "gqa", "mmbench"):
            if (value := twin.number(column)) is not None:
                yield from _cell(row, column, Fraction(value), f"{twin.table}'s {twin.name}")
