"""Evaluate models on benchmarks."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import DONE, WITHHELD
from harness.cli.options import add_arguments as add_arguments
from harness.cli.options import settle
from harness.cli.printing import JUDGE_COLUMNS, console, judge_cells, note, print_json, table
from harness.errors import UnknownName, UserError
from harness.places import cache_home
from harness.types import Json

if TYPE_CHECKING:
    from harness.data.sources import DataSource
    from harness.engine.config import RunConfig
    from harness.engine.plan import TaskPlan
    from harness.engine.run import Run
    from models import Preset

SAMPLE_SEED = 0


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    values = settle(args)
    configs = configs_of(values, argv)
    if values["dry-run"]:
        return _dry_run(configs, values["json"])
    from harness.cli.progress import TerminalProgress
    from harness.cli.summary import document_of, print_runs
    from harness.engine.run import evaluate

    runs: dict[str, Run] = {}
    for config in configs:
        with TerminalProgress(config.model) as progress:
            runs[config.model] = evaluate(config, progress)
    if values["json"]:
        print_json(document_of(runs))
    else:
        print_runs(runs)
    return WITHHELD if any(run.withheld for run in runs.values()) else DONE


def configs_of(values: Mapping[str, Any], argv: Sequence[str] = ()) -> list[RunConfig]:
    """One configuration a model. Raises UserError and its kinds for names and combinations that do not exist."""
    from harness.engine.config import RunConfig

    models, tasks = _models(values["model"]), task_names(values["tasks"])
    if values["checkpoint"] and len(models) > 1:
        raise UserError("--checkpoint goes with one model; start a run for each.")
    base = values["output"] or Path("results/runs")
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    configs = []
    for preset in models:
        if values["output"]:
            output = base / _folder(preset.name) if len(models) > 1 else base
        else:
            output = base / f"{stamp}-{_folder(preset.name)}"
        configs.append(
            RunConfig(
                model=preset.name,
                tasks=tasks,
                sources=_sources(values, preset, tasks),
                output=output,
                prompt=values["prompt"],
                preamble=values["qa-preamble"],
                limit=values["limit"],
                samples=values["samples"],
                max_new_tokens=values["max-new-tokens"],
                max_frames=values["max-frames"],
                clip_bounds=values["clip"] == "bounds",
                quirks=values["quirk"],
                device=values["device"],
                dtype=values["dtype"],
                checkpoint=values["checkpoint"],
                options=values["model-options"],
                batch_tokens=values["batch-tokens"],
                workers=_workers(values["replicas"] or 1) if values["workers"] is None else values["workers"],
                executor=values["executor"],
                address=values["address"],
                replicas=values["replicas"],
                video_reader=values["video-reader"],
                media_timeout_s=values["media-timeout"],
                max_missing=values["max-missing"],
                allow_missing_files=values["allow-missing-files"],
                judge=values["judge"],
                judge_concurrency=values["judge-concurrency"],
                judge_batch=values["judge-batch"],
                judge_prices=values["judge-prices"],
                max_cost=values["max-cost"],
                seed=values["seed"],
                sharing=not values["no-sharing"],
                compiled=values["compile"],
                profile=values["profile"],
                cache=None if values["no-cache"] else values["cache"] or cache_home(),
                command=("run-eval", *argv),
            )
        )
    return configs


def _models(names: Sequence[str] | None) -> list[Preset]:
    from models import preset_of

    if not names:
        raise UserError("--model is missing, e.g. --model llava-mini. `run-eval models` lists them.")
    return [preset_of(name) for name in names]


def _folder(model: str) -> str:
    """A model's name as a folder's: a server's has slashes."""
    return re.sub(r"[^\w.+-]+", "-", model)


