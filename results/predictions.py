"""Readers of answers made elsewhere: LLaVA's answers.jsonl, MME result folders, upload files, plain JSON, our journal.

A reader turns a file into rows that say by which id and prompt they name a question, and never into scores. Lines that
cannot be read are kept as complaints, because an answer lost in silence makes a wrong number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UserError
from harness.records.folder import RunFolder
from harness.types import Json, Missing

FORMS = (
    "LLaVA's answers.jsonl, any list or JSON lines of objects with an id and a text, a plain {id: text} JSON, a folder "
    "of MME result files, an MMBench upload (xlsx), or a run of this harness"
)
_IDS = ("question_id", "questionId", "id", "index", "q_uid", "image", "video_name", "video")
_PROMPTS = ("prompt", "question", "Q")
_TEXTS = ("text", "prediction", "pred", "answer")
_PAIR = (("Q1", "pred1"), ("Q2", "pred2"))
_JOURNAL = "responses.jsonl"
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One answer. `name`: the id of its question, or of the medium asked about. `prompt`: what was asked, or "".

    `answer`: the text, the place (from 0) of the chosen option, or why there is none. `place`: where it stands.
    """

    name: str
    prompt: str
    answer: str | int | Missing
    place: str


@dataclass(slots=True)
class Predictions:
    """What some files hold. `unreadable`: place and fault of everything that is no answer."""

    rows: list[Row] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def take(self, value: Json, place: str) -> None:
        """Reads one JSON value as an answer, or as the two of a consistency pair."""
        if isinstance(value, Mapping) and all(key in value for pair in _PAIR for key in pair):
            for question, text in _PAIR:
                self._take({**value, "prompt": value[question], "text": value[text]}, place)
        else:
            self._take(value, place)

    def _take(self, value: Json, place: str) -> None:
        if not isinstance(value, Mapping):
            self.unreadable.append(f"{place}: no JSON object")
            return
        name = next((name for key in _IDS if (name := _name(value.get(key))) is not None), None)
        answer = _answer(value)
        if name is None or answer is None:
            self.unreadable.append(f"{place}: {'no id' if name is None else 'no answer text'}")
            return
        prompt = next((text for key in _PROMPTS if isinstance(text := value.get(key), str)), "")
        self.rows.append(Row(name, prompt, answer, place))


def read_predictions(paths: Iterable[Path], task: str) -> Predictions:
    """The answers to one task's questions in some files or folders. Raises UserError where there are none at all."""
    found = Predictions()
    for path in paths:
        try:
            _read(path, task, found)
        except OSError as error:
            raise UserError(f"--predictions {path}: cannot be read ({error.strerror or error}).") from error
    if not found.rows:
        first = f" The first fault is at {found.unreadable[0]}." if found.unreadable else ""
        shown = ", ".join(map(str, paths))
        raise UserError(f"--predictions {shown}: holds no answer that can be read.{first} It must be {FORMS}.")
    return found


def run_of(paths: Iterable[Path]) -> Path | None:
    """The run folder among the paths, whose settings then apply."""
    return next((path for path in paths if RunFolder(path).exists), None)


def _read(path: Path, task: str, found: Predictions) -> None:
    if path.is_dir():
        if journal := _journal(path, task):
            _read_text(journal, found)
        else:
            for file in sorted(path.glob("*.txt")):
                _read_mme(file, found)
    elif path.suffix == ".xlsx":
        _read_xlsx(path, found)
    else:
        _read_text(path, found)


def _journal(folder: Path, task: str) -> Path | None:
    """Of a run, or of one task's folder in it."""
    run = RunFolder(folder)
    journal = run.journal(task) if run.exists else folder / _JOURNAL
    if run.exists and not journal.is_file():
        raise UserError(f"--predictions {folder}: this run has no answers of {task}.")
    return journal if journal.is_file() else None


def _read_text(path: Path, found: Predictions) -> None:
    """One JSON document, or one a line."""
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        document, pairs = _document(content)
    except (ValueError, RecursionError):
        _read_lines(path, content, found)
        return
    if isinstance(document, list):
        for number, value in enumerate(document, start=1):
            found.take(value, f"{path.name}, item {number}")
    elif isinstance(document, dict) and not _is_row(document):
        for key, value in pairs:
            found.take({"id": key, "text": value}, f"{path.name}, key {key[:_SHOWN]}")
    else:
        found.take(document, path.name)


def _document(content: bytes) -> tuple[Json, list[tuple[str, Json]]]:
    """A JSON document, and the pairs of its outermost object, where keys may repeat. Raises ValueError."""
    outermost: list[tuple[str, Json]] = []

    def keep(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        nonlocal outermost
        outermost = pairs  # objects end from the inside out, so the last one kept is the document
        return dict(pairs)

    return json.loads(content, object_pairs_hook=keep), outermost


def _is_row(document: Mapping[str, Json]) -> bool:
    """Whether an object is one answer and not a table of them: a file of a single line."""
    return any(key in document for key in _IDS) and any(key in document for key in (*_TEXTS, "missing"))


def _read_lines(path: Path, content: bytes, found: Predictions) -> None:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            place = f"{path.name}:{number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                found.unreadable.append(f"{place}: not JSON")
            else:
                found.take(value, place)


def _read_mme(path: Path, found: Predictions) -> None:
    """A category's result file: 'image TAB question TAB gold TAB text' a line."""
    lines = path.read_bytes().decode("utf-8-sig", "replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            place, fields = f"{path.name}:{number}", line.removesuffix("\r").split("\t", 3)
            if len(fields) < 4:
                found.unreadable.append(f"{place}: not image, question, gold and text between tabs")
            else:
                image, question, _, text = fields
                found.rows.append(Row(f"{path.stem}/{Path(image).stem}", question, text, place))


def _read_xlsx(path: Path, found: Predictions) -> None:
    """The first sheet, by the names in its first row."""
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        sheet = load_workbook(path, read_only=True, data_only=False).worksheets[0]
        rows = list(sheet.iter_rows(values_only=True))
    except (BadZipFile, InvalidFileException, KeyError, IndexError, ValueError) as error:
        raise UserError(f"--predictions {path}: is no xlsx workbook ({error}).") from error
    header, *body = rows or [()]
    for number, row in enumerate(body, start=2):
        values = {str(name): "" if cell is None else str(cell) for name, cell in zip(header, row, strict=False)}
        if any(values.values()):
            found.take(values, f"{path.name}, row {number}")


def _name(value: Json) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes whole numbers so where a column has gaps
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _answer(row: Mapping[str, Json]) -> str | int | Missing | None:
    missing = row.get("missing")
    if isinstance(missing, Mapping):
        return Missing(str(missing.get("reason")), str(missing.get("detail", "")))
    for key in _TEXTS:
        value = row.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return value
        if isinstance(value, float):
            return str(value)
    return None
