"""The table at the end of a run, and the line that says where everything lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.cli.printing import console, table
from harness.types import Json
from results.averages import averages_of

if TYPE_CHECKING:
    from harness.engine.run import Run


COSTS = {"tflops_per_sample": ">TFLOPs", "ms_per_sample": ">ms", "mib_per_image": ">MiB/image"}
"""What `--profile` adds, by its key in run.json."""
WAITING = 0.1
"""From this share of the time spent waiting for media on, a person is told."""


def document_of(runs: Mapping[str, Run]) -> Json:
    """What --json prints: one run's metrics.json, or {"runs": {model: ..}}.

    Beside "tasks" stands "averages" (see `averages_of`) where at least two of the eleven image benchmarks ran.
    """
    documents = {}
    for model, run in runs.items():
        averages = averages_of(run.metrics)
        documents[model] = {**run.metrics, **({} if averages is None else {"averages": averages})}
    return next(iter(documents.values())) if len(documents) == 1 else {"runs": documents}


def print_runs(runs: Mapping[str, Run]) -> None:
    """One table over models and tasks, and what a reader must know about its numbers."""
    from tasks import TASKS

    columns = ["task", "model", ">score", ">95 % interval", ">samples", ">missing", ">vision tokens", ">samples/s"]
    beside_paper = any(_comparable(entry) for run in runs.values() for entry in run.metrics["tasks"].values())
    profiled = any("cost" in info for run in runs.values() for info in run.info["tasks"].values())
    columns += COSTS.values() if profiled else ()
    rows = table(*columns, *(["paper"] if beside_paper else []))
    for task in _tasks(runs):
        title = TASKS.load(task).card.title
        for index, (model, run) in enumerate(runs.items()):
            cells = _cells(run, task, profiled)[: None if beside_paper else -1]
            rows.add_row(title if index == 0 else "", model, *cells, end_section=index == len(runs) - 1)
    out = console()
    out.print(rows)
    for model, run in runs.items():
        if line := _averages(model, run):
            out.print(line, soft_wrap=True)
    for line in _footnotes(runs):
        out.print(line)
    for model, run in runs.items():
        out.print(f"{model}: {run.folder}", soft_wrap=True)


def _tasks(runs: Mapping[str, Run]) -> Sequence[str]:
    return list(dict.fromkeys(task for run in runs.values() for task in run.metrics["tasks"]))


def _cells(run: Run, task: str, profiled: bool) -> list[str]:
    entry, info = run.metrics["tasks"][task], run.info
    headline, speed = entry["headline"], info.get("speeds", {}).get(task, {})
    value, ci95 = headline["value"], headline["ci95"]
    digits = 2 if headline["unit"] == "points of 5" else 1  # as papers print them
    rate = speed.get("samples_per_second")
    tokens, cost = info["tasks"][task]["vision_tokens"], info["tasks"][task].get("cost", {})
    return [
        "withheld" if value is None else f"{value:.{digits}f}{' %' if headline['unit'] == '%' else ''}",
        "-" if ci95 is None else f"{ci95[0]:.{digits}f} to {ci95[1]:.{digits}f}",
        f"{entry['n']:,}",
        f"{entry['n'] - entry['n_scored']:,}",
        "-" if tokens is None else f"{tokens:,.0f}" if float(tokens).is_integer() else f"{tokens:,.1f}",
        "cached" if rate is None else f"{rate:.1f}",
        *([_number(cost.get(key)) for key in COSTS] if profiled else []),
        f"{entry['paper']['value']}: {entry['paper']['verdict']}" if _comparable(entry) else "-",
    ]


def _number(value: float | None) -> str:
    """Four significant digits."""
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _averages(model: str, run: Run) -> str | None:
    """Both averages of the eleven image benchmarks, or which of them have no headline."""
    found = averages_of(run.metrics)
    if found is None:
        return None
    shown = ["-" if found[name] is None else f"{found[name]:.1f}" for name in ("avg_paper", "avg_mme_percent")]
    line = f"{model}: avg_paper {shown[0]} (MME as a fraction, as in Table 1), avg_mme_percent {shown[1]}"
    reason = f"; no headline of {', '.join(found['missing'])}" if found["missing"] else ""
    return line + reason + ("; sample data" if "sample" in found["data"] else "")


def _comparable(entry: Mapping[str, Json]) -> bool:
    return not entry["paper"]["verdict"].startswith("not comparable")


def _footnotes(runs: Mapping[str, Run]) -> list[str]:
    entries = [(task, entry) for run in runs.values() for task, entry in run.metrics["tasks"].items()]
    lines = []
    if any(entry["data"] == "sample" for _, entry in entries):
        lines.append("Sample data: synthetic scenes made on this machine. Never compare with published numbers.")
    for judge in dict.fromkeys(entry["judge"]["spec"] for _, entry in entries if "judge" in entry):
        lines.append(f"Graded by {judge}: never compare with scores of another judge.")
    infos = [(task, info) for run in runs.values() for task, info in run.info["tasks"].items()]
    lines += [f"{task}: {note}." for task, info in infos for note in info.get("cost", {}).get("notes", ())]
    for task, info in infos:
        lines += [f"{task}: {note}, in {count:,} answers." for note, count in info.get("notes", {}).items()]
    for run in runs.values():
        shares = {task: row["prefetch_wait_share"] for task, row in run.info.get("speeds", {}).items()}
        lines += [
            f"{task}: the model waited for media {share:.0%} of the time (see --workers)."
            for task, share in shares.items()
            if share >= WAITING
        ]
    lines += [f"{task}: {entry['prompt_note']}." for task, entry in entries if "prompt_note" in entry]
    for task, entry in entries:
        if "withheld" in entry["headline"]:
            lines.append(why_withheld(task, entry))
    return list(dict.fromkeys(lines))


def why_withheld(task: str, entry: Mapping[str, Json]) -> str:
    """Why a task's entry of metrics.json has no headline, and what it could be."""
    from results.export import FORMS
    from tasks.annotators import NO_LABEL

    reasons = ", ".join(f"{reason} ({n})" for reason, n in entry["missing"].items())
    ends = "" if None in (entry["bounds"] or [None]) else " It could be {:.1f} to {:.1f}.".format(*entry["bounds"])
    advice = " Grade them: run-eval judge RUN --judge SPEC" if "awaits_judge" in entry["headline"] else ""
    if NO_LABEL.reason in entry["missing"] and task in FORMS:
        advice += f" The benchmark's server scores them: run-eval export RUN --task {task}"
    return f"{task}: headline withheld, {entry['headline']['withheld']}: {reasons}.{ends}{advice}"
