"""Unpacking downloaded archives: nothing leaves the target folder, and an interrupted unpack is noticed and redone."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harness.errors import UserError

MARKERS = ".unpacked"
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def unpack(archive: Path, target: Path) -> None:
    """Unpacks a zip or tar archive into `target`, unless a marker says that this very file was unpacked there in full.

    Raises UserError for a damaged or locked archive, one whose entries would leave the target, and a full disk. Links
    and devices are refused.
    """
    stat = archive.stat()
    marker = target / MARKERS / _marker_name(archive)
    stamp = f"{stat.st_size} {stat.st_mtime_ns}\n"
    if marker.is_file() and marker.read_text(encoding="utf-8") == stamp:
        return
    target.mkdir(parents=True, exist_ok=True)
    try:
        for name, content in _members(archive):
            _write(content, _inside(target, name, archive))
    except _DAMAGE as error:
        raise UserError(f"{archive}: damaged archive ({error}). Delete it, so that it is downloaded again.") from error
    except (RuntimeError, NotImplementedError) as error:  # how zipfile says: locked by a password, unknown compression
        raise UserError(f"{archive}: cannot be unpacked ({error}). Unpack it by hand into {target}.") from error
    except OSError as error:
        raise UserError(
            f"{archive}: cannot be unpacked into {target} ({error}). Make room, and start again."
        ) from error
    marker.parent.mkdir(exist_ok=True)
    marker.write_text(stamp, encoding="utf-8")


def _marker_name(archive: Path) -> str:
    """Archives of one name in two folders are two archives."""
    return f"{hashlib.sha256(str(archive.parent.resolve()).encode()).hexdigest()[:16]}-{archive.name}"


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the regular files. Raises UserError for anything else but folders."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                if (entry.external_attr >> 16) & 0o170000 == 0o120000:
                    raise UserError(f"{archive}: entry '{entry.filename}' is a link; links are not unpacked.")
                if not entry.is_dir():
                    with packed.open(entry) as content:
                        yield entry.filename, content
        return
    with tarfile.open(archive) as tape:
        for member in tape:
            if member.isdir():
                continue
            inside = tape.extractfile(member) if member.isreg() else None
            if inside is None:
                raise UserError(f"{archive}: entry '{member.name}' is no regular file; links are not unpacked.")
            yield member.name, inside


def _inside(target: Path, name: str, archive: Path) -> Path:
    path, root = (target / name).resolve(), target.resolve()
    if not path.is_relative_to(root) or path == root or name.startswith("/") or path.is_relative_to(root / MARKERS):
        raise UserError(
            f"{archive}: entry '{name}' would be written outside {target}. Nothing of it was unpacked there."
        )
    return path


def _write(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        shutil.copyfileobj(content, file)
    part.replace(path)
