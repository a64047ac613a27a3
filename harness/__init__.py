"""The benchmark harness for efficient large multimodal models.

from harness import RunConfig, evaluate, load_model, load_run, load_task, resume
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.engine.config import RunConfig
    from harness.engine.run import evaluate, load_run, resume
    from harness.task import Task
    from models import load_model

__all__ = ["RunConfig", "evaluate", "load_model", "load_run", "load_task", "resume"]

_HOMES = {
    "RunConfig": "harness.engine.config",
    "evaluate": "harness.engine.run",
    "load_model": "models",
    "load_run": "harness.engine.run",
    "resume": "harness.engine.run",
}


def load_task(name: str) -> Task:
    """A benchmark by name. Raises UnknownName."""
    from tasks import TASKS

    return TASKS.load(name)()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
