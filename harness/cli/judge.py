"""Have the answers of a run graded by a judge. A second judge's numbers stand beside the first's, never over them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.cli import DONE, WITHHELD
from harness.cli.options import add_options, given
from harness.cli.printing import JUDGE_COLUMNS, console, judge_cells, print_json, table
from harness.errors import UserError
from harness.types import Json

SETTINGS = ("judge-concurrency", "judge-batch", "judge-prices", "max-cost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run folder")
    add_options(parser, ("judge", *SETTINGS, "dry-run", "json"))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from harness.cli.progress import TerminalProgress
    from harness.engine.run import judge_run, load_run

    said = given(args, ("judge", *SETTINGS))
    if "judge" not in said:
        raise UserError("--judge is missing, e.g. --judge openai:gpt-4o or --judge rules.")
    changes = {name.replace("-", "_"): value for name, value in said.items() if name != "judge"}
    if "dry_run" in args:
        return _dry_run(args, said["judge"], changes)
    with TerminalProgress(load_run(args.run).info["config"]["model"]) as progress:
        metrics = judge_run(args.run, said["judge"], progress, changes)
    if "json" in args:
        print_json(metrics)
    else:
        _print(metrics)
    headlines = [entry["headline"] for entry in metrics["tasks"].values()]
    return WITHHELD if any("withheld" in one for one in headlines) else DONE


def _dry_run(args: argparse.Namespace, spec: str, changes: Mapping[str, object]) -> int:
    """What judging would ask and cost; nothing is sent."""
    from harness.engine.judging import forecast

    rows = forecast(args.run, spec, changes)
    if "json" in args:
        print_json({"tasks": rows})
        return DONE
    shown = table("task", *JUDGE_COLUMNS)
    for task, row in rows.items():
        shown.add_row(task, *judge_cells(row))
    console().print(shown)
    return DONE


def _print(metrics: Mapping[str, Json]) -> None:
    from harness.cli.summary import why_withheld

    rows = table("task", "judge", ">score", ">95 % interval", ">samples", ">missing")
    judged = {task: entry for task, entry in metrics["tasks"].items() if "judge" in entry}
    for task, entry in judged.items():
        value, ci95 = entry["headline"]["value"], entry["headline"]["ci95"]
        score = "withheld" if value is None else f"{value:.2f}"
        interval = "-" if ci95 is None else "{:.2f} to {:.2f}".format(*ci95)
        rows.add_row(
            task, entry["judge"]["spec"], score, interval, f"{entry['n']:,}", f"{entry['n'] - entry['n_scored']:,}"
        )
    console().print(rows)
    for task, entry in judged.items():
        if "withheld" in entry["headline"]:
            console().print(why_withheld(task, entry))
