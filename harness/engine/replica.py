"""A replica of a model: it loads, takes groups as they are sent, and tells each answer. The same in a process of this
machine and in an actor of a cluster."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from harness.engine.config import RunConfig
from harness.engine.environment import environment
from harness.engine.executor import Load
from harness.engine.local import LocalExecutor
from harness.errors import UserError
from harness.media.workers import PreparePool
from harness.model import Model, ModelCard
from harness.records.redaction import redacted
from harness.types import Group, Json, Missing, Response


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    card: ModelCard
    environment: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's end. `waited`: seconds that this replica has waited for media so far."""

    sample_id: str
    result: Response | Missing
    seconds: float
    waited: float


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is left to begin. Failures may be held back, which an empty parcel sets free."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The model cannot go on, whoever runs it: the message of a UserError."""

    message: str


Event: TypeAlias = Ready | Answer | Idle | Broken
Parcel: TypeAlias = tuple[Group, ...]
OpenPool: TypeAlias = Callable[[Model, RunConfig], AbstractContextManager[PreparePool]]


def serve(
    config: RunConfig,
    load: Load,
    open_pool: OpenPool,
    inbox: queue.SimpleQueue[Parcel],
    tell: Callable[[Event], None],
) -> None:
    """Works until its process is ended. Whatever goes wrong is told."""
    try:
        model = load(config)
        tell(Ready(model.card, environment(config.device)))
        with open_pool(model, config) as pool:
            executor = LocalExecutor(model, pool, config.batch_tokens)
            feed = _Feed(inbox, lambda: tell(Idle(tuple(executor.notes))))
            while True:
                for one in executor.answer(feed.take):
                    tell(Answer(one.sample_id, one.result, one.seconds, pool.wait_seconds))
    except UserError as error:
        tell(Broken(str(error)))
    except Exception as error:  # what one process would end with, with a trace
        tell(Broken(f"a replica of {config.model} failed: {type(error).__name__}: {redacted(str(error))}"))


class _Feed:
    """Groups out of parcels, one by one."""

    def __init__(self, inbox: queue.SimpleQueue[Parcel], idle: Callable[[], None]) -> None:
        self._inbox, self._idle = inbox, idle
        self._groups: list[Group] = []

    def take(self, wait: bool) -> Group | None:
        """The next group; None where there is none now or, after waiting, where an empty parcel came."""
        if not self._groups:
            try:
                self._groups = list(reversed(self._inbox.get_nowait()))
            except queue.Empty:
                if not wait:
                    return None
                self._idle()
                self._groups = list(reversed(self._inbox.get()))
        return self._groups.pop() if self._groups else None
