"""Set two runs against each other, sample by sample: the difference B - A, how sure it is, and what flipped; or two
judges of one run's answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE
from harness.cli.options import add_options, count, given
from harness.cli.printing import note, print_json
from harness.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="two run folders, A and B; one with --judges")
    parser.add_argument(
        "--judges", nargs=2, metavar="SPEC", help="two judges that have graded the run: agreement, kappa, shift"
    )
    parser.add_argument(
        "--force", action="store_true", help="go on where more than the model differs, and say what is ignored"
    )
    parser.add_argument(
        "--flipped",
        type=count,
        default=3,
        metavar="N",
        help="flipped samples to show of each kind and task (default: 3; --json holds all)",
    )
    add_options(parser, ("seed", "json"))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if args.judges:
        return _judges(args)
    from results.compare.make import compare
    from results.compare.text import lines_of

    if len(args.runs) != 2:
        raise UserError(f"compare takes two runs, not {len(args.runs)}: run-eval compare A B.")
    first, second = args.runs
    document = compare(first, second, force=args.force, **given(args, ("seed",)))
    for task, lines in document["ignored"].items():
        for line in lines:
            note(f"{task}: ignored by --force: {line}")
    if "json" in args:
        print_json(document)
    else:
        print("\n".join(lines_of(document, args.flipped)))
    return DONE


def _judges(args: argparse.Namespace) -> int:
    from results.compare.judges import compare_judges, lines_of_judges

    if len(args.runs) != 1:
        raise UserError(f"--judges compares two judges of one run, not of {len(args.runs)}.")
    document = compare_judges(args.runs[0], *args.judges, **given(args, ("seed",)))
    if "json" in args:
        print_json(document)
    else:
        print("\n".join(lines_of_judges(document)))
    return DONE
