"""Write runs as a folder that opens from disk: leaderboard, plots, and every sample with answer, score and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE
from harness.cli.options import count
from harness.cli.printing import note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument(
        "--output", type=Path, default=Path("report"), metavar="DIR", help="the folder to write (default: report)"
    )
    add_media(parser)


def add_media(parser: argparse.ArgumentParser) -> None:
    """`--media-limit` and `--no-media`, for `report` and `view`."""
    parser.add_argument(
        "--media-limit",
        type=count,
        default=1000,
        metavar="N",
        help="pictures and videos of a benchmark that are shown (default: %(default)s)",
    )
    parser.add_argument(  # after the option whose value it sets, so that the default is that one's
        "--no-media", dest="media_limit", action="store_const", const=0, help="leave pictures and video frames out"
    )


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from results.report.write import write_report

    for line in write_report(args.runs, args.output, args.media_limit):
        note(line)
    print(args.output / "index.html")
    return DONE
