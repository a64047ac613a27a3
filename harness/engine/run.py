"""A run from configuration to finished folder, and its continuation after an interruption."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.engine.cache import model_parts
from harness.engine.config import RunConfig
from harness.engine.execute import TaskWork
from harness.engine.executor import Load, open_executor
from harness.engine.plan import TaskPlan, plan_tasks
from harness.engine.progress import Progress, Silent
from harness.engine.session import answer_all, card_json, judge_all, now, score_everything
from harness.errors import UnknownName, UserError
from harness.judge.contract import Judge
from harness.judge.load import JudgeSettings, load_judge
from harness.judge.prompts import NAMES as JUDGE_PROMPTS
from harness.judge.prompts import load_prompt
from harness.records.folder import METRICS, RUN, RunFolder, beside
from harness.records.redaction import redacted
from harness.records.run import Run, load_run
from harness.task import JudgedTask
from harness.types import Json

if TYPE_CHECKING:
    from harness.model import Model, ModelCard

__all__ = ["CHANGEABLE", "Interrupted", "Run", "evaluate", "judge_run", "load_run", "plan", "resume"]

CHANGEABLE = (
    *("batch_tokens", "workers", "device", "media_timeout_s", "allow_missing_files", "sharing", "cache", "command"),
    *("executor", "address", "replicas", "judge_concurrency", "judge_batch", "judge_prices", "max_cost"),
)
"""Fields of a configuration that may be others when a run is resumed: they change no answer."""


class Interrupted(KeyboardInterrupt):
    """The user or the system stopped a run; everything answered so far is on disk."""


def plan(config: RunConfig) -> list[TaskPlan]:
    """What a run would do. Raises UserError and its kinds."""
    from tasks import TASKS

    return plan_tasks([TASKS.load(name)() for name in config.tasks], config)


def alone(config: RunConfig, task: str) -> RunConfig:
    """The configuration of one task of a run, to read its samples again: no media files, no other task's quirks."""
    from tasks import TASKS

    known = TASKS.load(task).card.quirks
    source = replace(config.sources[task], media=False)
    quirks = tuple(quirk for quirk in config.quirks if quirk in known)
    return replace(config, tasks=(task,), sources={task: source}, quirks=quirks)


def evaluate(
    config: RunConfig,
    progress: Progress | None = None,
    model: Model | None = None,
    load: Load | None = None,
) -> Run:
    """Runs a configuration in a new folder. `model`: an adapter that is loaded already, for one process. `load`: makes
    the model instead of its preset, in each replica's process.

    Cheap errors come first: a look at the weights, then samples and files, then the model; the folder is made last.
    Raises UserError and its kinds, and Interrupted.
    """
    _check_reader(config)
    folder = RunFolder(config.output)
    folder.require_free()
    modalities: Sequence[str] | None = None
    if model is None and load is None:
        from models import check_model, preset_of

        check_model(config.model, config.checkpoint, config.options)
        modalities = preset_of(config.model).modalities
    elif model is not None:
        modalities = model.card.modalities
    plans = plan(config)
    if modalities is not None:
        _check_modalities(config, plans, modalities)
    works = _works(plans, folder, config)
    judge = _judge(config, plans, folder)
    with open_executor(config, model, load or _load) as executor, folder.locked():
        folder.require_free()
        info: dict[str, Json] = {
            "status": "running",
            "started": now(),
            "config": {**config.to_json(), "command": [redacted(word) for word in config.command]},
            "model": card_json(executor.card),
            "tasks": {one.name: _task_info(one, config) for one in plans},
            "environment": executor.environment,
        }
        folder.write(RUN, info)
        with interruptible(f"run-eval resume {folder.path}"):
            info = answer_all(folder, config, works, info, executor, progress or Silent())
            _finish(folder, config, plans, info, judge, progress or Silent())
    return Run(folder.path)


def resume(
    path: Path,
    progress: Progress | None = None,
    model: Model | None = None,
    retry_missing: bool = False,
    changes: Mapping[str, object] | None = None,
    load: Load | None = None,
) -> Run:
    """Finishes a run. Answers in the journal are kept; with `retry_missing`, Missing ones are asked again.

    `changes`: fields of the configuration to be others, of those in CHANGEABLE. The model is loaded only if something
    is open. Raises UserError where the data or the model is no longer that of the run, and Interrupted.
    """
    folder = RunFolder(path)
    folder.read(RUN)
    for name in changes or {}:
        if name not in CHANGEABLE:
            raise UnknownName("option that a resumed run can change", name, CHANGEABLE)
    with folder.locked(), interruptible(f"run-eval resume {folder.path}"):
        info = dict(folder.read(RUN))
        config = replace(RunConfig.from_json(info["config"]), **(changes or {}))  # type: ignore[arg-type]
        _check_reader(config)
        plans = plan(config)
        for one in plans:
            _check_same_data(one, info["tasks"][one.name], path)
        works = _works(plans, folder, config, retry_missing)
        if any(work.open or work.absent for work in works):
            with open_executor(config, model, load or _load) as executor:
                _check_same_model(executor.card, info["model"], path)
                info = answer_all(folder, config, works, info, executor, progress or Silent())
        _finish(folder, config, plans, info, _judge(config, plans, folder), progress or Silent())
    return Run(folder.path)


