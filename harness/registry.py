"""One registry for everything that has a name: built-ins and plug-ins come in through the same door.

An entry is a string "module:attribute", imported only when asked for. Installed packages add entries through
entry-point groups (`harness.tasks`, `harness.models`), which have the same form.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from harness.errors import UnknownName, UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to lazily imported objects of one kind."""

    def __init__(self, kind: str, entries: Mapping[str, str], group: str | None = None) -> None:
        self._kind = kind
        self._entries = dict(entries)
        self._group = group

    def _all(self) -> dict[str, str]:
        found = {e.name: e.value for e in entry_points(group=self._group)} if self._group else {}
        return {**found, **self._entries}

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def load(self, name: str) -> T:
        """The object behind a name. Raises UnknownName, or UserError when the entry cannot be imported, whatever an
        installed package raises."""
        entries = self._all()
        if name not in entries:
            raise UnknownName(self._kind, name, entries)
        module, _, attribute = entries[name].partition(":")
        try:
            found: Any = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            if name in self._entries and not isinstance(error, ImportError | AttributeError):
                raise
            raise UserError(f"{self._kind} '{name}' ({entries[name]}) cannot be imported: {error}.") from error
        return cast(T, found)

    def load_all(self, note: Callable[[str], None]) -> dict[str, T]:
        """Every entry by its name. An installed package's that cannot be imported is noted and left out, so that it
        harms nobody who does not ask for it."""
        found = {}
        for name in self._all():
            try:
                found[name] = self.load(name)
            except UserError as error:
                if name in self._entries:
                    raise
                note(str(error))
        return found
