"""Replicas on this machine: one process each, each on a device of its own where there are several."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from harness.engine.config import RunConfig
from harness.engine.crew import Died, Link
from harness.engine.executor import AHEAD_BYTES, Load
from harness.engine.replica import Event, Parcel, serve
from harness.errors import UserError
from harness.media.workers import PreparePool
from harness.model import Model


class Processes:
    """The site of `--executor local`. Raises UserError where there are fewer devices than replicas."""

    def __init__(self, config: RunConfig, load: Load, replicas: int) -> None:
        self._config, self._load, self._replicas = config, load, replicas
        self._devices = _devices(config.device, replicas)

    def room(self) -> int:
        return self._replicas

    def start(self, place: int) -> Link:
        return _Process(replace(self._config, device=self._devices[place]), self._load, self._replicas)

    def close(self) -> None:
        """Every process is ended through its link."""


def _devices(wished: str | None, replicas: int) -> list[str | None]:
    """One for each replica: cuda:0, cuda:1, .. where the wish allows, else all the same."""
    if wished == "cpu" or (wished is None and not _gpus()):
        return [wished] * replicas
    if wished not in (None, "cuda"):
        raise UserError(
            f"--device {wished} is one device, and --replicas {replicas} need one each: leave --device out."
        )
    if _gpus() < replicas:
        raise UserError(f"--replicas {replicas}: this machine has {_gpus()} GPUs, and each replica needs its own.")
    return [f"cuda:{index}" for index in range(replicas)]


def _gpus() -> int:
    if find_spec("torch") is None:
        return 0
    import torch

    return torch.cuda.device_count()


class _Process:
    """One replica's process and its pipe."""

    def __init__(self, config: RunConfig, load: Load, sharers: int) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: Any = context.Process(target=_work, args=(theirs, config, load, sharers))
        self._process.start()
        theirs.close()

    def send(self, parcel: Parcel) -> None:
        try:
            self._pipe.send(parcel)
        except OSError:
            return  # it has died, as `receive` finds out

    def receive(self) -> Sequence[Event]:
        try:
            return [self._pipe.recv()]
        except (EOFError, OSError) as error:
            self._process.join(1)
            raise Died(_cause(self._process.exitcode)) from error

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _work(pipe: Connection[Any, Any], config: RunConfig, load: Load, sharers: int) -> None:
    """The replica's process, which ends with its employer's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // sharers)))  # read when torch is imported
    inbox: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, inbox), daemon=True).start()
    serve(config, load, _pool, inbox, pipe.send)


def _receive(pipe: Connection[Any, Any], inbox: queue.SimpleQueue[Parcel]) -> None:
    try:
        while True:
            inbox.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)  # nobody is left to answer to


def _pool(model: Model, config: RunConfig) -> PreparePool:
    return PreparePool(model.preparer(), config.workers, config.media_timeout_s, AHEAD_BYTES)
