"""What models cost, without their weights: FLOPs by stage, memory per image, frames that fit, latency, energy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import DONE
from harness.cli.options import add_options, given, names, positive
from harness.cli.printing import note, print_json
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.profiler.document import ProfileSettings
    from harness.profiler.shapes import Shape


EVERY = ("resolution",)
"""What can be changed in a model without compressor too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME[,NAME]",
        help="shapes; NAME:KEY=VALUE[:KEY=VALUE] is one with changes,\ne.g. llava-mini-7b:vision_tokens=16",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a change to every model that\nhas what it names; may be given again",
    )
    parser.add_argument(
        "--text-tokens",
        metavar="T,..",
        help="tokens of the question; the first for all tables, all for\nthe sweep (default: 43,60,100,200,500,1000)",
    )
    parser.add_argument("--what", metavar="PART,..", help="flops, memory, latency (default: all)")
    parser.add_argument("--no-latency", action="store_true", help="the same as --what flops,memory")
    parser.add_argument("--stages", metavar="NAME,..", help="only these stages in tables and plots; totals stay whole")
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="what reductions refer to\n(default: the first model without compression, else the first)",
    )
    parser.add_argument("--max-frames-in", metavar="SIZE", help="how many frames fit into this memory, e.g. 24GiB")
    parser.add_argument("--rounds", metavar="N", help="timed runs of each model (default: 50 on a GPU, 10 on a CPU)")
    add_options(parser, ("device", "dtype", "json"))
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for profile.json, CSV files, profile.html")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    settings = _settings(args)
    if not args.model:
        raise UserError("--model is missing, e.g. --model llava-mini-7b,llava-v1.5-7b. `run-eval models` lists them.")
    shapes = _shapes(_list(args.model, "--model", names), args.set)
    from harness.profiler.document import profile

    document = {"command": ["run-eval", *argv], **profile(shapes, settings)}
    if args.output is not None:
        from results.profile.write import write

        for path in write(document, args.output):
            note(str(path))
    if "json" in args:
        print_json(document)
    else:
        from harness.cli.costs import print_profile

        print_profile(document)
    return DONE


def _settings(args: argparse.Namespace) -> ProfileSettings:
    from harness.profiler.document import PARTS, ProfileSettings, default_rounds
    from harness.profiler.flops import STAGES
    from harness.profiler.frames import parse_bytes

    if args.no_latency and args.what:
        raise UserError("--no-latency and --what exclude each other; name the parts with --what.")
    parts = ("flops", "memory") if args.no_latency else _list(args.what, "--what", names) if args.what else PARTS
    chosen = given(args, ("device", "dtype"))
    rounds = _list(args.rounds, "--rounds", positive) if args.rounds else None
    extra: dict[str, Any] = {}
    if args.text_tokens:
        extra["text_tokens"] = _list(args.text_tokens, "--text-tokens", _counts)
    return ProfileSettings(
        parts=parts,
        stages=_list(args.stages, "--stages", names) if args.stages else STAGES,
        baseline=args.baseline,
        budget=parse_bytes(args.max_frames_in) if args.max_frames_in else None,
        device=chosen.get("device"),
        dtype=chosen.get("dtype"),
        latency=default_rounds(chosen.get("device"), rounds),
        **extra,
    )


def _shapes(models: Sequence[str], changes: Sequence[str]) -> dict[str, Shape]:
    """Shapes by label: the model's name with its own changes."""
    from harness.profiler.shapes import shape_of

    everywhere = dict(_change(text) for text in changes)
    found: dict[str, Shape] = {}
    for label in models:
        preset, *own = label.split(":")
        alone = shape_of(preset, dict(_change(text) for text in own))
        fitting = {key: value for key, value in everywhere.items() if key in EVERY or alone.compression != "none"}
        found[label] = shape_of(preset, {**fitting, **alone.overrides})
    if everywhere and not any(shape.overrides for shape in found.values()):
        shape_of(models[0].partition(":")[0], everywhere)  # says why none of the models can be changed so
    return found


def _change(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise UserError(f"'{text}' is no change to a model: write KEY=VALUE, e.g. prefusion_layers=2.")
    return key, value


def _counts(text: str) -> tuple[int, ...]:
    """'43,60' -> (43, 60)."""
    return tuple(dict.fromkeys(positive(part) for part in text.split(",")))


def _list(text: str, option: str, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(f"{option} {text}: {error}.") from error
