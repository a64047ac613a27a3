"""The journal: one JSON line a finished request, appended as it ends, so that a kill costs at most what was in
flight."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from harness.errors import UserError
from harness.records.redaction import redacted
from harness.types import Json, Missing, Response

SYNC_SECONDS = 1.0


class Journal:
    """Appends entries to a JSONL file; each is one write, and reaches the disk within about a second.

    Opening repairs a torn last line, which a kill in mid-write or a full disk can leave: it is cut off (`repaired`),
    and its request is asked again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.repaired = _cut_torn_line(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._synced = time.monotonic()

    def append(self, entry: Mapping[str, Json]) -> None:
        """Writes one entry. Raises UserError when the disk does not take it; the lines before it stay whole."""
        line = (json.dumps(entry, separators=(",", ":")) + "\n").encode("ascii")
        with self._writing():
            start = os.lseek(self._file, 0, os.SEEK_END)
            if os.write(self._file, line) != len(line):
                os.ftruncate(self._file, start)
                raise OSError(errno.ENOSPC, "the disk took only a part of a line")
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Brings everything to the disk. Raises UserError."""
        with self._writing():
            os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        try:
            self.sync()
        finally:
            os.close(self._file)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self._path}: cannot be written ({error.strerror or error}). Free some space, then `run-eval resume` "
                "goes on from here."
            ) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def entry_of(
    sample_id: str, outcome: Response | Missing, seconds: float, cached: bool, key: Mapping[str, Json] | None
) -> dict[str, Json]:
    """The journal's form of an outcome. `key`: what the response cache knows it by, for `run-eval cache explain`."""
    common = {"seconds": round(seconds, 6), "cached": cached, "key": key}
    if isinstance(outcome, Missing):
        return {"id": sample_id, "missing": {"reason": outcome.reason, "detail": redacted(outcome.detail)}, **common}
    return {
        "id": sample_id,
        "text": outcome.text,
        "vision_tokens": outcome.vision_tokens,
        "text_tokens": outcome.text_tokens,
        "output_tokens": outcome.output_tokens,
        "frames": outcome.frames,
        "notes": list(outcome.notes),
        **common,
    }


def outcome_of(entry: Mapping[str, Json]) -> Response | Missing:
    """What a journal entry says."""
    if "missing" in entry:
        return Missing(entry["missing"]["reason"], entry["missing"]["detail"])
    return Response(
        entry["id"],
        entry["text"],
        entry["vision_tokens"],
        entry["text_tokens"],
        entry["output_tokens"],
        entry["frames"],
        tuple(entry["notes"]),
    )


def read_journal(path: Path) -> Iterator[dict[str, Json]]:
    """The entries of a journal, in the order they were written; nothing where there is no journal yet.

    A torn last line is left out. Raises UserError for any other line that is none of ours.
    """
    return read_lines(path, outcome_of)


def read_lines(path: Path, check: Callable[[Mapping[str, Json]], object]) -> Iterator[dict[str, Json]]:
    """The whole lines of a file that is appended to. `check` raises ValueError, KeyError or TypeError for a bad one."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                entry = json.loads(line)
                check(entry)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UserError(
                    f"{path}:{number}: is no journal line ({type(error).__name__}). Remove the line to have its sample "
                    "asked again."
                ) from error
            yield entry


def _cut_torn_line(path: Path) -> bool:
    """Whether the file ended in the middle of a line, which is then gone."""
    if not path.is_file() or not (size := path.stat().st_size):
        return False
    with path.open("rb+") as file:
        end, block = size, 65536
        while end > 0:
            start = max(0, end - block)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                end = start + at + 1
                break
            end = start
        if end == size:
            return False
        file.truncate(end)
        return True