def judge_run(
    path: Path, spec: str, progress: Progress | None = None, changes: Mapping[str, object] | None = None
) -> Mapping[str, Json]:
    """Has a run's answers graded by a judge, whose replies so far are kept. Returns the content of its metrics file.

    The first judge of a run is the run's own and fills metrics.json; another one's numbers go beside it. `changes`: of
    the configuration's judge settings. Raises UserError and Interrupted.
    """
    folder = RunFolder(path)
    folder.read(RUN)
    with folder.locked(), interruptible(f"run-eval judge {folder.path} --judge {spec}"):
        info = dict(folder.read(RUN))
        config = replace(RunConfig.from_json(info["config"]), **(changes or {}))  # type: ignore[arg-type]
        own = config.judge
        config = replace(config, judge=spec)
        plans = plan(config)
        if not any(isinstance(one.task, JudgedTask) for one in plans):
            raise UserError(f"{path}: none of its tasks needs a judge ({', '.join(config.tasks)}).")
        for one in plans:
            _check_same_data(one, info["tasks"][one.name], path)
        judge = _judge(config, plans, folder)
        assert judge is not None
        if own is None:
            info["config"] = {**info["config"], "judge": spec}
        beside_run = own not in (None, spec)
        info = judge_all(folder, config, plans, info, judge, progress or Silent())
        score_everything(folder, config, plans, info, judge.card, beside_run)
    return dict(RunFolder(path).read(beside(METRICS, spec if beside_run else None)))


def _judge(config: RunConfig, plans: Sequence[TaskPlan], folder: RunFolder) -> Judge | None:
    """The judge of the judged tasks, if any. Raises UserError before anything is spent."""
    if config.judge is None or not any(isinstance(one.task, JudgedTask) for one in plans):
        return None
    load_prompt(JUDGE_PROMPTS[0])  # the package that holds all of them
    state = folder.path / "judge-batch.json" if config.judge_batch else None
    return load_judge(config.judge, JudgeSettings(config.judge_concurrency, state))


def _finish(
    folder: RunFolder,
    config: RunConfig,
    plans: Sequence[TaskPlan],
    info: Mapping[str, Json],
    judge: Judge | None,
    progress: Progress,
) -> None:
    if judge is not None:
        info = judge_all(folder, config, plans, info, judge, progress)
    score_everything(folder, config, plans, info, None if judge is None else judge.card)


def _works(
    plans: Sequence[TaskPlan], folder: RunFolder, config: RunConfig, retry_missing: bool = False
) -> list[TaskWork]:
    return [TaskWork(one, folder.journal(one.name), config, retry_missing) for one in plans]


def _task_info(one: TaskPlan, config: RunConfig) -> dict[str, Json]:
    source, hub = config.sources[one.name], one.task.card.hub
    data: dict[str, Json] = {"source": source.label}
    if source.kind == "hub":
        data |= {"repo": source.repo or hub.repo, "revision": source.revision or hub.revision}
    return {"data": data, **one.digests(), **one.summary()}


def _check_reader(config: RunConfig) -> None:
    if config.video_reader == "decord" and find_spec("decord") is None:
        raise UserError("--video-reader decord needs the decord package: pip install decord")


def _check_modalities(config: RunConfig, plans: Sequence[TaskPlan], modalities: Sequence[str]) -> None:
    for one in plans:
        if one.task.card.modality not in modalities:
            raise UserError(
                f"{config.model} takes {' and '.join(modalities)}, but {one.name} asks about "
                f"{one.task.card.modality}s. Leave it out of --tasks, or choose another model."
            )


def _check_same_data(one: TaskPlan, recorded: Mapping[str, Json], path: Path) -> None:
    digests = one.digests()
    changed = [name for name in digests if digests[name] != recorded[name]]
    if changed:
        what = " and ".join(name.removesuffix("_sha256") for name in changed)
        raise UserError(
            f"{one.name}: the {what} are no longer those that the run {path} began with, so answers cannot be mixed. "
            "Restore the data and this version of the harness, or start a new run."
        )


def _check_same_model(card: ModelCard, recorded: Mapping[str, Json], path: Path) -> None:
    found = json.loads(json.dumps(model_parts(card)))
    changed = [f"{part} {found[part]} instead of {recorded[part]}" for part in found if found[part] != recorded[part]]
    if changed:
        raise UserError(
            f"the model is no longer the one that {path} began with: {'; '.join(changed)}. Restore it, or start a new "
            "run."
        )


def _load(config: RunConfig) -> Model:
    from models import load_model

    model = load_model(
        config.model,
        checkpoint=config.checkpoint,
        device=config.device,
        dtype=config.dtype,
        video_reader=config.video_reader,
        options=config.options,
    )
    model.sharing = config.sharing
    if config.compiled:
        model.compile()
    return model


@contextmanager
def interruptible(command: str) -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into Interrupted, which says the command to go on with."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; everything answered is kept. Go on with: {command}") from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
