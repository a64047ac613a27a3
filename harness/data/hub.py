"""Benchmarks on the Hugging Face hub, through `datasets` and `huggingface_hub`. Media stay encoded until a worker
reads them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.data.archives import unpack
from harness.errors import MediaError, NotAvailable
from harness.places import cache_home

if TYPE_CHECKING:
    from datasets import Dataset

ARCHIVES = ("*.zip", "*.tar", "*.tar.gz", "*.tgz")


class _HubDataset(Protocol):
    @property
    def repo(self) -> str: ...

    @property
    def split(self) -> str: ...

    @property
    def revision(self) -> str: ...


class _Source(Protocol):
    @property
    def repo(self) -> str | None: ...

    @property
    def revision(self) -> str | None: ...


def hub_rows(dataset: _HubDataset, config: str | None, source: _Source) -> Dataset:
    """One configuration's split, memory-mapped, with images and videos left encoded. Raises NotAvailable.

    `source.repo` may be a local folder in the hub's format.
    """
    import datasets

    repo, revision = source.repo or dataset.repo, source.revision or dataset.revision
    local = Path(repo).expanduser().is_dir()
    try:
        with _quiet():
            rows = datasets.load_dataset(
                str(Path(repo).expanduser()) if local else repo,
                config,
                split=dataset.split,
                revision=None if local else revision,
                cache_dir=_cache_of(Path(repo).expanduser()) if local else None,
            )
    except Exception as error:  # the hub's clients raise a dozen kinds, with one remedy
        raise _unreachable(repo, revision, error) from error
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image | datasets.Video):
            rows = rows.cast_column(name, type(feature)(decode=False))
    return rows


def _cache_of(folder: Path) -> str:
    """A cache of its own for each state of a local folder: `datasets` keys local folders by name alone."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    state = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256(f"{folder.resolve()} {state}".encode()).hexdigest()[:16]
    return str(cache_home() / "tables" / key)


@dataclass(frozen=True, slots=True, init=False)
class TableBytes:
    """The encoded bytes of one row's medium, read when asked for. Small: it carries file names, not bytes.

    Where a row lists several pictures, it is the middle one: the frame that LLaVA shows of a video as one picture.
    """

    files: tuple[str, ...]
    row: int
    column: str
    held: bytes | None

    def __init__(self, rows: Dataset, row: int, column: str = "image") -> None:
        files = tuple(entry["filename"] for entry in rows.cache_files)
        object.__setattr__(self, "files", files)
        object.__setattr__(self, "row", row)
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "held", None if files else _bytes_at(rows, row, column, f"row {row}"))

    def read(self) -> bytes:
        """Raises MediaError when the row holds no bytes."""
        return self.held if self.held is not None else _bytes_at(_opened(self.files), self.row, self.column, str(self))

    def __str__(self) -> str:
        return f"{Path(self.files[0]).name if self.files else 'table'} row {self.row}"


@lru_cache(maxsize=4)
def _opened(files: tuple[str, ...]) -> Dataset:
    """Arrow files as one memory-mapped table, opened once in each process."""
    import datasets

    return datasets.concatenate_datasets([datasets.Dataset.from_file(name) for name in files])


def _bytes_at(table: Dataset, row: int, column: str, where: str) -> bytes:
    """In Arrow's own format, which decodes nothing."""
    cell: Any = table.with_format("arrow")[row][column][0].as_py()
    if isinstance(cell, list):
        cell = cell[(len(cell) - 1) // 2] if cell else None
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise MediaError("no bytes in table", where)
    return content


def hub_videos(dataset: _HubDataset, source: _Source) -> Path:
    """The folder with a dataset's videos: its archives downloaded and unpacked, once. Raises NotAvailable.

    A local folder that holds no archives is taken as it is.
    """
    repo, revision = source.repo or dataset.repo, source.revision or dataset.revision
    folder = Path(repo).expanduser()
    if not folder.is_dir():
        try:
            folder = snapshot(repo, "dataset", ARCHIVES, revision)
        except Exception as error:
            raise _unreachable(repo, revision, error) from error
    archives = sorted(path for pattern in ARCHIVES for path in folder.rglob(pattern))
    if not archives:
        return folder
    key = hashlib.sha256(f"{folder.resolve()}@{revision}".encode()).hexdigest()[:16]
    target = cache_home() / "videos" / key
    for archive in archives:
        unpack(archive, target)
    return target


def snapshot(repo: str, kind: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """The local copy of a hub repository's files that match. `kind`: model or dataset. Raises the client's errors."""
    from huggingface_hub import snapshot_download

    with _quiet():
        return Path(snapshot_download(repo, repo_type=kind, revision=revision, allow_patterns=list(patterns)))


@contextmanager
def _quiet() -> Iterator[None]:
    """The hub client announces each retry; what a person needs is the one message at the end."""
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "datasets")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _unreachable(repo: str, revision: str, error: Exception) -> NotAvailable:
    return NotAvailable(
        f"dataset {repo} (revision {revision}) cannot be read: {type(error).__name__}: "
        f"{str(error).splitlines()[0][:200]}. "
        "With a network, `run-eval` downloads it. Without one: copy the repository and pass --hub TASK=FOLDER, "
        "or put the "
        "benchmark's official files under --data-root DIR (`run-eval tasks TASK` shows the layout). What works now: "
        "run-eval --model llava-mini-tiny --tasks gqa,mlvu --data sample"
    )
