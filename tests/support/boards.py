"""Finished run folders made without a model, for what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.records.folder import METRICS, RUN, RunFolder
from tasks import TASKS


def entry_of(task: str, value: float | None, sample_data: bool = False, **changes: Any) -> dict[str, Any]:
    """A task's entry of metrics.json, over the whole split and with an interval of two points each way."""
    card = TASKS.load(task).card
    entry: dict[str, Any] = {
        "headline": {
            "name": "accuracy",
            "value": value,
            "unit": "%",
            "ci95": None if value is None else [value - 2, value + 2],
        },
        "n": 24 if sample_data else card.full_size,
        "n_scored": 24 if sample_data else card.full_size,
        "missing": {},
        "bounds": None,
        "breakdown": {},
        "variants": {},
        "paper": {"value": None, "verdict": "not comparable: the paper has no value for it"},
        "data": "sample" if sample_data else "folder",
        "prompt": card.prompts[0],
    }
    if card.judges:
        entry["judge"] = {"spec": f"openai:{card.judges[0]}", "model": card.judges[0], "endpoint": None}
    return entry | changes


def finished_run(
    folder: Path,
    model: str,
    entries: Mapping[str, Mapping[str, Any]],
    costs: Mapping[str, float] | None = None,
    running: tuple[str, ...] = (),
    **settings: Any,
) -> Path:
    """A run whose metrics are these; with `running`, one of more tasks that has no metrics yet."""
    tasks = (*entries, *running)
    sample = {name: entries.get(name, {}).get("data") == "sample" for name in tasks}
    sources = {name: DataSource("folder", Path("data"), synthetic=sample[name]) for name in tasks}
    config = RunConfig(model, tasks, sources, folder, **settings).to_json()
    known = dict(costs or {})
    tokens = known.pop("vision_tokens", None)
    info = {
        "status": "running" if running else "finished",
        "config": config,
        "model": {"name": model, "digest": "0" * 64, "dtype": "float32"},
        "tasks": {
            name: {
                "data": {"source": "sample" if sample[name] else "folder"},
                "samples_sha256": "1" * 64,
                "unusable": 0,
                "vision_tokens": tokens,
                "cost": known,
            }
            for name in tasks
        },
        "environment": {"device": {"name": "cuda:0", "model": "Some GPU"}},
    }
    RunFolder(folder).path.mkdir(parents=True, exist_ok=True)
    RunFolder(folder).write(RUN, info)
    if not running:
        RunFolder(folder).write(METRICS, {"tasks": {name: dict(entry) for name, entry in entries.items()}})
    return folder
