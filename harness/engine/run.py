"""A run from configuration to finished folder, and its continuation after an interruption."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.engine.cache import ResponseCache
from harness.engine.config import RunConfig
from harness.engine.environment import environment
from harness.engine.execute import TaskWork
from harness.engine.metrics import metrics_of, score_all, score_row
from harness.engine.plan import TaskPlan, plan_task
from harness.engine.progress import Progress, Silent
from harness.errors import UserError
from harness.media.workers import PreparePool
from harness.records.folder import METRICS, RUN, RunFolder
from harness.records.journal import Journal, outcome_of, read_journal
from harness.types import Json

if TYPE_CHECKING:
    from harness.model import Model

AHEAD_BYTES = 64 * 2**20


class Interrupted(KeyboardInterrupt):
    """The user or the system stopped a run; everything answered so far is on disk."""


@dataclass(frozen=True)
class Run:
    """A run folder, readable as plain data."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Json]:
        """`run.json`."""
        return dict(RunFolder(self.folder).read(RUN))

    @cached_property
    def metrics(self) -> dict[str, Json]:
        """`metrics.json`."""
        return dict(RunFolder(self.folder).read(METRICS))

    @property
    def withheld(self) -> bool:
        """Whether a task has no headline because too much is missing."""
        return any("withheld" in entry["headline"] for entry in self.metrics["tasks"].values())

    def scores(self, task: str) -> Iterator[dict[str, Json]]:
        """Rows of `scores.jsonl`, in sample order."""
        return RunFolder(self.folder).read_scores(task)

    def responses(self, task: str) -> Iterator[dict[str, Json]]:
        """Journal entries, in the order they were finished."""
        return read_journal(RunFolder(self.folder).journal(task))


def plan(config: RunConfig) -> list[TaskPlan]:
    """What a run would do. Raises UserError and its kinds."""
    from tasks import TASKS

    return [plan_task(TASKS.load(name)(), config) for name in config.tasks]


def evaluate(config: RunConfig, progress: Progress | None = None, model: Model | None = None) -> Run:
    """Runs a configuration in a new folder. `model`: an adapter that is loaded already.

    Cheap errors come first: a look at the weights, then the samples, then the model; the folder is made last.
    Raises UserError and its kinds, and Interrupted.
    """
    progress = progress or Silent()
    if config.video_reader == "decord" and find_spec("decord") is None:
        raise UserError("--video-reader decord needs the decord package: pip install decord")
    folder = RunFolder(config.output)
    if folder.exists:
        folder.create(())
    if model is None:
        from models import check_model

        check_model(config.model, config.checkpoint)
    plans = plan(config)
    model = model or _load(config)
    with folder.locked():
        folder.create(config.tasks)
        started = {
            "status": "running",
            "started": _now(),
            "config": config.to_json(),
            "model": _card(model),
            "tasks": {one.name: {"digest": one.digest(), **one.summary()} for one in plans},
            "environment": environment(config.device),
        }
        folder.write(RUN, started)
        return _work(folder, config, plans, started, model, progress)


def resume(
    path: Path, progress: Progress | None = None, model: Model | None = None, retry_missing: bool = False
) -> Run:
    """Finishes a run. Answers in the journal are kept; with `retry_missing`, Missing ones are asked again.

    Raises UserError where the data or the model is no longer that of the run, and Interrupted.
    """
    progress = progress or Silent()
    folder = RunFolder(path)
    config = RunConfig.from_json(folder.read(RUN)["config"])
    with folder.locked():
        info = dict(folder.read(RUN))
        plans = plan(config)
        for one in plans:
            if one.digest() != info["tasks"][one.name]["digest"]:
                raise UserError(
                    f"{one.name}: samples or prompts are no longer those the run {path} began with, so their answers "
                    "cannot be mixed. Restore the data and this version of the harness, or start a new run."
                )
        return _work(folder, config, plans, info, model, progress, retry_missing)


def load_run(path: Path | str) -> Run:
    """A run folder. Raises UserError when it is none."""
    run = Run(Path(path))
    _ = run.info
    return run


