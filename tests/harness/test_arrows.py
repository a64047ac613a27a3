"""The layers of the house: an import only points down (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "tasks", "models", "results")

# Ground floor first. A module may import its own row and the rows above it in this list.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("harness.types", "harness.errors", "harness.version", "harness.places"),
    ("harness.registry", "harness.records", "harness.endpoint", "harness.media", "harness.scoring"),
    ("harness.data", "harness.model"),
    ("harness.task", "harness.judge", "models", "tasks"),
    ("harness.engine", "harness.profiler", "harness.conformance", "results"),
    ("harness.cli",),
)
APART = (("tasks", "models"), ("models", "tasks"))


def _layer(module: str) -> int:
    for level, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return level
    raise LookupError(f"{module} has no place in the layers; give it one")


def _modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if name != "harness":  # the package's front door re-exports lazily from every layer
                yield name, path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("module", "path"), list(_modules()), ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_imports_point_down(module: str, path: Path) -> None:
    for imported in _imports(path):
        if imported.split(".")[0] not in PACKAGES or imported.split(".")[:2] == ["harness"]:
            continue
        assert _layer(imported) <= _layer(module), f"{module} imports {imported}, which is above it"
        own, other = module.split(".")[0], imported.split(".")[0]
        assert (own, other) not in APART, f"{module} imports {imported}: tasks and models must not know each other"
