"""A report as a folder: a page, its style and scripts, the samples' data and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.engine.run import load_run
from harness.errors import UserError
from harness.records.folder import METRICS, RUN
from harness.types import Json
from results.leaderboard.board import make_board
from results.leaderboard.cells import RunCells, read_runs
from results.report.data import manifest, write_samples, write_script
from results.report.items import items_of
from results.report.media import Gallery
from results.report.overview import overview
from results.report.page import assets, render

MARK = "report.json"
"""Lies in every report, so that one may be written again and nothing else is written over."""


def write_report(paths: Sequence[Path], root: Path, pictures: bool = True, live: bool = False) -> list[str]:
    """Writes `root/index.html` and all that belongs to it; returns notes. Raises UserError.

    A report that lies there is written anew; any other folder with files in it is refused.
    """
    runs = read_runs(paths)
    try:
        _claim(root)
        notes = list(_notes(runs))
        gallery = Gallery(root, pictures)
        write_script(root, "manifest", manifest(list(_samples(root, runs, gallery))))
        for name, text in assets():
            (root / name).write_text(text, encoding="utf-8")
        page = render(overview(make_board(runs), runs, notes), live)
        (root / "index.html").write_bytes(page.encode("utf-8", "replace"))
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
                tasks[task] = {"title": task, **written}
        if tasks:
            yield {"name": f"{config['model']} ({folder.resolve().name})", "tasks": tasks}


def _notes(runs: Sequence[RunCells]) -> Iterator[str]:
    for folder in dict.fromkeys(one.folder for one in runs):
        if not (folder / METRICS).is_file():
            yield f"{folder.resolve().name} is not finished: it shows the samples answered so far, and no numbers yet."
