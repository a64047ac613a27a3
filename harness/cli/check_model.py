"""Check that a model adapter keeps its contract: a kit of checks, each with its reason where it fails."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli import CHANGE_SOMETHING, DONE
from harness.cli.options import add_options, given
from harness.cli.printing import console, note, print_json, table
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.types import Json

OPTIONS = ("checkpoint", "device", "dtype")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a model, or an adapter as module:function")
    add_options(parser, (*OPTIONS, "model-options", "json"))
    parser.add_argument("--card-only", action="store_true", help="print the loaded model's card and stop")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from harness.conformance import conformance
    from models import load_adapter

    values = given(args, (*OPTIONS, "model-options", "json"))
    settings = {**{name: values.get(name) for name in OPTIONS}, "options": values.get("model-options", {})}
    if args.card_only:
        print_json(dataclasses.asdict(load_adapter(args.name, **settings).card))
        return DONE
    elsewhere = _card_elsewhere(argv)
    model = load_adapter(args.name, **settings)
    verdicts = conformance(model, elsewhere)
    passed = all(verdict.passed for verdict in verdicts)
    if values.get("json", False):
        checks = [dataclasses.asdict(verdict) for verdict in verdicts]
        print_json({"model": args.name, "dtype": model.card.dtype, "passed": passed, "checks": checks})
    else:
        lines = table("check", "", "what it says")
        for verdict in verdicts:
            text = verdict.claim if verdict.passed else f"{verdict.claim}\n{verdict.reason}"
            lines.add_row(verdict.check, "pass" if verdict.passed else "FAIL", text)
        console().print(lines)
        if not passed and model.card.dtype in ("float16", "bfloat16"):
            note(f"the model runs in {model.card.dtype}; only in float32 must answers be equal to the letter")
    return DONE if passed else CHANGE_SOMETHING


def _card_elsewhere(argv: Sequence[str]) -> Json:
    """The card as a process of its own makes it. That one ends before the model is loaded here, so that it need not fit
    twice. Raises UserError where the model does not load."""
    plain = [word for word in argv if word != "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *plain, "--card-only"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise UserError(f"the model does not load: {last[0].removeprefix('run-eval: ')}")
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise UserError(f"loading the model prints to standard output: {done.stdout[:200]!r}.") from error
