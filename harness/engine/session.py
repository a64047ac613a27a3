"""One process's work on a run: what is still open is answered, then everything is scored."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.endpoint.prices import load_prices
from harness.engine.cache import ResponseCache
from harness.engine.config import RunConfig
from harness.engine.costs import cost_of
from harness.engine.execute import TaskWork
from harness.engine.executor import Executor
from harness.engine.judging import Judging, ask, judging_of
from harness.engine.metrics import Judged, metrics_of, score_all, score_row
from harness.engine.plan import TaskPlan
from harness.engine.progress import Progress
from harness.judge.budget import Budget, price_of
from harness.judge.contract import Judge, JudgeCard
from harness.judge.judgements import read_judgements
from harness.records.folder import METRICS, RUN, RunFolder, beside
from harness.records.journal import Journal, outcome_of, read_journal
from harness.records.redaction import redacted
from harness.task import JudgedTask
from harness.types import Json, Missing, Response

if TYPE_CHECKING:
    from harness.model import ModelCard


def answer_all(
    folder: RunFolder,
    config: RunConfig,
    works: Sequence[TaskWork],
    info: Mapping[str, Json],
    executor: Executor,
    progress: Progress,
) -> dict[str, Json]:
    """Answers what is open. Returns run.json's content with this session's speeds. Raises UserError, Interrupted."""
    session: dict[str, Json] = {
        "started": now(),
        "command": [redacted(word) for word in config.command],
        "environment": executor.environment,
        "batch_tokens": config.batch_tokens,
        "workers": config.workers,
        "executor": config.executor,
        "replicas": config.replicas,
    }
    sessions = [*info.get("sessions", ()), session]
    folder.write(RUN, {**info, "status": "running", "sessions": sessions})
    listener = _Noting(progress)
    with _cache(config, listener) as cache:
        session["speeds"] = {one.plan.name: _answer(one, folder, executor, cache, listener) for one in works}
    session |= {"finished": now(), "notes": listener.notes}
    return {**info, "sessions": sessions, "speeds": _together(sessions)}


def score_everything(
    folder: RunFolder,
    config: RunConfig,
    plans: Sequence[TaskPlan],
    info: Mapping[str, Json],
    judge: JudgeCard | None = None,
    beside_run: bool = False,
) -> None:
    """Writes scores.jsonl, metrics.json and, last, that the run is finished.

    `judge`: whose replies grade the judged tasks. `beside_run`: it is not the run's own judge, so its numbers go into
    files of their own.
    """
    metrics: dict[str, Json] = {}
    tasks = {name: dict(entry) for name, entry in info["tasks"].items()}
    other = judge.spec if judge is not None and beside_run else None
    for plan in plans:
        outcomes = {entry["id"]: outcome_of(entry) for entry in read_journal(folder.journal(plan.name))}
        card = judge if isinstance(plan.task, JudgedTask) else None
        judged = None
        if card is not None:
            judged = _judged(judging_of(plan, outcomes), card, folder.judgements(plan.name))
        scored = score_all(plan, outcomes, judged)
        folder.write_scores(plan.name, map(score_row, scored), other)
        metrics[plan.name] = metrics_of(plan, scored, config, card)
        responses = [one.response for one in scored if one.response is not None]
        tasks[plan.name] |= _means(responses)
        if config.profile:
            tasks[plan.name]["cost"] = cost_of(config, responses, info.get("speeds", {}).get(plan.name, {}))
    folder.write(beside(METRICS, other), {"tasks": metrics})
    folder.write(RUN, {**info, "tasks": tasks, "status": "finished", "finished": now()})


def judge_all(
    folder: RunFolder,
    config: RunConfig,
    plans: Sequence[TaskPlan],
    info: Mapping[str, Json],
    judge: Judge,
    progress: Progress,
) -> dict[str, Json]:
    """Has every answer of the judged tasks graded. Returns run.json's content with what it took.

    Raises UserError, Interrupted; replies that came are kept.
    """
    listener = _Noting(progress)
    budget = Budget(price_of(judge.card, load_prices(config.judge_prices)), config.max_cost)
    counts: dict[str, Json] = {}
    with _cache(config, listener) as cache:
        for plan in (one for one in plans if isinstance(one.task, JudgedTask)):
            outcomes = {entry["id"]: outcome_of(entry) for entry in read_journal(folder.journal(plan.name))}
            judging, path = judging_of(plan, outcomes), folder.judgements(plan.name)
            counts[plan.name] = ask(judging, judge, path, cache, budget, listener)
    session = {
        "judge": judge.card.spec,
        "finished": now(),
        "requests": counts,
        "cost_usd": None if budget.price is None else round(budget.spent, 6),
        "notes": listener.notes,
    }
    return {**info, "judging": [*info.get("judging", ()), session]}


def judge_answers(
    plan: TaskPlan,
    outcomes: Mapping[str, Response | Missing],
    path: Path,
    config: RunConfig,
    judge: Judge,
    progress: Progress,
) -> Judged:
    """Has answers of one judged task graded, wherever they were made; replies are kept in `path` and used again.

    Raises UserError, KeyboardInterrupt; replies that came are kept.
    """
    judging = judging_of(plan, outcomes)
    budget = Budget(price_of(judge.card, load_prices(config.judge_prices)), config.max_cost)
    with _cache(config, progress) as cache:
        ask(judging, judge, path, cache, budget, progress)
    return _judged(judging, judge.card, path)


def card_json(card: ModelCard) -> dict[str, Json]:
    """The model's identity for run.json."""
    return {**asdict(card), "modalities": list(card.modalities), "notes": list(card.notes)}


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _judged(judging: Judging, card: JudgeCard, path: Path) -> Judged:
    """Scores from the replies in a file."""
    return partial(judging.score, card=card, known=read_judgements(path, card.spec))