def task_names(names: Sequence[str] | None) -> tuple[str, ...]:
    """Task names with image, video and all spelt out."""
    from tasks import TASKS

    if not names:
        raise UserError("--tasks is missing, e.g. --tasks gqa,mlvu. `run-eval tasks` lists them.")
    found: list[str] = []
    for name in names:
        if name in ("image", "video", "all"):
            cards = {task: loaded.card for task, loaded in TASKS.load_all(note).items()}
            found += [task for task, card in cards.items() if card.grouped and name in ("all", card.modality)]
        elif name in TASKS:
            found.append(name)
        else:
            raise UnknownName("task", name, [*TASKS, "image", "video", "all"])
    return tuple(dict.fromkeys(found))


def _sources(values: Mapping[str, Any], preset: Preset, tasks: Sequence[str]) -> dict[str, DataSource]:
    from harness.data.sources import DataSource

    overrides = dict(_hub_override(text, tasks) for text in values["hub"])
    kind = values["data"] or ("folder" if values["data-root"] else "hub" if overrides else preset.default_data)
    if kind == "sample":
        from tasks.samples import build

        root = cache_home() / "samples"
        build(tasks, root, SAMPLE_SEED)
        return {task: DataSource("folder", root, synthetic=True) for task in tasks}
    if kind == "folder":
        if values["data-root"] is None:
            raise UserError(
                "--data folder needs --data-root DIR, the folder that holds the benchmarks' official layouts."
            )
        if not values["data-root"].is_dir():
            raise UserError(f"--data-root {values['data-root']}: there is no such folder.")
        return {task: DataSource("folder", values["data-root"].absolute()) for task in tasks}
    return {task: DataSource("hub", None, False, *overrides.get(task, (None, None))) for task in tasks}


def _hub_override(text: str, tasks: Sequence[str]) -> tuple[str, tuple[str, str | None]]:
    """'gqa=org/set@rev' -> ('gqa', ('org/set', 'rev'))."""
    task, equals, rest = text.partition("=")
    if not equals or not rest:
        raise UserError(f"--hub {text}: write TASK=REPO or TASK=REPO@REVISION.")
    if task not in tasks:
        raise UnknownName("task of --hub", task, tasks)
    repo, _, revision = rest.partition("@")
    return task, (repo, revision or None)


def _workers(replicas: int) -> int:
    """A decode process a core, but one core stays free for the model, and few suffice. Replicas share them."""
    return max(1, min(8, ((os.cpu_count() or 2) - 1) // replicas))


def _dry_run(configs: Sequence[RunConfig], as_json: bool) -> int:
    from harness.engine.run import plan

    summaries = {config.model: {one.name: _forecast(one, config) for one in plan(config)} for config in configs}
    if as_json:
        print_json(summaries)
        return DONE
    counted = ("samples", "groups", "images", "videos", "frames", "unusable", "missing files")
    rows = table("model", "task", "prompt", *(f">{name}" for name in counted))
    for model, tasks in summaries.items():
        for task, row in tasks.items():
            shown = ("?" if row[key] is None else f"{row[key]:,}" for key in counted)
            rows.add_row(model, task, row["prompt"], *shown)
    console().print(rows)
    _print_judging(summaries)
    for task, row in next(iter(summaries.values())).items():
        for path in row["first files"]:
            note(f"{task} would read {path}" + (" .." if row["files"] > 1 else ""))
    return DONE


def _forecast(one: TaskPlan, config: RunConfig) -> dict[str, Json]:
    from harness.engine.judging import forecast_unanswered
    from harness.task import JudgedTask

    judged = config.judge is not None and isinstance(one.task, JudgedTask)
    judge = {"judge": forecast_unanswered(one, config)} if judged else {}
    return {**one.summary(), "frames": one.frames(config.video_reader), **judge}


def _print_judging(summaries: Mapping[str, Mapping[str, Mapping[str, Json]]]) -> None:
    """What the judge would be asked, where there is one."""
    from harness.engine.judging import ASSUMED_TOKENS

    rows = table("model", "task", *JUDGE_COLUMNS)
    for model, tasks in summaries.items():
        for task, row in tasks.items():
            if "judge" in row:
                rows.add_row(model, task, *judge_cells(row["judge"]))
    if rows.row_count:
        console().print(rows)
        note(f"judge: an upper estimate, as if every answer took its limit, at most {ASSUMED_TOKENS} tokens")
