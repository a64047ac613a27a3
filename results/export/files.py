"""Records to bytes and back. The same records give the same bytes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from datetime import datetime
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from results.export.form import Form, Record

_EPOCH = datetime(1980, 1, 1)  # the first that a zip file can name
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def encode(form: Form, records: Sequence[Record]) -> bytes:
    """The upload file. A workbook cannot hold control characters, which become U+FFFD, nor texts above 32,767."""
    if form.layout == "workbook":
        return _workbook(form, records)
    if form.layout == "lines":
        text = "".join(json.dumps(record) + "\n" for record in records)
    elif form.layout == "list":
        text = json.dumps(records) + "\n"
    else:
        text = json.dumps({record[form.key]: record[form.answer] for record in records}, indent=2) + "\n"
    return text.encode("ascii")


def decode(form: Form, content: bytes) -> list[Record]:
    """The records of an upload file. Raises ValueError where it is none: what is wrong, and where."""
    if form.layout == "workbook":
        return _rows(content)
    if form.layout == "lines":
        found = [_json(line, f"line {number}") for number, line in enumerate(content.splitlines(), start=1)]
    else:
        document = _json(content, "the file")
        if form.layout == "table":
            if not isinstance(document, dict):
                raise ValueError(f"the file is no JSON object from {form.key} to {form.answer}")
            return [{form.key: key, form.answer: value} for key, value in document.items()]
        if not isinstance(document, list):
            raise ValueError("the file is no JSON list")
        found = document
    for number, record in enumerate(found, start=1):
        if not isinstance(record, dict):
            raise ValueError(f"record {number} is no JSON object")
    return found


def _json(content: bytes, place: str) -> object:
    try:
        return json.loads(content, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is not JSON ({error})") from error


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} occurs more than once")
    return found


def _workbook(form: Form, records: Sequence[Record]) -> bytes:
    """Every text is a text cell, also "=1+1", which would else be a formula, and "#N/A", an error."""
    from openpyxl import Workbook

    book = Workbook()
    book.properties.created = _EPOCH
    sheet = book.active
    sheet.append(list(form.columns))
    for row, record in enumerate(records, start=2):
        for column, name in enumerate(form.columns, start=1):
            value = record[name]
            if isinstance(value, str):
                cell = sheet.cell(row, column, _NOT_IN_XML.sub("\ufffd", value))
                cell.data_type = "s"
            elif value is not None:
                sheet.cell(row, column, value)
    written = io.BytesIO()
    book.save(written)
    return _without_clock(written)


def _without_clock(workbook: io.BytesIO) -> bytes:
    """The same workbook without the time at which it was written."""
    out = io.BytesIO()
    with ZipFile(workbook) as old, ZipFile(out, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(rb"\g<1>" + f"{_EPOCH.isoformat()}Z".encode(), content)
            new.writestr(ZipInfo(name, _EPOCH.timetuple()[:6]), content, ZIP_DEFLATED)
    return out.getvalue()


def _rows(content: bytes) -> list[Record]:
    from openpyxl import load_workbook

    try:
        rows = list(load_workbook(io.BytesIO(content), read_only=True).worksheets[0].iter_rows(values_only=True))
    except (BadZipFile, KeyError, IndexError, ValueError, OSError) as error:
        raise ValueError(f"the file is no xlsx workbook ({error})") from error
    header, *body = rows or [()]
    return [dict(zip(map(str, header), row, strict=False)) for row in body]
