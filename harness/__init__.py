"""The benchmark harness for efficient large multimodal models.

from harness import evaluate, load_model, load_run, load_task
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.engine.run import evaluate, load_run, resume
    from harness.task import Task
    from models import load_model

__all__ = ["evaluate", "load_model", "load_run", "load_task", "resume"]


def load_task(name: str) -> Task:
    """A benchmark by name. Raises UnknownName."""
    from tasks import TASKS

    return TASKS.load(name)()


def __getattr__(name: str) -> Any:
    if name in ("evaluate", "load_run", "resume"):
        import harness.engine.run

        return getattr(harness.engine.run, name)
    if name == "load_model":
        import models

        return models.load_model
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
