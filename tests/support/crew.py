"""Models for replicas in processes of their own: what happens there can only be told by the model itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from harness.engine.config import RunConfig
from harness.model import Model, ReadyGroup
from harness.types import Response
from tests.support.fakes import Parrot


@dataclass(frozen=True)
class Conduct:
    """How a parrot behaves. `seconds`: of sleep a group. `fatal`: the question that kills its process."""

    seconds: float = 0.0
    fatal: str = ""
    failing: str = ""
    memory: int = 10**9
    log: str = ""


class Acting(Parrot):
    """A parrot that sleeps, dies, fails and runs out of memory as it is told, and logs (process, sample)."""

    def __init__(self, conduct: Conduct) -> None:
        super().__init__()
        self._conduct = conduct

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        conduct = self._conduct
        if sum(len(one.group.requests) for one in groups) > conduct.memory:
            raise RuntimeError("CUDA out of memory")
        for ready in groups:
            ids = [one.sample_id for one in ready.group.requests]
            if conduct.fatal in ids:
                os.kill(os.getpid(), signal.SIGKILL)
            if conduct.failing in ids:
                raise ValueError("cannot")
            time.sleep(conduct.seconds)
            for response in super().respond([ready]):
                if conduct.log:
                    with open(conduct.log, "a", encoding="utf-8") as log:
                        log.write(f"{os.getpid()} {response.sample_id}\n")
                yield response


def load(conduct: Conduct, config: RunConfig) -> Model:
    return Acting(conduct)


def acting(**conduct: object) -> Callable[[RunConfig], Model]:
    """What `evaluate(load=..)` takes."""
    return partial(load, Conduct(**conduct))  # type: ignore[arg-type]
