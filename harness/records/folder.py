"""The run folder: `run.json`, `metrics.json`, and per task `responses.jsonl` and `scores.jsonl`. One process at a
time."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError
from harness.types import Json

RUN, METRICS = "run.json", "metrics.json"


def beside(name: str, judge: str | None) -> str:
    """A file's name where it holds what another judge than the run's own said: 'metrics-openai-gpt-4o.json'."""
    stem, dot, suffix = name.partition(".")
    return name if judge is None else f"{stem}-{re.sub(r'[^A-Za-z0-9.]+', '-', judge).strip('-')}{dot}{suffix}"


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def journal(self, task: str) -> Path:
        return self.path / task / "responses.jsonl"

    def judgements(self, task: str) -> Path:
        return self.path / task / "judgements.jsonl"

    def scores(self, task: str, judge: str | None = None) -> Path:
        return self.path / task / beside("scores.jsonl", judge)

    @property
    def exists(self) -> bool:
        return (self.path / RUN).is_file()

    def require_free(self) -> None:
        """Raises UserError where a run or anything else lies already, or nothing can be written.

        Hidden files are nothing: a start that was killed leaves some.
        """
        if self.exists:
            raise UserError(
                f"{self.path} holds a run already, and runs are never written over. Finish it with "
                f"`run-eval resume {self.path}`, or choose another --output."
            )
        if self.path.is_dir() and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise UserError(f"{self.path} is not empty and holds no run. Choose another --output.")
        place = next(place for place in (self.path, *self.path.absolute().parents) if place.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise UserError(f"--output {self.path}: cannot be written, {place} is no folder that takes files.")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process. Raises UserError while another process has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}).") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise UserError(f"{self.path}: another process is working on this run. Wait for it, or stop it.") from error
        try:
            yield
        finally:
            os.close(handle)

    def read(self, name: str) -> dict[str, Json]:
        """A JSON document of the run, an object. Raises UserError."""
        path = self.path / name
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(
                f"{self.path} holds no {name}: it is no run folder, or the run has not got that far."
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path}: cannot be read ({error}).") from error
        if not isinstance(document, dict):
            raise UserError(f"{path}: cannot be read (it holds no JSON object).")
        return document

    def write(self, name: str, document: Json) -> None:
        """A JSON document, all of it or nothing."""
        text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False, sort_keys=False)
        self._replace(self.path / name, [text + "\n"])

    def write_scores(self, task: str, rows: Iterable[Mapping[str, Json]], judge: str | None = None) -> None:
        """`scores.jsonl`, all of it or nothing."""
        self._replace(self.scores(task, judge), (json.dumps(row, separators=(",", ":")) + "\n" for row in rows))

    def read_scores(self, task: str, judge: str | None = None) -> Iterator[dict[str, Json]]:
        """The rows of `scores.jsonl`, in sample order. Raises UserError for a line that is none of ours."""
        return _score_rows(self.scores(task, judge))

    def read_other_scores(self, task: str) -> list[Iterator[dict[str, Json]]]:
        """The same of every judge beside the run's own."""
        return [_score_rows(path) for path in sorted((self.path / task).glob("scores-*.jsonl"))]

    @staticmethod
    def _replace(path: Path, lines: Iterable[str]) -> None:
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("w", encoding="ascii") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}). Free some space and resume.") from error


def _score_rows(path: Path) -> Iterator[dict[str, Json]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                _ = row["id"], row["cluster"], row["missing"] if "missing" in row else (row["values"], row["detail"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UserError(
                    f"{path}:{number}: the scores of {path.parent.name} cannot be read ({type(error).__name__}). "
                    "`run-eval resume` on the run writes them again, `run-eval judge` those of another judge."
                ) from error
            yield row
