"""A profile's folder: profile.json, a CSV file a question, and profile.html."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UserError
from harness.types import Json
from results.profile.page import render
from results.profile.tables import csv_rows, questions


def write(document: Mapping[str, Json], folder: Path) -> list[Path]:
    """Writes, over an earlier profile, and returns the paths. Raises UserError where the folder cannot be written."""
    files = {"profile.json": json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"}
    for question in questions(document):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(csv_rows(question))
        files[f"{question.key}.csv"] = text.getvalue()
    files["profile.html"] = render(document)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text_of in files.items():
            (folder / name).write_text(text_of, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {folder}: cannot be written ({error.strerror or error}).") from error
    return [folder / name for name in files]
