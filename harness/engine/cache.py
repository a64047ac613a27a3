"""Responses remembered across runs. The key holds everything that can change an answer, and nothing that cannot."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import MediaError, UserError
from harness.media.video import FRAME_SUFFIXES
from harness.model import ModelCard
from harness.records.journal import entry_of, outcome_of
from harness.types import Json, Media, Missing, Request, Response, Video

_TABLES = (
    "create table if not exists answers (key text primary key, entry text not null, check_sum text not null)",
    "create table if not exists digests (path blob primary key, size integer, mtime_ns integer, digest text)",
)
BUSY_SECONDS = 30.0
"""How long another run may hold the file."""
_NO_DAMAGE = frozenset(
    (
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    )
)
_RECENT_NS = 2 * 10**9
"""A file changed this lately can change again within one tick of its clock: its digest is not remembered."""


def model_parts(card: ModelCard) -> dict[str, Json]:
    """What of a model decides its answers; its name does not."""
    return {"digest": card.digest, "dtype": card.dtype, "version": card.version, "settings": dict(card.settings)}


def request_parts(
    request: Request, media: Media | None, media_digest: str | None, video_reader: str = "pyav"
) -> dict[str, Json]:
    """What of a request decides its answer; texts and media by digest, so that a journal stays small."""
    clip = [getattr(media, "start_s", None), getattr(media, "end_s", None)] if request.frames.clip_bounds else None
    return {
        "text": hashlib.sha256(request.text.encode("utf-8", "surrogatepass")).hexdigest(),
        "media": media_digest,
        "max_new_tokens": request.max_new_tokens,
        "frames": {**asdict(request.frames), "clip": clip},
        "video_reader": video_reader if isinstance(media, Video) else None,
    }


def cache_key(model: Mapping[str, Json], request: Mapping[str, Json]) -> str:
    """sha256 over the canonical JSON of both."""
    return hashlib.sha256(json.dumps([model, request], sort_keys=True).encode()).hexdigest()


class ResponseCache:
    """An SQLite file of responses by key. Missing is never remembered: what failed once may work next time.

    Each entry carries a checksum over itself and its key, so that a file that lies gives nothing. A damaged file is set
    aside (`rebuilt`) and begun anew; one that cannot be used any more (full disk, lost folder) is given up and the run
    goes on without; both are told to `note`. Raises UserError when it cannot be used from the start.
    """

    def __init__(self, folder: Path, note: Callable[[str], None] = lambda text: None) -> None:
        self._path, self._note = folder / "responses.sqlite", note
        self.rebuilt: Path | None = None
        self._database: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._database = _opened(self._path)
            except sqlite3.DatabaseError as error:
                self._rebuild(error)
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"the response cache {self._path} cannot be used ({error}). Name another folder with --cache DIR, or "
                "go without it: --no-cache."
            ) from error

    def get(self, key: str, sample_id: str) -> Response | None:
        """The response under a key, as the answer to this sample."""
        for entry, check_sum in self._rows("select entry, check_sum from answers where key = ?", key):
            if check_sum == _check_sum(key, entry):
                found = outcome_of({**json.loads(entry), "id": sample_id})
                return None if isinstance(found, Missing) else found
        return None

    def put(self, key: str, response: Response) -> None:
        entry = json.dumps(entry_of(response.sample_id, response, 0.0, False, None))
        self._rows("insert or replace into answers values (?, ?, ?)", key, entry, _check_sum(key, entry))

    def digest(self, media: Media) -> str:
        """sha256 over a medium's bytes; of files it is remembered by path, size and time. Raises MediaError."""
        if not isinstance(media.source, Path):
            return hashlib.sha256(media.source.read()).hexdigest()
        if media.source.is_dir():
            files = sorted(path for path in media.source.iterdir() if path.suffix in FRAME_SUFFIXES)
            parts = [f"{path.name} {self._file_digest(path)}" for path in files]
            parts.append(str(getattr(media, "folder_fps", None)))
            return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
        return self._file_digest(media.source)

    def _file_digest(self, path: Path) -> str:
        try:
            stat = path.stat()
            state = (os.fsencode(path.absolute()), stat.st_size, stat.st_mtime_ns)
            known = self._rows("select digest from digests where path = ? and size = ? and mtime_ns = ?", *state)
            if known:
                return str(known[0][0])
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise MediaError("file not readable", f"{path}: {error.strerror}") from error
        if time.time_ns() - stat.st_mtime_ns > _RECENT_NS:
            self._rows("insert or replace into digests values (?, ?, ?, ?)", *state, digest)
        return digest

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        """What a statement gives; nothing where the file fails."""
        if self._database is None:
            return []
        try:
            return _executed(self._database, statement, values)
        except sqlite3.DatabaseError as error:
            try:
                self._rebuild(error)
            except (OSError, sqlite3.Error) as reason:
                self._note(f"the response cache {self._path} cannot be used any more ({reason}); going on without it")
                self.close()
        return []

    def _rebuild(self, error: sqlite3.DatabaseError) -> None:
        """Raises the error again where it means no damage, but a file that others hold or that cannot be written."""
        if error.sqlite_errorcode & 0xFF in _NO_DAMAGE:
            raise error
        self.close()
        self.rebuilt = self._path.with_suffix(".damaged")
        self._path.replace(self.rebuilt)
        for suffix in ("-wal", "-shm"):  # of the old file; a new one would take them for its own
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._database = _opened(self._path)
        self._note(f"the response cache was damaged; it is begun anew, the old file is {self.rebuilt}")


class _Damaged(sqlite3.DatabaseError):
    """SQLite found a fault without raising."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")  # what is no text fails its checksum
    try:
        _executed(database, "pragma journal_mode=wal")
        _executed(database, "pragma synchronous=off")  # the journal is what must not be lost; this can be made again
        if _executed(database, "pragma quick_check(1)")[0][0] != "ok":
            raise _Damaged("quick_check failed")
        for statement in _TABLES:
            _executed(database, statement)
    except BaseException:
        database.close()
        raise
    return database


def _executed(database: sqlite3.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """All rows. Raises sqlite3.DatabaseError, also where SQLite's message quotes bytes of a file that are no text."""
    try:
        return database.execute(statement, values).fetchall()
    except UnicodeDecodeError as error:
        raise _Damaged(f"SQLite's message is no text: {error.reason}") from error


def _check_sum(key: str, entry: str) -> str:
    return hashlib.sha256(f"{key} {entry}".encode()).hexdigest()[:16]
