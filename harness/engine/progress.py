"""What the engine says while it works. The command line draws it; the engine does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class State:
    """`done` of `total` requests of a task, `missing` of them; `rate`: answers a second; `wait_share`: of the time,
    spent waiting for media, None where there are none to wait for. `unit`: what is counted."""

    task: str
    done: int
    total: int
    missing: int
    cached: int
    rate: float
    wait_share: float | None
    unit: str = "samples"


class Progress(Protocol):
    """Told about every finished request, and about anything a person should know."""

    def update(self, state: State) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Says nothing."""

    def update(self, state: State) -> None:
        return

    def note(self, text: str) -> None:
        return
