"""Benchmark data: `check` finds what is missing or broken, `plan` shows what is read, `sample` builds sample sets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.cli import CHANGE_SOMETHING, DONE
from harness.cli.options import OPTIONS, names
from harness.cli.printing import console, note, print_json, table
from harness.errors import UnknownName, UserError

ACTIONS = ("check", "plan", "sample")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", help=" | ".join(ACTIONS))
    parser.add_argument("--tasks", required=True, metavar="A,B", help="benchmarks, or image | video | all")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="official folder layouts; for sample: where to build"
    )
    parser.add_argument("--hub", default="", metavar="T=R,..", help="other hub ids: TASK=REPO[@REVISION]")
    parser.add_argument("--deep", action="store_true", help="check: open every picture, decode every video")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if args.action not in ACTIONS:
        raise UnknownName("data action", args.action, ACTIONS)
    if args.action == "sample":
        return _sample(args)
    from harness.cli.run import configs_of

    values: dict[str, Any] = {option.name: option.default for option in OPTIONS} | {
        "model": ("llava-mini",),  # any: only the data matter here
        "tasks": names(args.tasks),
        "data-root": args.data_root,
        "hub": names(args.hub) if args.hub else (),
        "allow-missing-files": True,
    }
    (config,) = configs_of(values, argv)
    from harness.engine.run import plan

    plans = plan(config)
    if args.action == "plan":
        documents: dict[str, Any] = {one.name: one.summary() for one in plans}
        return _print(documents, args.json)
    from harness.data.check import check

    documents = {one.name: check(one.samples, args.deep) for one in plans}
    _print(documents, args.json)
    return CHANGE_SOMETHING if any(document["problems"] for document in documents.values()) else DONE


def _sample(args: argparse.Namespace) -> int:
    from harness.cli.run import SAMPLE_SEED, task_names
    from tasks.samples import build

    if args.data_root is None:
        raise UserError("data sample needs --data-root DIR, the folder to build in.")
    tasks = task_names(names(args.tasks))
    build(tasks, args.data_root, SAMPLE_SEED)
    note(f"built {', '.join(tasks)} under {args.data_root}")
    return DONE


def _print(documents: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print_json(documents)
        return DONE
    for task, document in documents.items():
        rows = table(task, "")
        for key, value in document.items():
            rows.add_row(key, _shown(value))
        console().print(rows)
    return DONE


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_shown(item)}" for key, item in value.items()) or "none"
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
