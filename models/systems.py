"""The systems that the paper compares, and how each can be run here: data, `systems.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

PUBLISHED = "published numbers only"


@dataclass(frozen=True, slots=True)
class System:
    """`name` as in the paper's tables; `how` it gets its numbers here (one of `models.WAYS`, or `PUBLISHED`) and `why`
    so; `presets` that run it."""

    name: str
    how: str
    why: str
    presets: tuple[str, ...] = ()


@lru_cache
def systems() -> Mapping[str, System]:
    """All of them, by name, in the file's order."""
    import yaml

    entries = yaml.safe_load(files(__package__).joinpath("systems.yaml").read_text(encoding="utf-8"))
    found = (System(**{**entry, "presets": tuple(entry.get("presets", ()))}) for entry in entries)
    return {system.name: system for system in found}
