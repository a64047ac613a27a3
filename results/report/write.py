"""A report as a folder: a page, its style and scripts, the samples' data and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.engine.run import load_run
from harness.errors import UserError
from harness.records.folder import METRICS, RUN
from harness.types import Json
from results.leaderboard.board import make_board
from results.leaderboard.cells import RunCells, read_runs
from results.report.data import files_of, manifest, write_samples, write_script
from results.report.items import items_of
from results.report.media import MOST, Gallery
from results.report.overview import overview
from results.report.page import assets, render

MARK = "report.json"
"""Lies in every report, so that one may be written again and nothing else is written over."""


def write_report(
    paths: Sequence[Path], root: Path, most_media: int = MOST, live: bool = False, gallery: Gallery | None = None
) -> list[str]:
    """Writes `root/index.html` and all that belongs to it; returns notes. Raises UserError.

    A report that lies there is written anew, and what it has no more is removed; any other folder with files in it is
    refused. `most_media`: pictures and videos of a task. `gallery`: of an earlier writing, whose pictures are kept.
    """
    runs = read_runs(paths)
    try:
        _claim(root)
        notes = list(_notes(runs))
        gallery = gallery or Gallery(root, most_media)
        written = list(_samples(root, runs, gallery))
        write_script(root, "manifest", manifest(written))
        for name, text in assets():
            (root / name).write_text(text, encoding="utf-8")
        page = render(overview(make_board(runs), runs, notes), live)
        (root / "index.html").write_bytes(page.encode("utf-8", "replace"))
        _sweep(root, written, gallery)
    except OSError as error:
        raise UserError(f"{root}: the report cannot be written ({error.strerror or error}).") from error
    return notes


def _claim(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file. A report is a folder; name another --output.")
    if root.is_dir() and any(root.iterdir()) and not (root / MARK).is_file():
        raise UserError(f"{root} holds other files and is not written over. Name another --output.")
    root.mkdir(parents=True, exist_ok=True)
    (root / MARK).write_text('{"report": 1}\n', encoding="ascii")


def _sweep(root: Path, written: Sequence[Mapping[str, Json]], gallery: Gallery) -> None:
    """Removes the data and pictures of an earlier report that this one has not."""
    kept = {path for run in written for task in run["tasks"].values() for path in files_of(root, task)}
    kept |= {root / "data" / "manifest.js", *gallery.files}
    for path in [*(root / "data").rglob("*.js"), *(root / "media").glob("*.jpg")]:
        if path not in kept:
            path.unlink()


def _samples(root: Path, runs: Sequence[RunCells], gallery: Gallery) -> Iterator[dict[str, Json]]:
    """Once a run folder, whatever judges stand beside its own."""
    for number, folder in enumerate(dict.fromkeys(one.folder for one in runs)):
        run = load_run(folder)
        config = run.info["config"]
        tasks = {}
        for task in config["tasks"]:
            if Path(task).name != task or task == "..":  # it becomes a folder's name
                raise UserError(f"{folder / RUN}: '{task}' is no task's name.")
            written = write_samples(root, f"{number}/{task}", items_of(run, task), gallery)
            if written["n"]:
                tasks[task] = {"title": _title(task), **written}
        if tasks:
            named = folder.resolve().name
            name = named if named == config["model"] else f"{config['model']} ({named})"
            yield {"name": name, "tasks": tasks}


def _title(task: str) -> str:
    """A task that is not installed here goes by its name."""
    from tasks import TASKS

    return TASKS.load(task).card.title if task in TASKS else task


def _notes(runs: Sequence[RunCells]) -> Iterator[str]:
    for folder in dict.fromkeys(one.folder for one in runs):
        if not (folder / METRICS).is_file():
            yield f"{folder.resolve().name} is not finished: it shows the samples answered so far, and no numbers yet."
