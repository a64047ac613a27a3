"""Two judges of the same answers: how often they agree, beyond chance, and by how much the headline moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from harness.engine.config import RunConfig
from harness.engine.judging import judging_of
from harness.engine.plan import TaskPlan
from harness.engine.run import load_run, plan
from harness.errors import UserError
from harness.judge.calibration import agreement, kappa
from harness.judge.judgements import judges_in, read_judgements
from harness.judge.load import card_of
from harness.records.folder import RunFolder
from harness.records.journal import outcome_of
from harness.scoring.paired import paired
from harness.task import JudgedTask
from harness.types import Json, Missing, Score, Scored

TENTHS = 10


def compare_judges(path: Path, first: str, second: str, seed: int = 0) -> dict[str, Json]:
    """What `run-eval compare RUN --judges A B --json` prints; nothing is asked. Raises UserError."""
    run = load_run(path)
    config = RunConfig.from_json(run.info["config"])
    sources = {name: replace(source, media=False) for name, source in config.sources.items()}
    plans = [one for one in plan(replace(config, sources=sources)) if isinstance(one.task, JudgedTask)]
    if not plans:
        raise UserError(f"{path}: none of its tasks needs a judge ({', '.join(config.tasks)}).")
    folder = RunFolder(path)
    judged = {one.name: judges_in(folder.judgements(one.name)) for one in plans}
    for spec in (first, second):
        if not any(spec in specs for specs in judged.values()):
            known = ", ".join(dict.fromkeys(spec for specs in judged.values() for spec in specs)) or "none"
            raise UserError(
                f"{path}: has no replies of {spec} (it has those of: {known}). Ask it first: "
                f"run-eval judge {path} --judge {spec}."
            )
    both = [one for one in plans if {first, second} <= set(judged[one.name])]
    return {
        "run": str(path),
        "a": first,
        "b": second,
        "seed": seed,
        "one_only": [one.name for one in plans if one not in both],
        "tasks": {one.name: _task(one, folder, run.responses(one.name), (first, second), seed) for one in both},
    }


def _task(
    one: TaskPlan, folder: RunFolder, entries: Sequence[Mapping[str, Json]], specs: tuple[str, str], seed: int
) -> dict[str, Json]:
    judging = judging_of(one, {entry["id"]: outcome_of(entry) for entry in entries})
    sides: list[list[Scored]] = []
    for spec in specs:
        card, known = card_of(spec), read_judgements(folder.judgements(one.name), spec)
        sides.append([Scored(s, judging.responses[s.id], judging.score(s, card, known)) for s in judging.samples])
    a, b = sides
    clusters = [scored.sample.id if scored.sample.media is None else scored.sample.media.id for scored in a]
    shift = asdict(paired(one.task.headline, a, b, clusters, seed))
    kept = ("a", "b", "difference", "ci95", "detectable", "pairs", "clusters")
    return {
        "title": one.task.card.title,
        "headline": {"name": one.task.headline.name, "unit": one.task.headline.unit},
        "shift": {name: shift[name] for name in kept},
        "missing": {letter: _missing(side) for letter, side in zip("ab", sides, strict=True)},
        "grades": grades(a, b),
    }


def grades(a: Sequence[Scored], b: Sequence[Scored]) -> dict[str, Json]:
    """Agreement on each value that judges give: verdicts 0 or 1, integers, or shares in tenths.

    "near": the share that lies within one step (a verdict has none).
    """
    pairs = [
        (x.result.values, y.result.values)
        for x, y in zip(a, b, strict=True)
        if isinstance(x.result, Score) and isinstance(y.result, Score)
    ]
    found: dict[str, Json] = {}
    for name in dict.fromkeys(name for values, _ in pairs for name in values):
        both = [(x[name], y[name]) for x, y in pairs if name in x and name in y]
        values = {value for pair in both for value in pair}
        whole = all(float(value).is_integer() for value in values)
        verdict = values <= {0.0, 1.0} and name != "grade"
        step = 1.0 if whole else 1 / TENTHS
        mine, theirs = ([round(pair[side] / step) for pair in both] for side in (0, 1))
        found[name] = {
            "n": len(both),
            "equal": agreement(mine, theirs),
            "near": None if verdict else agreement(mine, theirs, within=1),
            "kappa": kappa(mine, theirs, max([1, *mine, *theirs]) + 1, "none" if verdict else "quadratic"),
            "weights": "none" if verdict else "quadratic",
            "means": [sum(values) / len(both) for values in zip(*both, strict=True)],
        }
    return found


def _missing(side: Sequence[Scored]) -> dict[str, int]:
    return dict(Counter(one.result.reason for one in side if isinstance(one.result, Missing)))


def lines_of_judges(document: Mapping[str, Json]) -> list[str]:
    """For a terminal of 100 columns."""
    lines = [f"A: {document['a']}", f"B: {document['b']}", ""]
    for name, one in document["tasks"].items():
        shift = one["shift"]
        interval = "-" if shift["ci95"] is None else "{:+.2f} to {:+.2f}".format(*shift["ci95"])
        numbers = [_number(shift[key]) for key in ("a", "b")]
        moved = "-" if shift["difference"] is None else f"{shift['difference']:+.2f}"
        lines.append(f"{name}: A {numbers[0]}, B {numbers[1]}, B - A {moved} ({interval}), {shift['pairs']:,} answers")
        for value, grade in one["grades"].items():
            near = "" if grade["near"] is None else f", within one step {100 * grade['near']:.1f} %"
            lines.append(
                f"  {value}: equal {100 * grade['equal']:.1f} %{near}, kappa {_number(grade['kappa'])}"
                f"{'' if grade['weights'] == 'none' else ' (quadratic weights)'}"
            )
        for letter, reasons in one["missing"].items():
            if reasons:
                lines.append(
                    f"  not graded by {letter.upper()}: " + ", ".join(f"{r} ({n})" for r, n in reasons.items())
                )
    lines += [f"{name}: graded by one of them only" for name in document["one_only"]]
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
