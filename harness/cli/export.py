"""Write a run's answers as the file that a benchmark's server takes, or a run as files that other tools take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli import DONE
from harness.cli.options import add_options
from harness.cli.printing import note, print_json
from harness.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--task", metavar="T", help="a benchmark of the run: its upload")
    parser.add_argument(
        "--format", metavar="NAME", help="instead of an upload, all of the run: lmms-eval, hf-card or wandb-json"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="the file to write (default: upload.* in the run's folder of T);\n"
        "with --format the folder (default: export-NAME in the run's folder)",
    )
    parser.add_argument(
        "--form", metavar="NAME", help="llava: LLaVA's answers.jsonl\n(default: what the benchmark's server takes)"
    )
    add_options(parser, ("json",))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if (args.task is None) == (args.format is None):
        raise UserError("name either --task T, for a benchmark's upload, or --format NAME, for all of the run.")
    return _share(args) if args.task is None else _upload(args)


def _share(args: argparse.Namespace) -> int:
    from harness.engine.run import load_run
    from results.export.make import write
    from results.share import SHARED

    if args.form is not None:
        raise UserError("--form belongs to --task: an upload has a form, a whole run a --format.")
    run = load_run(args.run)
    made = SHARED.load(args.format)(run)
    folder = args.output or run.folder / f"export-{args.format}"
    paths = [str(folder / name) for name in made]
    for path, text in zip(paths, made.values(), strict=True):
        if not write(text.encode("utf-8", "replace"), Path(path)):
            note(f"{path} was there already")
    if any(source["synthetic"] for source in run.info["config"]["sources"].values()):
        note("numbers on sample data are in it: they say that the harness works, and compare with nothing published")
    if "json" in args:
        print_json({"files": paths})
    else:
        print("\n".join(paths))
    return DONE


def _upload(args: argparse.Namespace) -> int:
    from harness.engine.config import RunConfig
    from harness.engine.run import load_run
    from results.export.make import form_of, make, write

    run = load_run(args.run)
    form = form_of(args.task, args.form)
    upload = make(run, args.task, form)
    path = args.output or run.folder / args.task / f"upload{form.suffix}"
    there = "" if write(upload.content, path) else " (the file was there already)"
    note(f"{args.task}: {upload.questions:,} records for {form.receiver}{there}")
    if RunConfig.from_json(run.info["config"]).sources[args.task].synthetic:
        note(f"{args.task}: sample data, whose questions no server knows; for trying the form out")
    if upload.unanswered:
        note(f"{args.task}: {upload.unanswered:,} of them have no answer in the run and are sent as {form.empty!r}")
    if upload.left_out:
        note(f"{args.task}: {upload.left_out:,} answers of the run belong to no record and are left out")
    if "json" in args:
        counts = {"records": upload.questions, "unanswered": upload.unanswered, "left_out": upload.left_out}
        print_json({"file": str(path), "receiver": form.receiver, **counts})
    else:
        print(path)
    return DONE
