"""MMBench's TSV: thousands of base64 images in one file, found once by byte position and read one at a time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MediaError, NotAvailable
from harness.types import Image

_FIELD = re.compile(rb'(?:"(?:[^"]|"")*"|[^\t\r\n]*)')
_IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Base64Span:
    """`length` bytes of base64 at `start` of a file: a `Source`, decoded where it is read."""

    path: Path
    start: int
    length: int

    def read(self) -> bytes:
        """The encoded picture. Raises MediaError."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                return base64.b64decode(file.read(self.length).strip(b'"'), validate=True)
        except OSError as error:
            raise MediaError("unreadable file", str(error)) from error
        except binascii.Error as error:
            raise MediaError("not base64", f"{self}: {error}") from error

    def __str__(self) -> str:
        return f"{self.path.name}, byte {self.start}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table without its picture: column to text, None where pandas reads a missing value."""

    fields: dict[str, str | None]
    image: Image


def read_table(path: Path) -> list[Row]:
    """All rows in file order. Memory: the text columns; one row's picture at a time while the file is scanned.

    Missing values are pandas' defaults ("None", "nan", "N/A", empty and so on), since LLaVA reads the file with them.
    Rows with equal pictures share an image. Raises NotAvailable for a file without the expected columns.
    """
    import pandas

    without_images, images = io.BytesIO(), []
    known: dict[str, Image] = {}
    with path.open("rb") as file:
        records = _records(file)
        _, header = next(records, (0, b""))
        columns = header.rstrip(b"\r\n").split(b"\t")
        if _IMAGE.encode() not in columns:
            raise NotAvailable(
                f"{path} has no column '{_IMAGE}' (columns: {b', '.join(columns).decode('utf-8', 'replace')[:200]}). "
                f"It must be the TSV of the MMBench release, not a result file."
            )
        place = columns.index(_IMAGE.encode())
        without_images.write(header)
        for offset, record in records:
            start, end = _span(record, place)
            without_images.write(record[:start] + record[end:])
            digest = hashlib.sha256(record[start:end]).hexdigest()[:16]
            image = Image(f"mmbench {digest}", Base64Span(path, offset + start, end - start))
            images.append(known.setdefault(digest, image))
    without_images.seek(0)
    table = pandas.read_csv(without_images, sep="\t", dtype=str).astype(object)
    fields = table.where(table.notna(), None).drop(columns=_IMAGE).to_dict("records")
    return [Row(values, image) for values, image in zip(fields, images, strict=True)]


def _records(file: Iterator[bytes] | io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Byte offset and bytes of each record; line breaks between quotes do not end one, blank lines are none."""
    offset, lines, open_quotes = 0, [], False
    for line in file:
        lines.append(line)
        open_quotes ^= bool(line.count(b'"') % 2)
        if not open_quotes:
            record = b"".join(lines)
            if record.strip(b"\r\n"):
                yield offset, record
            offset, lines = offset + len(record), []


def _span(record: bytes, place: int) -> tuple[int, int]:
    """Where a field lies in a record."""
    position = 0
    for _ in range(place):
        position = _end(record, position) + 1
    return position, _end(record, position)


def _end(record: bytes, start: int) -> int:
    found = _FIELD.match(record, start)
    return found.end() if found else start
