"""Which runs a report is about: model, weights, judge, how much was asked and what of it is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from results.leaderboard.cells import RunCells

DIGEST = 12
"""Letters of a weights' digest that are shown."""
TITLES = ("run", "model", "weights", "type", "device", "data", "judge", "benchmarks", "samples", "missing", "state")


def runs_section(runs: Sequence[RunCells]) -> Iterator[str]:
    """A line a run, or a judge of one."""
    yield '<section><h2>Runs</h2><div class="wide" role="region" aria-label="runs" tabindex="0"><table id="runs">'
    yield "<thead><tr>"
    yield from (f'<th scope="col" class="words">{title}</th>' for title in TITLES)
    yield "</tr></thead><tbody>"
    for run in runs:
        cells = "".join(f'<td class="words">{escape(text)}</td>' for text in _cells(run))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div></section>"


def _cells(run: RunCells) -> list[str]:
    """In the order of TITLES; what is not known is empty."""
    info, entries = run.info, [run.metrics[task] for task in run.tasks if task in run.metrics]
    missing = Counter[str]()
    for entry in entries:
        missing.update(entry["missing"])
    device = info.get("environment", {}).get("device", {})
    sources = info["config"]["sources"]
    kinds = dict.fromkeys("sample" if sources[task]["synthetic"] else sources[task]["kind"] for task in run.tasks)
    judges = dict.fromkeys(entry["judge"]["spec"] for entry in entries if "judge" in entry)
    left = len(run.tasks) - len(entries)
    return [
        run.folder.resolve().name,
        run.model,
        str(info.get("model", {}).get("digest") or "")[:DIGEST],
        str(info.get("model", {}).get("dtype") or ""),
        str(device.get("model") or ""),
        ", ".join(kinds),
        ", ".join(judges),
        f"{len(run.tasks):,}",
        f"{sum(entry['n'] for entry in entries):,}" if entries else "",
        ", ".join(f"{reason} ({n:,})" for reason, n in missing.items()) or ("0" if entries else ""),
        "finished" if not left else f"{left:,} benchmarks open",
    ]
