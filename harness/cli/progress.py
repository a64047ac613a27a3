"""Progress on standard error: a bar at a terminal that can draw one, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Any

from harness.cli.printing import console, note
from harness.engine.progress import State

PLAIN_SECONDS = 10.0


class TerminalProgress:
    """Draws what the engine tells. Use as a context manager, one for each model."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._last_line = time.monotonic()
        if sys.stderr.isatty() and not console(err=True).is_dumb_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}", style="bold", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[trouble]}", style="yellow"),
                console=console(err=True),
            )

    def __enter__(self) -> TerminalProgress:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, state: State) -> None:
        speed = f"{state.rate:.1f} {state.unit}/s"
        if state.wait_share is not None:
            speed += f", media wait {state.wait_share:.0%}"
        trouble = f"{state.missing} missing" if state.missing else ""
        if self._bars is not None:
            if state.task not in self._tasks:
                self._tasks[state.task] = self._bars.add_task(
                    f"{self._model} {state.task}", total=state.total, speed="", trouble=""
                )
            self._bars.update(self._tasks[state.task], completed=state.done, speed=speed, trouble=trouble)
            return
        now = time.monotonic()
        if state.done == state.total or now - self._last_line > PLAIN_SECONDS:
            self._last_line = now
            facts = (f"{state.done}/{state.total}", speed, trouble, _left(state))
            note(f"{self._model} {state.task}: {', '.join(filter(None, facts))}")

    def note(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, style="yellow", markup=False)
        else:
            note(text)


def _left(state: State) -> str:
    """The time that the rest takes at the rate so far; nothing at the end."""
    if state.done >= state.total or state.rate <= 0:
        return ""
    return f"{timedelta(seconds=round((state.total - state.done) / state.rate))} left"
