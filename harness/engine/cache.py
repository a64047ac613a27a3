"""Responses remembered across runs. The key holds everything that can change an answer, and nothing that cannot."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from harness.errors import MediaError
from harness.media.video import FRAME_SUFFIXES
from harness.model import ModelCard
from harness.records.journal import entry_of, outcome_of
from harness.types import Json, Media, Missing, Request, Response

_TABLES = (
    "create table if not exists responses (key text primary key, entry text not null)",
    "create table if not exists files (path text, size integer, mtime_ns integer, digest text, primary key (path))",
)


def model_parts(card: ModelCard) -> dict[str, Json]:
    """What of a model decides its answers; its name does not."""
    return {"digest": card.digest, "dtype": card.dtype, "version": card.version, "settings": dict(card.settings)}


def request_parts(request: Request, media: Media | None, media_digest: str | None) -> dict[str, Json]:
    """What of a request decides its answer; texts and media by digest, so that a journal stays small."""
    clip = [getattr(media, "start_s", None), getattr(media, "end_s", None)] if request.frames.clip_bounds else None
    return {
        "text": hashlib.sha256(request.text.encode("utf-8", "surrogatepass")).hexdigest(),
        "media": media_digest,
        "max_new_tokens": request.max_new_tokens,
        "frames": {**asdict(request.frames), "clip": clip},
    }


def cache_key(model: Mapping[str, Json], request: Mapping[str, Json]) -> str:
    """sha256 over the canonical JSON of both."""
    return hashlib.sha256(json.dumps([model, request], sort_keys=True).encode()).hexdigest()


class ResponseCache:
    """An SQLite file of responses by key. A damaged file is set aside and begun anew (`rebuilt`).

    Missing is never remembered: what failed once may work next time.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "responses.sqlite"
        self.rebuilt: Path | None = None
        try:
            self._database = self._opened()
        except sqlite3.DatabaseError:
            self.rebuilt = self._path.with_suffix(".damaged")
            self._path.replace(self.rebuilt)
            self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            database.execute("pragma journal_mode=wal")
            database.execute("pragma synchronous=off")  # the journal is what must not be lost; this can be made again
            if database.execute("pragma quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
            for statement in _TABLES:
                database.execute(statement)
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def get(self, key: str, sample_id: str) -> Response | None:
        """The response under a key, as the answer to this sample."""
        row = self._database.execute("select entry from responses where key = ?", (key,)).fetchone()
        if row is None:
            return None
        found = outcome_of({**json.loads(row[0]), "id": sample_id})
        return None if isinstance(found, Missing) else found

    def put(self, key: str, response: Response) -> None:
        entry = json.dumps(entry_of(response.sample_id, response, 0.0, False, None))
        self._database.execute("insert or replace into responses values (?, ?)", (key, entry))

    def digest(self, media: Media) -> str:
        """sha256 over a medium's bytes; of files it is remembered by path, size and time. Raises MediaError."""
        if not isinstance(media.source, Path):
            return hashlib.sha256(media.source.read()).hexdigest()
        if media.source.is_dir():
            files = sorted(path for path in media.source.iterdir() if path.suffix in FRAME_SUFFIXES)
            parts = [f"{path.name} {self._file_digest(path)}" for path in files]
            return hashlib.sha256("\n".join([*parts, str(getattr(media, "folder_fps", None))]).encode()).hexdigest()
        return self._file_digest(media.source)

    def _file_digest(self, path: Path) -> str:
        try:
            stat = path.stat()
            known = self._database.execute(
                "select digest from files where path = ? and size = ? and mtime_ns = ?",
                (str(path.absolute()), stat.st_size, stat.st_mtime_ns),
            ).fetchone()
            if known is not None:
                return str(known[0])
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise MediaError("file not readable", f"{path}: {error.strerror}") from error
        row = (str(path.absolute()), stat.st_size, stat.st_mtime_ns, digest)
        self._database.execute("insert or replace into files values (?, ?, ?, ?)", row)
        return digest

    def close(self) -> None:
        self._database.close()
