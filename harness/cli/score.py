"""Score answers that were made elsewhere, by the same code as those of a run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import DONE, WITHHELD
from harness.cli.options import OPTIONS, add_options, given
from harness.cli.printing import console, note, print_json, table
from harness.cli.summary import why_withheld
from harness.errors import UnknownName
from harness.types import Json, Missing, Response

if TYPE_CHECKING:
    from harness.engine.config import RunConfig
    from harness.engine.metrics import Judged
    from harness.engine.plan import TaskPlan

ELSEWHERE = "answers made elsewhere"
_SETTINGS = ("limit", "samples", "prompt", "max-missing", "seed")
_JUDGING = ("judge", "judge-concurrency", "judge-batch", "judge-prices", "max-cost", "cache", "no-cache")
_JUDGED_BY = ("judge", "judge_concurrency", "judge_batch", "judge_prices", "max_cost", "cache")
_REPLIES = """\
--judge grades answers that need one. Its replies go into a file beside the first file of answers,
ANSWERS.judgements.jsonl, or to those of the run where the answers are a run's; none is asked twice."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from results.predictions import FORMS

    parser.add_argument("--task", required=True, metavar="T", help="the benchmark, see `run-eval tasks`")
    parser.add_argument(
        "--predictions", required=True, nargs="+", type=Path, metavar="FILE", help=f"the answers: {FORMS}"
    )
    parser.add_argument(
        "--model", metavar="NAME", help="whose answers they are, for the paper's value beside the score"
    )
    add_options(parser, ("data", "data-root", "hub", *_SETTINGS, *_JUDGING, "json"))
    parser.epilog = _REPLIES


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from harness.engine.metrics import metrics_of, score_all
    from harness.engine.run import plan
    from harness.judge.load import card_of
    from harness.task import JudgedTask
    from results.matching import complaints, match
    from results.predictions import read_predictions
    from tasks import TASKS

    if args.task not in TASKS:
        raise UnknownName("task", args.task, TASKS)
    predictions = read_predictions(args.predictions, args.task)
    config = _config(args, argv)
    (one,) = plan(config)
    matched = match(predictions, one.task, one.samples)
    for line in complaints(matched):
        note(f"{one.name}: {line}")
    judged, card = None, None
    if isinstance(one.task, JudgedTask) and config.judge is not None:
        judged, card = _judged(args.predictions, one, matched.outcomes, config), card_of(config.judge)
    elif isinstance(one.task, JudgedTask):
        note(f"{one.name}: a judge grades these answers, so they have no score without --judge SPEC")
    metrics = metrics_of(one, score_all(one, matched.outcomes, judged), config, card)
    entry: dict[str, Json] = {**metrics, "predictions": matched.to_json()}
    if "withheld" in entry["headline"]:
        note(why_withheld(one.name, entry))
    if "json" in args:
        print_json({"tasks": {one.name: entry}})
    else:
        _print(one.task.card.title, entry)
    return WITHHELD if "withheld" in entry["headline"] else DONE


def _judged(
    paths: Sequence[Path], one: TaskPlan, outcomes: Mapping[str, Response | Missing], config: RunConfig
) -> Judged:
    """Has the answers graded. Raises UserError and Interrupted; replies that came are kept."""
    from harness.cli.progress import TerminalProgress
    from harness.engine.run import interruptible
    from harness.engine.session import judge_answers
    from harness.judge.load import JudgeSettings, load_judge
    from harness.records.folder import RunFolder
    from results.predictions import run_of

    assert config.judge is not None
    run, first = run_of(paths), paths[0].absolute()
    kept = first.with_name(f"{first.name}.judgements.jsonl") if run is None else RunFolder(run).judgements(one.name)
    state = kept.with_suffix(".batch.json") if config.judge_batch else None
    judge = load_judge(config.judge, JudgeSettings(config.judge_concurrency, state))
    with (
        nullcontext() if run is None else RunFolder(run).locked(),
        interruptible("the same command again"),
        TerminalProgress(config.model) as progress,
    ):
        return judge_answers(one, outcomes, kept, config, judge, progress)


def _config(args: argparse.Namespace, argv: Sequence[str]) -> RunConfig:
    """Where a run's answers are scored, its settings and data, unless others are named here."""
    from harness.cli.run import configs_of
    from harness.engine.config import RunConfig
    from harness.engine.run import alone, load_run
    from results.predictions import run_of

    said = given(args, ("data", "data-root", "hub", *_SETTINGS, *_JUDGING))
    values: dict[str, Any] = {option.name: option.default for option in OPTIONS} | {
        "model": ("llava-mini",),  # any: it only decides where data come from by default
        "tasks": (args.task,),
    }
    (config,) = configs_of(values | said, argv)
    sources = {args.task: replace(config.sources[args.task], media=False)}
    run = run_of(args.predictions)
    if run is None:
        return replace(config, model=args.model or ELSEWHERE, sources=sources)
    theirs = RunConfig.from_json(load_run(run).info["config"])
    if not {"data", "data-root", "hub"}.intersection(said) and args.task in theirs.sources:
        sources = dict(theirs.sources)
    own: dict[str, Any] = {name.replace("-", "_"): said[name] for name in _SETTINGS if name in said}
    own |= {name: getattr(config, name) for name in _JUDGED_BY}  # never the run's own: asking costs money
    return alone(replace(theirs, sources=sources, model=args.model or theirs.model, **own), args.task)


def _print(title: str, entry: Mapping[str, Json]) -> None:
    headline, n = entry["headline"], entry["n"]
    unit = " %" if headline["unit"] == "%" else ""
    rows = table(title, ">")
    rows.add_row(headline["name"], "withheld" if headline["value"] is None else f"{headline['value']:.2f}{unit}")
    if headline["ci95"] is not None:
        rows.add_row("95 % interval", "{:.2f} to {:.2f}".format(*headline["ci95"]))
    rows.add_row("samples", f"{n:,}")
    rows.add_row("missing", f"{n - entry['n_scored']:,}")
    for name, value in entry["variants"].items():
        rows.add_row(name, f"{value:.2f}")
    console().print(rows)
