"""The comparison of two runs as one JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from harness.engine.run import Run, load_run
from harness.errors import UserError
from harness.scoring.paired import RESAMPLES, holm, paired
from harness.scoring.statistics import Statistic
from harness.types import Json, Missing, Scored
from results.compare.side import Side, read_side, worth
from results.compare.terms import differences


def compare(first: Path, second: Path, force: bool = False, seed: int = 0) -> dict[str, Json]:
    """B against A over the tasks that both have: what `run-eval compare A B --json` prints.

    Raises UserError where more than the model differs, naming all of it; with `force` that stands under "ignored".
    """
    a, b = load_run(first), load_run(second)
    common = [task for task in a.metrics["tasks"] if task in b.metrics["tasks"]]
    if not common:
        mine, theirs = (", ".join(run.metrics["tasks"]) for run in (a, b))
        raise UserError(f"nothing to compare: {first} has {mine}, {second} has {theirs}.")
    sides = {task: (read_side(a, task), read_side(b, task)) for task in common}
    found = {task: differences(*pair) for task, pair in sides.items()}
    ignored = {task: lines for task, lines in found.items() if lines}
    if ignored and not force:
        listed = "".join(f"\n  {task}: {line}" for task, lines in ignored.items() for line in lines)
        raise UserError(
            f"{first} and {second} differ in more than the model, so no difference would be the model's alone:{listed}"
            "\nMake one run again under the other's settings, or go on in spite of it with --force."
        )
    tasks = {task: _task(*pair, seed) for task, pair in sides.items()}
    for one, p in zip(tasks.values(), holm([one["p"] for one in tasks.values()]), strict=True):
        one["p_holm"] = p
    return {
        "a": _identity(a),
        "b": _identity(b),
        "seed": seed,
        "resamples": RESAMPLES,
        "ignored": ignored,
        "only_a": [task for task in a.metrics["tasks"] if task not in common],
        "only_b": [task for task in b.metrics["tasks"] if task not in common],
        "tasks": tasks,
    }


def _identity(run: Run) -> dict[str, Json]:
    model = run.info.get("model", {})
    return {
        "run": str(run.folder),
        "model": run.info["config"]["model"],
        "digest": model.get("digest"),
        "dtype": model.get("dtype"),
    }


def _task(a: Side, b: Side, seed: int) -> dict[str, Json]:
    headline = a.task.headline
    names = [name for name in a.scored if name in b.scored]
    pairs = [(a.scored[name], b.scored[name]) for name in names]
    clusters = [a.clusters[name] for name in names]
    found = paired(headline, [one for one, _ in pairs], [one for _, one in pairs], clusters, seed)
    flips = list(_flips(a, b, headline, names))
    missing = [[isinstance(one.result, Missing) for one in pair] for pair in pairs]
    return {
        "title": a.task.card.title,
        "headline": {"name": headline.name, "unit": headline.unit},
        **asdict(found),
        "p_holm": None,
        "missing": {
            "a": sum(one for one, _ in missing),
            "b": sum(one for _, one in missing),
            "either": sum(one or other for one, other in missing),
        },
        "withheld": {"a": a.entry["headline"].get("withheld"), "b": b.entry["headline"].get("withheld")},
        "unpaired": {"a": len(a.scored) - len(names), "b": len(b.scored) - len(names)},
        "flipped": {change: [one for one in flips if one["change"] == change] for change in _CHANGES},
    }


_CHANGES = ("right to wrong", "wrong to right", "worse", "better")


def _flips(a: Side, b: Side, headline: Statistic, names: Sequence[str]) -> Iterator[dict[str, Json]]:
    """Samples of the headline that B scores otherwise than A, in sample order."""
    for name in names:
        one, other = a.scored[name], b.scored[name]
        if isinstance(one.result, Missing) or isinstance(other.result, Missing):
            continue
        before, after = worth(headline, one), worth(headline, other)
        if before is None or after is None or before == after:
            continue
        whole = {before, after} == {0.0, 1.0}
        yield {
            "id": name,
            "change": _CHANGES[2 * (not whole) + (after > before)],
            "prompt": _plain(a.prompts.get(name, "")),
            "reference": _plain(one.sample.answer),
            "a": {"text": _text(one), "value": before},
            "b": {"text": _text(other), "value": after},
        }


def _text(scored: Scored) -> str:
    return "" if scored.response is None else _plain(scored.response.text)


def _plain(text: str) -> str:
    """What UTF-8 cannot hold, as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
