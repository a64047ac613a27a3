"""The two ways to a benchmark's files: its official folder layout, and the hub. Sample sets are generated folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.data.hub import TableBytes, hub_rows, hub_videos
from harness.errors import NotAvailable, UserError

if TYPE_CHECKING:
    from harness.types import Json

__all__ = ["DataSource", "TableBytes", "hub_rows", "hub_videos", "load_json", "load_jsonl", "missing_files", "require"]

SHOWN = 3


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where one task's samples come from.

    `root`: of the official layouts, for kind "folder". `synthetic`: the folder was generated. `repo`, `revision`:
    another hub id (or a local folder in the hub's format) and revision than the task's own. `media`: False where
    annotations are enough, as to score answers made elsewhere.
    """

    kind: Literal["hub", "folder"]
    root: Path | None = None
    synthetic: bool = False
    repo: str | None = None
    revision: str | None = None
    media: bool = True

    @property
    def label(self) -> str:
        """ "sample", "folder" or "hub": how results name the source."""
        return "sample" if self.synthetic else self.kind


class _Card(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def folder(self) -> str: ...


def require(source: DataSource, paths: Sequence[str], card: _Card) -> Path:
    """The root of a folder source, after a look at the files a task cannot do without. Raises NotAvailable."""
    if source.root is None:
        raise NotAvailable(f"{card.name}: --data folder needs --data-root DIR, the folder that holds\n{card.folder}")
    needed = [path for path in paths if source.media or Path(path).suffix]  # media lie in folders, annotations in files
    missing = [path for path in needed if not (source.root / path).exists()]
    if missing:
        raise NotAvailable(
            f"{card.name}: {len(missing)} of {len(needed)} needed under {source.root.absolute()} are missing: "
            f"{', '.join(missing)}. The official layout is\n"
            + "".join(f"  {line}\n" for line in card.folder.splitlines())
            + f"Put it there, or point --data-root at it. What works now: run-eval --model llava-mini-tiny "
            f"--tasks {card.name} --data sample"
        )
    return source.root


def missing_files(paths: Iterable[Path]) -> list[Path]:
    """Those of the paths where nothing lies, each once, in order."""
    return [path for path in dict.fromkeys(paths) if not path.exists()]


def load_json(path: Path, each: Callable[[dict[str, Any]], Json] | None = None) -> Json:
    """A JSON file. Raises UserError with line and column of the fault.

    `each`: what becomes of every object as it is read, inner ones first, so that a big file need not be held whole.
    """
    try:
        return json.loads(_text(path), object_hook=each)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{error.lineno}:{error.colno}: not valid JSON ({error.msg}). Download it again."
        ) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise UserError(f"{path}: not readable JSON ({error}). Download it again.") from error


def load_jsonl(path: Path) -> list[Any]:
    """One JSON value a line; blank lines are nothing. Raises UserError with the line of the fault."""
    rows = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number}: not valid JSON ({error.msg}). Download the file again.") from error
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: not readable JSON ({error}). Download the file again.") from error
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotAvailable(f"{path}: file not found.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from error
