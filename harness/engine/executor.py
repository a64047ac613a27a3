"""What answers a run's groups: one model in this process, or replicas in other processes or on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from harness.engine.config import RunConfig
from harness.engine.environment import environment
from harness.engine.local import LocalExecutor, Outcome
from harness.errors import UserError
from harness.media.workers import PreparePool
from harness.model import Model, ModelCard
from harness.types import Group, Json

AHEAD_BYTES = 64 * 2**20
"""What a decoding process may have ready of one medium before it waits."""

Load: TypeAlias = Callable[[RunConfig], Model]
"""Makes a replica's model where the replica runs; a function of a module, so that it can be sent there."""


class Executor(Protocol):
    """Answers groups in any order; the journal is the caller's. Used as a context, which frees all that it holds.

    `card`: of the model. `environment`: where it runs. `wait_seconds`: how long it has waited for media in this `run`,
    the mean over replicas. `notes`: what a person should know about the calls of this `run`.
    """

    @property
    def card(self) -> ModelCard: ...

    @property
    def environment(self) -> dict[str, Json]: ...

    @property
    def wait_seconds(self) -> float: ...

    @property
    def notes(self) -> list[str]: ...

    def order(self, groups: Sequence[Group]) -> list[Group]:
        """The order in which groups are best begun."""

    def run(self, groups: Iterable[Group], most: int) -> Iterator[Outcome]:
        """Outcomes of every request of every group, as they come; there are at most `most` groups.

        Raises UserError when the model fails on everything.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class InProcess:
    """One model in this process, with decoding processes beside it while it answers."""

    def __init__(self, model: Model, config: RunConfig) -> None:
        self.card, self.environment = model.card, environment(config.device)
        self.notes: list[str] = []
        self.wait_seconds = 0.0
        self._model, self._config = model, config

    def order(self, groups: Sequence[Group]) -> list[Group]:
        """Those that need most memory first."""
        return sorted(groups, key=lambda one: -self._model.cost_tokens(one) / len(one.requests))

    def run(self, groups: Iterable[Group], most: int) -> Iterator[Outcome]:
        self.notes, self.wait_seconds = [], 0.0
        workers = self._config.workers if most else 0
        with PreparePool(self._model.preparer(), workers, self._config.media_timeout_s, AHEAD_BYTES) as pool:
            executor = LocalExecutor(self._model, pool, self._config.batch_tokens)
            for outcome in executor.run(groups):
                self.wait_seconds = pool.wait_seconds
                yield outcome
            self.notes = executor.notes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The model stays with whoever loaded it."""


def open_executor(config: RunConfig, model: Model | None, load: Load) -> Executor:
    """What a configuration asks for. `model`: one that is loaded already, which only one process can use.

    Raises UserError and its kinds.
    """
    if config.executor == "local" and (config.replicas or 1) == 1:
        return InProcess(model or load(config), config)
    if model is not None:
        raise UserError("a model that is loaded already cannot be sent to replicas: pass `load`, or one replica.")
    from harness.engine.crew import Crew, Site

    site: Site
    if config.executor == "ray":
        from harness.engine.cluster import RayCluster

        site = RayCluster(config, load)
    else:
        from harness.engine.processes import Processes

        site = Processes(config, load, config.replicas or 1)
    return Crew(site)
