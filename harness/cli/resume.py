"""Finish a run that was interrupted. Answers that are there already are kept."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE, WITHHELD
from harness.cli.options import add_options, given
from harness.cli.printing import print_json

CHANGEABLE = (
    *("batch-tokens", "workers", "device", "media-timeout", "allow-missing-files"),
    *("executor", "address", "replicas", "judge-concurrency", "judge-batch", "judge-prices", "max-cost"),
)
"""Options that may differ from those the run began with: they change no answer."""
FIELDS = {
    "batch-tokens": "batch_tokens",
    "media-timeout": "media_timeout_s",
    "allow-missing-files": "allow_missing_files",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--retry-missing", action="store_true", help="ask again where the answer is Missing")
    add_options(parser, (*CHANGEABLE, "json"))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from harness.cli.progress import TerminalProgress
    from harness.cli.summary import document_of, print_runs
    from harness.engine.run import load_run, resume

    changes = {FIELDS.get(name, name.replace("-", "_")): value for name, value in given(args, CHANGEABLE).items()}
    model = load_run(args.run).info["config"]["model"]
    with TerminalProgress(model) as progress:
        run = resume(args.run, progress, retry_missing=args.retry_missing, changes=changes)
    if "json" in args:
        print_json(document_of({model: run}))
    else:
        print_runs({model: run})
    return WITHHELD if run.withheld else DONE
