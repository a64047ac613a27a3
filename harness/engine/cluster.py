"""Replicas and decoding on a Ray cluster: `--executor ray`.

A replica is an actor with a GPU of its own, or a CPU where the cluster has no GPU. Decoding is Ray tasks of one CPU
each, anywhere in the cluster; chunks come through Ray's object store, a few ahead of the reader and no more. One CPU is
always left to them. Files are read where tasks run, so data and weights lie on a file system that all machines see.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from harness.engine.cluster_decoding import RayPool
from harness.engine.config import RunConfig
from harness.engine.crew import Died, Link
from harness.engine.executor import Load
from harness.engine.replica import Event, Parcel, serve
from harness.errors import UserError
from harness.model import Model

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class RayCluster:
    """The site of `--executor ray`. Raises UserError where Ray is not installed or no cluster answers."""

    def __init__(self, config: RunConfig, load: Load) -> None:
        self._ray, self._began = _connect(config.address)
        self._config, self._load = config, load
        self._gpus = config.device != "cpu"
        self._actor = self._ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=4)(Replica)

    def room(self) -> int:
        """Places for replicas among the machines that are there now, at most as many as wished."""
        there = self._ray.cluster_resources()
        places = int(there.get("GPU", 0)) if self._on_gpus(there) else max(1, int(there.get("CPU", 0)) - 1)
        return min(places, self._config.replicas or places)

    def start(self, place: int) -> Link:
        there = self._ray.cluster_resources()
        needs = {"num_gpus": 1, "num_cpus": 0} if self._on_gpus(there) else {"num_cpus": 1}
        workers = self._config.workers if there.get("CPU", 0) > needs["num_cpus"] else 0
        config = replace(self._config, workers=workers)
        return _Actor(self._ray, self._actor.options(**needs).remote(config, self._load))

    def _on_gpus(self, there: dict[str, float]) -> bool:
        return self._gpus and there.get("GPU", 0) >= 1

    def close(self) -> None:
        """A cluster of somebody else's goes on without us; one that was begun for this run ends."""
        if self._began:
            self._ray.shutdown()


def _connect(address: str | None) -> tuple[Any, bool]:
    """Ray, and whether it was started here."""
    if find_spec("ray") is None:
        raise UserError("--executor ray needs Ray: pip install 'llava-mini-eval[ray]', or pip install ray.")
    os.environ |= {name: os.environ.get(name, value) for name, value in QUIET.items()}
    import ray

    if ray.is_initialized():
        return ray, False
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        own: Any = {} if address else {"include_dashboard": False}
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers ({error}). Start one with `ray start`."
        ) from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)  # Ray puts its own in its place
    return ray, True


class Replica:
    """The actor: `serve` in a thread, its boxes as methods."""

    def __init__(self, config: RunConfig, load: Load) -> None:
        self._inbox: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        arguments = (config, load, _pool, self._inbox, self._outbox.put)
        threading.Thread(target=serve, args=arguments, daemon=True).start()

    def node(self) -> str:
        """Id of the machine."""
        import ray

        found: str = ray.get_runtime_context().get_node_id()
        return found

    def send(self, parcel: Parcel) -> None:
        self._inbox.put(parcel)

    def receive(self) -> list[Event]:
        """All there is to tell, at least one."""
        events = [self._outbox.get()]
        while not self._outbox.empty():
            events.append(self._outbox.get())
        return events


def _pool(model: Model, config: RunConfig) -> Any:
    return RayPool(model.preparer(), config.workers, config.media_timeout_s)


class _Actor:
    """The way to one actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor
        self._node: str | None = None

    def send(self, parcel: Parcel) -> None:
        self._actor.send.remote(parcel)

    def receive(self) -> Sequence[Event]:
        try:
            if self._node is None:
                self._node = self._ray.get(self._actor.node.remote())
            events: list[Event] = self._ray.get(self._actor.receive.remote())
        except self._ray.exceptions.RayError as error:
            text = " ".join(str(error).split())
            raise Died(text[:200], self._gone(text)) from error
        return events

    def _gone(self, text: str) -> bool:
        """Whether the machine went, not the actor alone."""
        alive = {one["NodeID"] for one in self._ray.nodes() if one["Alive"]}
        return self._node not in alive or "node has died" in text or "node died" in text

    def end(self) -> None:
        self._ray.kill(self._actor)
