"""A run as one JSON document for `wandb.init(config=..)` and `run.summary.update(..)`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from harness.records.run import Run
from harness.types import Json


def files(run: Run) -> dict[str, str]:
    """`wandb.json`: {"name", "config", "summary"}. Raises UserError for a run that is not finished.

    Summary names are 'task/what'; what has no number is left out, since the service takes null for a number.
    """
    document = {
        "name": run.folder.resolve().name,
        "config": {**run.info["config"], "model_digest": run.info["model"]["digest"]},
        "summary": dict(_summary(run)),
    }
    return {"wandb.json": json.dumps(document, indent=2) + "\n"}


def _summary(run: Run) -> Iterator[tuple[str, Json]]:
    for task, entry in run.metrics["tasks"].items():
        headline = entry["headline"]
        low, high = headline["ci95"] or (None, None)
        numbers = {
            headline["name"]: headline["value"],
            "ci95_low": low,
            "ci95_high": high,
            "n": entry["n"],
            "n_scored": entry["n_scored"],
            **{f"variants/{name}": value for name, value in entry["variants"].items()},
            "vision_tokens": run.info["tasks"][task].get("vision_tokens"),
            "seconds": run.info.get("speeds", {}).get(task, {}).get("seconds"),
        }
        yield from ((f"{task}/{name}", value) for name, value in numbers.items() if value is not None)
        yield f"{task}/data", entry["data"]
        if "judge" in entry:
            yield f"{task}/judge", entry["judge"]["spec"]
