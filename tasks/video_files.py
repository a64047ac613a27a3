"""Videos by the names that annotations give them: without suffix, in one folder or anywhere below one."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv")
"""In the order in which the released scripts look (specs/video_benchmarks.md section 1)."""
HUB_SUFFIXES = (*SUFFIXES, ".webm")


class VideoFiles:
    """The videos of a folder, listed once. A folder that is not there holds none."""

    def __init__(self, folder: Path, suffixes: tuple[str, ...] = SUFFIXES, deep: bool = False) -> None:
        """`deep`: folders below count too, and suffixes in capitals, as archives have them."""
        self._folder = folder
        self._by_name: dict[str, Path] = {}
        files = sorted((folder.rglob("*") if deep else folder.iterdir()) if folder.is_dir() else ())
        for suffix in suffixes:
            for path in files:
                if path.suffix == suffix or (deep and path.suffix.lower() == suffix):
                    self._by_name.setdefault(path.name[: -len(suffix)], path)

    def find(self, name: str) -> Path:
        """The file of a video; where there is none, where it is expected."""
        return self._by_name.get(name, self._folder / f"{name}{SUFFIXES[0]}")
