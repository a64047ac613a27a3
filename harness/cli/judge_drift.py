"""Whether a judge has changed: a frozen answer set is judged anew and set beside the replies it once got.

The built-in set holds the replies of the built-in rules, since nothing else was at hand; to follow an endpoint over
time, freeze a run that it has graded: run-eval judge-drift --freeze RUN --answers FILE."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.cli import DONE
from harness.cli.options import add_options, given
from harness.cli.printing import console, note, print_json, table
from harness.errors import UserError
from harness.types import Json

SETTINGS = ("judge-concurrency", "judge-prices", "max-cost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser, ("judge", *SETTINGS, "json"))
    parser.add_argument("--answers", type=Path, metavar="FILE", help="a frozen set of one's own (default: built in)")
    parser.add_argument(
        "--freeze", type=Path, metavar="RUN", help="write --answers from a graded run instead of judging"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where replies are kept, and not asked again (default: results/drift/<date>-<judge>)",
    )


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    said = given(args, ("judge", *SETTINGS))
    if args.freeze is not None:
        return _freeze(args.freeze, args.answers, said.get("judge"))
    if "judge" not in said:
        raise UserError("--judge is missing, e.g. --judge openai:gpt-4o or --judge rules.")
    from harness.endpoint.prices import load_prices
    from harness.judge.budget import Budget, price_of
    from harness.judge.load import JudgeSettings, load_judge
    from results.drift.frozen import BUILT_IN, read_frozen
    from results.drift.measure import ask_again, drift
    from results.drift.published import published

    answers = args.answers or BUILT_IN
    frozen = read_frozen(answers)
    judge = load_judge(said["judge"], JudgeSettings(said.get("judge_concurrency", JudgeSettings().concurrency)))
    budget = Budget(price_of(judge.card, load_prices(said.get("judge_prices"))), said.get("max_cost"))
    folder = args.output or Path("results/drift") / f"{datetime.now(UTC):%Y-%m-%d}-{_plain(said['judge'])}"
    folder.mkdir(parents=True, exist_ok=True)
    replies = ask_again(frozen, judge, folder / "judgements.jsonl", budget)
    document = {"answers": str(answers), **drift(frozen, judge, replies), "published": published()}
    (folder / "drift.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if budget.left_out:
        note(f"{budget.left_out:,} requests do not fit --max-cost; the same command with a larger one goes on")
    if "json" in args:
        print_json(document)
    else:
        _print(document)
    return DONE


def _freeze(run: Path, answers: Path | None, judge: str | None) -> int:
    from results.drift.frozen import freeze

    if answers is None:
        raise UserError("--freeze needs --answers FILE to write to.")
    if answers.exists():
        raise UserError(f"{answers} exists already; a frozen set is never written over. Name another file.")
    rows = list(freeze(run, judge))
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    note(f"{answers}: {len(rows):,} answers with their replies")
    return DONE


def _plain(spec: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in spec)


def _print(document: Mapping[str, Json]) -> None:
    shown = table("task", "asked for", "value", ">answers", ">then", ">now", ">offset", ">equal", ">kappa", ">unread")
    for row in document["rows"]:
        unread = row["unread"]["now"]
        if row["value"] is None:
            shown.add_row(row["task"], row["key"], "-", "0", *["-"] * 5, f"{unread:,}")
            continue
        beyond = "-" if row["kappa"] is None else f"{row['kappa']:.2f}"
        numbers = (f"{row['then']:.2f}", f"{row['now']:.2f}", f"{row['offset']:+.2f}", f"{100 * row['equal']:.0f} %")
        shown.add_row(row["task"], row["key"], row["value"], f"{row['n']:,}", *numbers, beyond, f"{unread:,}")
    print(f"then: {', '.join(document['stored'])}; now: {document['judge']}")
    console().print(shown)
    print("\nPublished: the same answers under other versions of a judge")
    past = table("judge", "benchmark", ">accuracy", ">score", "source")
    for row in document["published"]:
        past.add_row(row["judge"], row["benchmark"], row["accuracy"], row["score"] or "-", row["source"])
    console().print(past)
