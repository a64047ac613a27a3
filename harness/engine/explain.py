"""Why two runs do or do not share cached responses: the parts of their keys that differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.engine.run import Run, load_run
from harness.types import Json

SHOWN = 5


def explain(first: Path, second: Path) -> dict[str, Json]:
    """Differences in the model's part of the key, and per task how many common samples differ in which part.

    {"model": {part: [a, b]}, "tasks": {task: {"common", "same", "differ": {part: n}, "examples": {id: {part: ..}}}}}.
    A medium's digest is only known where a run used the cache.
    """
    a, b = load_run(first), load_run(second)
    common = [task for task in a.info["config"]["tasks"] if task in b.info["config"]["tasks"]]
    parts = ("digest", "dtype", "version", "settings")
    return {
        "model": _differences(*({part: run.info["model"][part] for part in parts} for run in (a, b))),
        "tasks": {task: _task(a, b, task) for task in common},
    }


def _task(a: Run, b: Run, task: str) -> dict[str, Json]:
    keys = [{entry["id"]: entry["key"] for entry in run.responses(task) if entry["key"]} for run in (a, b)]
    common = [name for name in keys[0] if name in keys[1]]
    counted: dict[str, int] = {}
    examples: dict[str, Json] = {}
    for name in common:
        found = _differences(keys[0][name], keys[1][name])
        for part in found:
            counted[part] = counted.get(part, 0) + 1
        if found and len(examples) < SHOWN:
            examples[name] = found
    same = sum(keys[0][name] == keys[1][name] for name in common)
    return {"common": len(common), "same": same, "differ": counted, "examples": examples}


def _differences(a: Mapping[str, Json], b: Mapping[str, Json]) -> dict[str, Json]:
    return {part: [a.get(part), b.get(part)] for part in sorted({*a, *b}) if a.get(part) != b.get(part)}
