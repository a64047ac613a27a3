"""List the models and the systems of the paper, or show a model's card."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.cli.printing import console, print_json, table
from harness.errors import UnknownName

if TYPE_CHECKING:
    from harness.types import Json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="a model or a system of the paper, for its card")
    parser.add_argument("--all", action="store_true", help="the ablations of the paper too")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from models import presets
    from models.systems import systems

    found = presets()
    if args.name in systems():
        _show(args.name, dataclasses.asdict(systems()[args.name]), args.json)
        return 0
    if args.name and args.name not in found:
        raise UnknownName("model", args.name, [*found, *systems()])
    variants = [name for name, preset in found.items() if preset.variant_of]
    listed = {name: preset for name, preset in found.items() if args.all or name not in variants}
    if args.name:
        _show(args.name, dataclasses.asdict(found[args.name]), args.json)
    elif args.json:
        rows = [dataclasses.asdict(preset) for preset in listed.values()]
        rows += [dataclasses.asdict(system) for system in systems().values() if not system.presets]
        print_json(rows)
    else:
        lines = table("model", "how", "modalities", "weights", "what it is")
        for name, preset in listed.items():
            lines.add_row(name, preset.how, ", ".join(preset.modalities), preset.weights or "-", preset.description)
        console().print(lines)
        if not args.all:
            console().print(f"and {len(variants)} ablations and second names: run-eval models --all\n")
        lines = table("system of the paper", "how", "models", "why")
        for system in systems().values():
            lines.add_row(system.name, system.how, ", ".join(system.presets) or "-", system.why)
        console().print(lines)
    return 0


def _show(name: str, card: Mapping[str, Json], as_json: bool) -> None:
    if as_json:
        print_json({**card, "name": name})
        return
    lines = table("", name)
    for key, value in card.items():
        lines.add_row(key, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    console().print(lines)
