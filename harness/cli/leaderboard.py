"""Put runs side by side: models in rows, benchmarks in columns, as in the paper's Tables 1 to 5."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE
from harness.cli.options import add_options
from harness.cli.printing import note
from harness.errors import UnknownName, UserError

RUNS = Path("results/runs")
PAPER = "paper"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help=f"run folders, or folders of runs (default: {RUNS})"
    )
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="markdown, latex (booktabs), csv (a row a number), json or html (one file)\n"
        "(default: what the name of --output ends in, else markdown)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the file to write (default: standard output)")
    parser.add_argument(
        "--against", metavar=PAPER, help="paper: its rows, and difference and verdict for each number of ours"
    )
    add_options(parser, ("json",))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from results.leaderboard.board import make_board
    from results.leaderboard.cells import read_runs
    from results.leaderboard.formats import FORMATS, SUFFIXES, render

    if args.against not in (None, PAPER):
        raise UnknownName("what --against compares with", args.against, (PAPER,))
    named = "json" if "json" in args else args.format
    form = named or (SUFFIXES.get(args.output.suffix) if args.output else None) or "markdown"
    if form not in FORMATS:
        raise UnknownName("format of a leaderboard", form, FORMATS)
    if not args.runs and not RUNS.is_dir():
        raise UserError(f"no run is named, and there is no {RUNS} here. Name one: run-eval leaderboard RUN..")
    content = render(make_board(read_runs(args.runs or [RUNS]), args.against == PAPER), form)
    if args.output is None:
        sys.stdout.write(content.decode("utf-8"))
    else:
        _write(args.output, content)
        note(f"{args.output}: {form}")
    return DONE


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: a leaderboard is made again and again."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise UserError(f"--output {path}: cannot be written ({error.strerror or error}).") from error