def _answer(
    work: TaskWork,
    folder: RunFolder,
    executor: Executor,
    cache: ResponseCache | None,
    progress: Progress,
) -> dict[str, Json]:
    started = time.perf_counter()
    with Journal(folder.journal(work.plan.name)) as journal:
        if journal.repaired:
            progress.note(f"{work.plan.name}: the journal ended in the middle of a line; its sample is asked again")
        work.write_off(journal)
        work.run(executor, journal, cache, progress)
        waited = executor.wait_seconds
    return _speed(work.answered, work.cached, time.perf_counter() - started, waited)


def _speed(answered: int, cached: int, seconds: float, waited: float) -> dict[str, Json]:
    return {
        "answered": answered,
        "cached": cached,
        "seconds": round(seconds, 3),
        "samples_per_second": round(answered / seconds, 3) if answered and seconds else None,
        "prefetch_wait_share": round(min(1.0, waited / seconds), 4) if seconds else 0.0,
    }


def _together(sessions: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Speeds over all sessions that came to their end; a killed one leaves none."""
    rows: dict[str, list[Mapping[str, Json]]] = {}
    for session in sessions:
        for task, row in session.get("speeds", {}).items():
            rows.setdefault(task, []).append(row)
    return {
        task: _speed(
            sum(row["answered"] for row in some),
            sum(row["cached"] for row in some),
            sum(row["seconds"] for row in some),
            sum(row["prefetch_wait_share"] * row["seconds"] for row in some),
        )
        for task, some in rows.items()
    }


class _Noting:
    """Passes everything on and remembers the notes, without secrets."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.update = progress.update
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(redacted(text))
        self._progress.note(text)


@contextmanager
def _cache(config: RunConfig, progress: Progress) -> Iterator[ResponseCache | None]:
    if config.cache is None:
        yield None
        return
    with closing(ResponseCache(config.cache, progress.note)) as cache:
        yield cache


def _means(responses: Sequence[Response]) -> dict[str, Json]:
    """Means of the counts, and how many responses carry each kind of note, without their numbers. A prompt has text, so
    a response without text tokens comes from a model that does not tell what its prompts take."""
    counted = Counter(
        "".join("#" if letter.isdigit() else letter for letter in text) for one in responses for text in one.notes
    )
    told = [one for one in responses if one.text_tokens]
    return {
        "vision_tokens": _mean([one.vision_tokens for one in told]),
        "text_tokens": _mean([one.text_tokens for one in told]),
        "output_tokens": _mean([one.output_tokens for one in responses]),
        "frames": _mean([one.frames for one in responses]),
        "notes": dict(sorted(counted.items())),
    }


def _mean(values: Sequence[int]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
