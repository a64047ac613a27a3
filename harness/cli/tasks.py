"""List the benchmarks, or show one's card."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from harness.cli.printing import console, note, print_json, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="a benchmark, for its card")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from tasks import TASKS

    cards = [task.card for task in ([TASKS.load(args.name)] if args.name else TASKS.load_all(note).values())]
    if args.json:
        documents = [dataclasses.asdict(card) for card in cards]
        print_json(documents[0] if args.name else documents)
    elif args.name:
        card = cards[0]
        lines = table("", card.title)
        lines.add_row("name", card.name)
        lines.add_row("split", f"{card.split}, {card.full_size:,} samples")
        lines.add_row("metric", card.metric)
        lines.add_row("prompts", ", ".join(card.prompts))
        lines.add_row("quirks", ", ".join(card.quirks) or "-")
        lines.add_row("hub", " ".join((card.hub.repo, *card.hub.configs, card.hub.split, f"@{card.hub.revision}")))
        lines.add_row("folder", card.folder)
        lines.add_row("paper", "\n".join(f"{model} {value}" for model, value in card.paper.items()) or "-")
        lines.add_row("notes", card.notes or "-")
        console().print(lines)
    else:
        rows = table("task", "benchmark", "modality", "split", ">samples", "metric")
        for card in cards:
            rows.add_row(card.name, card.title, card.modality, card.split, f"{card.full_size:,}", card.metric)
        console().print(rows)
    return 0