def _work(
    folder: RunFolder,
    config: RunConfig,
    plans: Sequence[TaskPlan],
    info: dict[str, Json],
    model: Model | None,
    progress: Progress,
    retry_missing: bool = False,
) -> Run:
    """Answers what is open, then scores everything. The model is loaded only if something is open."""
    works = [TaskWork(one, folder.journal(one.name), retry_missing) for one in plans]
    speeds: dict[str, Json] = dict(info.get("speeds", {}))
    if any(work.open for work in works):
        model = model or _load(config)
        if _card(model) != info["model"]:
            raise UserError(
                f"the model is no longer the one that {folder.path} began with (weights, dtype or version differ). "
                "Restore it, or start a new run."
            )
        with _interruptible(folder.path), _cache(config, progress) as cache:
            for work in works:
                speeds[work.plan.name] = _answer(work, folder, config, model, cache, progress)
    finished = {**info, "status": "finished", "finished": _now(), "speeds": speeds}
    metrics: dict[str, Json] = {}
    for work in works:
        outcomes = {entry["id"]: outcome_of(entry) for entry in read_journal(folder.journal(work.plan.name))}
        scored = score_all(work.plan, outcomes)
        folder.write_scores(work.plan.name, map(score_row, scored))
        metrics[work.plan.name] = metrics_of(work.plan.task, scored, config, work.plan.prompt)
        responses = [one.response for one in scored if one.response is not None]
        finished["tasks"][work.plan.name] |= {
            "vision_tokens": _mean([one.vision_tokens for one in responses]),
            "text_tokens": _mean([one.text_tokens for one in responses]),
            "output_tokens": _mean([one.output_tokens for one in responses]),
            "frames": _mean([one.frames for one in responses]),
            "notes": _notes(responses),
        }
    folder.write(METRICS, {"tasks": metrics})
    folder.write(RUN, finished)
    return Run(folder.path)


def _answer(
    work: TaskWork,
    folder: RunFolder,
    config: RunConfig,
    model: Model,
    cache: ResponseCache | None,
    progress: Progress,
) -> dict[str, Json]:
    started = time.perf_counter()
    with (
        Journal(folder.journal(work.plan.name)) as journal,
        PreparePool(model.preparer(), config.workers, config.media_timeout_s, AHEAD_BYTES) as pool,
    ):
        if work.repaired:
            progress.note(f"{work.plan.name}: the journal ended in the middle of a line; its sample is asked again")
        work.run(model, pool, journal, cache, config, progress)
        waited = pool.wait_seconds
    seconds = time.perf_counter() - started
    return {
        "answered": work.answered,
        "cached": work.cached,
        "seconds": round(seconds, 3),
        "samples_per_second": round(work.answered / seconds, 3) if work.answered else None,
        "prefetch_wait_share": round(min(1.0, waited / seconds), 4),
    }


def _load(config: RunConfig) -> Model:
    from models import load_model

    return load_model(
        config.model,
        checkpoint=config.checkpoint,
        device=config.device,
        dtype=config.dtype,
        video_reader=config.video_reader,
    )


@contextmanager
def _cache(config: RunConfig, progress: Progress) -> Iterator[ResponseCache | None]:
    if config.cache is None:
        yield None
        return
    with closing(ResponseCache(config.cache, progress.note)) as cache:
        yield cache


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into Interrupted, which says how to go on."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; everything answered is kept. Go on with: run-eval resume {folder}") from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _card(model: Model) -> dict[str, Json]:
    card = model.card
    return {
        "name": card.name,
        "digest": card.digest,
        "dtype": card.dtype,
        "version": card.version,
        "modalities": list(card.modalities),
        "settings": dict(card.settings),
        "source": card.source,
        "notes": list(card.notes),
    }


def _mean(values: Sequence[int]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def _notes(responses: Sequence[object]) -> Mapping[str, int]:
    """How many responses carry each kind of note, without their numbers."""
    counted: dict[str, int] = {}
    for response in responses:
        for text in getattr(response, "notes", ()):
            kind = "".join("#" if letter.isdigit() else letter for letter in text)
            counted[kind] = counted.get(kind, 0) + 1
    return counted


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
