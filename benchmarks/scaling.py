"""What more replicas of a model gain: a model that sleeps, in one process and in many, local and on Ray.

    python -m benchmarks.scaling [--groups 40] [--seconds 0.1]

prints one JSON document: the wall time from the first group handed out to the last answer, when all replicas have
loaded. Sleeping needs no core, so that sixteen replicas on two cores measure the handing out and nothing else.
`groups`: for each replica.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bars import bar
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.crew import Crew, Site
from harness.engine.plan import plan_tasks
from harness.engine.processes import Processes
from harness.types import Response
from tests.support.crew import Conduct, load
from tests.support.fakes import QUESTIONS_A_MEDIUM, Quiz, write_quiz

SAMPLES = QUESTIONS_A_MEDIUM
ALL = 16


def wall(site: Site, config: RunConfig, replicas: int) -> float:
    """Seconds in which so many loaded replicas answer everything."""
    groups = plan_tasks([Quiz()], config)[0].groups
    with Crew(site) as crew:
        crew.wait_for(replicas)
        started = time.perf_counter()
        results = [one.result for one in crew.run(groups, len(groups))]
        seconds = time.perf_counter() - started
    assert len(results) == SAMPLES * len(groups)
    assert all(isinstance(one, Response) for one in results)
    return seconds


def measure(groups: int, seconds: float, folder: Path) -> dict[str, Any]:
    """One, two and sixteen replicas, each with as many groups; then two on Ray."""
    model = partial(load, Conduct(seconds=seconds))
    document: dict[str, Any] = {"groups_each": groups, "seconds_each": seconds}

    def config(count: int, replicas: int, **fields: Any) -> RunConfig:
        root = write_quiz(folder / f"data{count}", count * SAMPLES)
        sources = {"quiz": DataSource("folder", root)}
        return RunConfig("parrot", ("quiz",), sources, folder / "run", workers=0, replicas=replicas, **fields)

    def local(count: int, replicas: int) -> float:
        one = config(count, replicas)
        return wall(Processes(one, model, replicas), one, replicas)

    alone, pair = local(2 * groups, 1), local(2 * groups, 2)
    many = local(ALL * groups, ALL)
    ray = _on_ray(2 * groups, config, model)
    efficiency = groups * seconds / many
    document |= {"wall_s": {"1": alone, "2": pair, str(ALL): many, "2 on Ray": ray}}
    return document | {
        "bars": [
            bar("2 replicas against 1", alone / pair, "times", least=1.9),
            bar("2 replicas on Ray against 1 in a process", alone / ray, "times", least=1.9),
            bar(f"efficiency of {ALL} replicas", efficiency, "", least=0.95),
        ]
    }


def _on_ray(count: int, config: Any, model: Any) -> float:
    import ray

    from harness.engine.cluster import RayCluster

    # CPUs are places here: two, and one to decode
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    try:
        one = config(count, 2, executor="ray")
        return wall(RayCluster(one, model), one, 2)
    finally:
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--groups", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(args.groups, args.seconds, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
