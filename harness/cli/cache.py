"""Explain why two runs do or do not share cached responses: `run-eval cache explain RUN_A RUN_B`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE
from harness.cli.printing import console, print_json
from harness.errors import UnknownName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", help="explain")
    parser.add_argument("first", type=Path, help="a run folder")
    parser.add_argument("second", type=Path, help="another")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from harness.engine.explain import explain

    if args.action != "explain":
        raise UnknownName("cache action", args.action, ["explain"])
    found = explain(args.first, args.second)
    if args.json:
        print_json(found)
        return DONE
    out = console()
    for part, values in found["model"].items():
        out.print(f"model {part}: {json.dumps(values[0])} against {json.dumps(values[1])}", soft_wrap=True)
    for task, row in found["tasks"].items():
        shared = "none, the models differ" if found["model"] else str(row["same"])
        out.print(f"{task}: {row['common']} samples in both; shared cached responses: {shared}")
        for part, n in row["differ"].items():
            out.print(f"  {part} differs in {n}")
        for sample, parts in row["examples"].items():
            out.print(f"  {sample}: " + ", ".join(f"{part} {a} against {b}" for part, (a, b) in parts.items()))
    return DONE
