"""The two averages over the eleven image benchmarks: the paper's formula, and the same with MME as a percentage."""

from __future__ import annotations

from collections.abc import Mapping

from harness.types import Json

MME = "mme"
PERCENTAGES = (
    "vqav2",
    "gqa",
    "vizwiz",
    "scienceqa",
    "textvqa",
    "pope",
    "mmbench",
    "seedbench",
    "llavabench",
    "mmvet",
)
MME_HIGHEST = 2000.0
"""MME perception at its best: ten categories of 200 points."""


def image_averages(headlines: Mapping[str, float | None]) -> dict[str, float | None]:
    """`avg_paper` and `avg_mme_percent` of headlines by task name (MME in points, the others in percent).

    The paper adds MME as a fraction of 1 beside ten percentages, (sum of the ten + MME / 2000) / 11: the only simple
    rule that gives all six averages of its Table 1 (specs/image_benchmarks.md section 1.1). `avg_mme_percent` takes
    MME / 20. Both are None if a benchmark has no headline. Neither is rounded; the paper rounds after differences.
    """
    mme, percentages = headlines.get(MME), [headlines.get(name) for name in PERCENTAGES]
    present = [value for value in percentages if value is not None]
    if mme is None or len(present) < len(PERCENTAGES):
        return {"avg_paper": None, "avg_mme_percent": None}
    total, columns = sum(present), len(PERCENTAGES) + 1
    return {
        "avg_paper": (total + mme / MME_HIGHEST) / columns,
        "avg_mme_percent": (total + 100 * mme / MME_HIGHEST) / columns,
    }


def averages_of(metrics: Mapping[str, Json]) -> dict[str, Json] | None:
    """What a run's `metrics.json` says of the averages; None where fewer than two of the eleven benchmarks ran.

    {"avg_paper", "avg_mme_percent"} unrounded or None, "missing": the benchmarks without a headline, "data": where the
    samples came from ("sample", "folder", "hub"; several are joined by "+").
    """
    entries = {name: metrics["tasks"][name] for name in (*PERCENTAGES, MME) if name in metrics["tasks"]}
    if len(entries) < 2:
        return None
    headlines = {name: entry["headline"]["value"] for name, entry in entries.items()}
    return {
        **image_averages(headlines),
        "missing": [name for name in (*PERCENTAGES, MME) if headlines.get(name) is None],
        "data": "+".join(sorted({entry["data"] for entry in entries.values()})),
    }
