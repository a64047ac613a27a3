"""From scored samples to the numbers of `metrics.json`. Pure: the same scores give the same bytes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from harness.engine.config import RunConfig
from harness.engine.plan import TaskPlan
from harness.engine.verdict import verdict
from harness.judge.contract import JudgeCard
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.task import NOT_JUDGED, Task
from harness.types import Json, Missing, Response, Sample, Score, Scored

Judged: TypeAlias = Callable[[Sample], Score | Missing]
"""The score of a sample's answer from a judge's replies."""


def score_all(plan: TaskPlan, outcomes: Mapping[str, Response | Missing], judged: Judged | None = None) -> list[Scored]:
    """Every sample of a plan with its result, in sample order. A sample without outcome is Missing('not answered').

    `judged`: where scores come from if a judge has graded the answers.
    """
    scored = []
    for sample in plan.samples:
        outcome = plan.unusable.get(sample.id) or outcomes.get(sample.id, Missing("not answered"))
        if isinstance(outcome, Missing):
            scored.append(Scored(sample, None, outcome))
        else:
            scored.append(Scored(sample, outcome, _score(plan.task, sample, outcome, judged)))
    return scored


def _score(task: Task, sample: Sample, response: Response, judged: Judged | None) -> Score | Missing:
    """The task's score. A scorer that fails, against its contract, costs its sample and not the run."""
    try:
        score = task.score(sample, response) if judged is None else judged(sample)
        if isinstance(score, Missing):
            return score
        json.dumps([dict(score.values), dict(score.detail)], allow_nan=False)
    except Exception as error:
        return Missing(f"scorer error: {type(error).__name__}", str(error))
    return score


def score_row(scored: Scored) -> dict[str, Json]:
    """A line of `scores.jsonl`: free of timings and of anything that an interruption could change.

    `cluster`: the medium; samples of one are not independent.
    """
    head = {"id": scored.sample.id, "cluster": _cluster(scored.sample)}
    if isinstance(scored.result, Missing):
        return {**head, "missing": scored.result.reason}
    return {**head, "values": dict(scored.result.values), "detail": dict(scored.result.detail)}


def metrics_of(
    plan: TaskPlan, scored: Sequence[Scored], config: RunConfig, judge: JudgeCard | None = None
) -> dict[str, Json]:
    """One task's entry of `metrics.json`. `judge`: who graded the answers of a judged task."""
    task, source = plan.task, config.sources[plan.name]
    headline = task.headline
    answered = [one for one in scored if isinstance(one.result, Score)]
    missing = Counter(one.result.reason for one in scored if isinstance(one.result, Missing))
    share = missing.total() / len(scored) if scored else 0.0
    withheld = share > config.max_missing or not answered
    clusters = [_cluster(one.sample) for one in scored]
    value = None if withheld else point(headline, scored)
    ci95 = None if withheld else clustered_bootstrap(headline, scored, clusters, config.seed)
    return {
        "headline": {
            "name": headline.name,
            "value": _number(value),
            "unit": headline.unit,
            "ci95": None if ci95 is None else [_number(end) for end in ci95],
            **({"withheld": _why(share, config.max_missing)} if withheld else {}),
            **({"awaits_judge": True} if NOT_JUDGED in missing else {}),
        },
        "n": len(scored),
        "n_scored": len(answered),
        "missing": dict(sorted(missing.items())),
        "bounds": None if (ends := worst_and_best(headline, scored)) is None else [_number(end) for end in ends],
        "breakdown": _clean(task.breakdown(scored)) if answered else {},
        "variants": _clean(task.variants(scored)) if answered else {},
        "paper": {
            "value": None if source.synthetic else task.card.paper.get(config.model),
            "verdict": verdict(task.card, config, plan, value, ci95, judge),
        },
        **({} if judge is None else {"judge": {"spec": judge.spec, "model": judge.model, "endpoint": judge.endpoint}}),
        "data": source.label,
        "prompt": plan.prompt,
        **({"prompt_note": note} if (note := task.prompt_note(plan.prompt)) else {}),
        **({"quirks": quirks} if (quirks := [name for name in config.quirks if name in task.card.quirks]) else {}),
    }


def _cluster(sample: Sample) -> str:
    return sample.media.id if sample.media is not None else f"text:{sample.id}"


def _why(share: float, limit: float) -> str:
    return f"{share:.1%} of the samples are missing, more than --max-missing {limit:.1%}"


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _clean(value: Json) -> Json:
    """JSON has no NaN; a number that does not exist is null."""
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, float):
        return value
    return value if math.isfinite(value) else None
