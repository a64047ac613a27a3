"""The result files of lmms-eval: one JSON of results, and one JSON-lines file of samples a benchmark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.engine.config import RunConfig
from harness.engine.run import plan
from harness.records.journal import outcome_of
from harness.records.run import Run
from harness.types import Json, Response

if TYPE_CHECKING:
    from harness.engine.plan import TaskPlan

FILTER = "none"
"""lmms-eval names a metric 'name,filter'; nothing is filtered here."""
_QUANTILE = 1.959964
"""Half of a 95 % interval is so many standard errors."""


def files(run: Run) -> dict[str, str]:
    """`results.json` and `samples_TASK.jsonl`. Percentages are shares of 1, as lmms-eval has them; points stay points.

    A standard error is the 95 % interval's width over 2 * 1.96. Sample texts are read anew from the run's data: raises
    NotAvailable where those are gone, and UserError for a run that is not finished.
    """
    config = RunConfig.from_json(run.info["config"])
    sources = {name: replace(source, media=False) for name, source in config.sources.items()}
    found = {"results.json": json.dumps(_results(run, config), indent=2) + "\n"}
    for one in plan(replace(config, sources=sources)):
        rows = (json.dumps(row) + "\n" for row in _samples(run, one))
        found[f"samples_{one.name}.jsonl"] = "".join(rows)
    return found


def _results(run: Run, config: RunConfig) -> dict[str, Json]:
    tasks, info = run.metrics["tasks"], run.info
    return {
        "results": {name: _numbers(name, entry) for name, entry in tasks.items()},
        "group_subtasks": {},
        "configs": {name: {"task": name, "metadata": _made_with(entry)} for name, entry in tasks.items()},
        "versions": dict.fromkeys(tasks, info["environment"]["harness"]),
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {name: {entry["headline"]["name"]: True} for name, entry in tasks.items()},
        "n-samples": {name: {"original": entry["n"], "effective": entry["n_scored"]} for name, entry in tasks.items()},
        "config": {
            "model": info["model"]["name"],
            "model_args": f"checkpoint={config.checkpoint}" if config.checkpoint else "",
            "model_dtype": info["model"]["dtype"],
            "limit": config.limit,
            "gen_kwargs": "",
            "random_seed": config.seed,
        },
        "git_hash": (info["environment"]["git"] or {}).get("commit"),
        "model_name": info["model"]["name"],
        "model_source": info["model"]["source"],
        "date": info["started"],
    }


def _numbers(name: str, entry: Mapping[str, Json]) -> dict[str, Json]:
    headline = entry["headline"]
    scale = 100 if headline["unit"] == "%" else 1
    value, ci95 = headline["value"], headline["ci95"]
    spread = "N/A" if ci95 is None or None in ci95 else (ci95[1] - ci95[0]) / (2 * _QUANTILE * scale)
    numbers: dict[str, Json] = {"alias": name}
    numbers[f"{headline['name']},{FILTER}"] = None if value is None else value / scale
    numbers[f"{headline['name']}_stderr,{FILTER}"] = spread
    for variant, number in entry["variants"].items():
        numbers[f"{variant},{FILTER}"] = None if number is None else number / scale
    return numbers


def _made_with(entry: Mapping[str, Json]) -> dict[str, Json]:
    """What a number must not be parted from."""
    names = ("data", "prompt", "prompt_note", "judge", "quirks", "missing", "paper")
    return {name: entry[name] for name in names if entry.get(name)}


def _samples(run: Run, one: TaskPlan) -> Iterator[dict[str, Json]]:
    outcomes = {entry["id"]: outcome_of(entry) for entry in run.responses(one.name)}
    requests = {request.sample_id: request for group in one.groups for request in group.requests}
    scores = {row["id"]: row for row in run.scores(one.name)}
    for index, sample in enumerate(one.samples):
        outcome, request, score = outcomes.get(sample.id), requests.get(sample.id), scores[sample.id]
        text = outcome.text if isinstance(outcome, Response) else ""
        yield {
            "doc_id": index,
            "doc": {"id": sample.id, "question": sample.question, "choices": list(sample.choices)},
            "target": sample.answer,
            "arguments": [] if request is None else [[request.text, {"max_new_tokens": request.max_new_tokens}]],
            "resps": [[text]],
            "filtered_resps": [text],
            **({"missing": score["missing"]} if "missing" in score else score["values"]),
        }
