"""Write runs as a folder that opens from disk: leaderboard, plots, and every sample with answer, score and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE
from harness.cli.printing import note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument(
        "--output", type=Path, default=Path("report"), metavar="DIR", help="the folder to write (default: report)"
    )
    parser.add_argument("--no-media", action="store_true", help="leave pictures and video frames out")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from results.report.write import write_report

    for line in write_report(args.runs, args.output, pictures=not args.no_media):
        note(line)
    print(args.output / "index.html")
    return DONE
