"""How much the harness itself costs: a model that answers at once, over many samples, from folder to metrics.

    python -m benchmarks.null_model [--samples 100000]

prints one JSON document: samples a second of the whole run, and the most memory it had.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import tasks
from benchmarks.bars import bar
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.registry import Registry
from tests.support.fakes import Parrot, write_quiz


def measure(samples: int) -> dict[str, Any]:
    """Runs the quiz once in a temporary folder."""
    tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
    with tempfile.TemporaryDirectory() as folder:
        root = write_quiz(Path(folder) / "data", samples)
        config = RunConfig("parrot", ("quiz",), {"quiz": DataSource("folder", root)}, Path(folder) / "run", workers=0)
        started = time.perf_counter()
        evaluate(config, model=Parrot())
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "samples": samples,
        "seconds": round(seconds, 2),
        "samples_per_second": round(samples / seconds),
        "peak_mib": round(peak),
        "bars": [
            bar("whole run", samples / seconds, "samples/s", least=10_000),
            bar("most memory", peak, "MiB", most=1024),
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    print(json.dumps(measure(parser.parse_args().samples), indent=2))
