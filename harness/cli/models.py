"""List the models, or show one's card."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from harness.cli.printing import console, print_json, table
from harness.errors import UnknownName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="a model, for its card")
    parser.add_argument("--all", action="store_true", help="the ablations of the paper too")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from models import presets

    found = presets()
    if args.name and args.name not in found:
        raise UnknownName("model", args.name, found)
    variants = [name for name, preset in found.items() if preset.variant_of]
    listed = {name: preset for name, preset in found.items() if args.all or name not in variants}
    chosen = {args.name: found[args.name]} if args.name else listed
    if args.json:
        documents = [{"name": name, **dataclasses.asdict(preset)} for name, preset in chosen.items()]
        print_json(documents[0] if args.name else documents)
    elif args.name:
        lines = table("", args.name)
        for key, value in dataclasses.asdict(chosen[args.name]).items():
            lines.add_row(key, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        console().print(lines)
    else:
        rows = table("model", "modalities", "weights", "what it is")
        for name, preset in chosen.items():
            rows.add_row(name, ", ".join(preset.modalities), preset.weights or "-", preset.description)
        console().print(rows)
        if not args.all:
            console().print(f"and {len(variants)} ablations and second names: run-eval models --all")
    return 0
