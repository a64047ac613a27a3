"""A report is one folder, the same for the same runs, in small pieces that add up to all samples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main
from harness.errors import UserError
from harness.media.video import read_frames
from harness.types import FramePolicy, Image, Video
from results.report import data as pieces
from results.report.media import Gallery
from results.report.overview import groups_of
from results.report.write import write_report
from tests.support.reports import HOSTILE, finished_run, source
from tests.support.runs import answered_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    data = source(root / "data")
    finished_run(root / "runs" / "first", data, {"00000": HOSTILE, "00001": None})
    finished_run(root / "runs" / "second", data, {}, otherwise="yes")
    return root / "runs"


def script(path: Path) -> tuple[str, Any]:
    """The name and the value that a data file reports."""
    text = path.read_text(encoding="ascii")
    assert text.startswith("report(")
    assert text.endswith(");\n")
    name, value = json.loads(f"[{text[7:-3]}]")
    return name, value


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_pieces_add_up_to_every_sample(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "INDEX_ROWS", 100)
    monkeypatch.setattr(pieces, "PAGE_ROWS", 20)
    write_report([runs], tmp_path / "report", most_media=0)
    _, manifest = script(tmp_path / "report" / "data" / "manifest.js")
    for run in manifest["runs"]:
        for task in run["tasks"].values():
            index = [row for part in range(task["parts"]) for row in _value(tmp_path, f"{task['key']}/index-{part}")]
            assert len(index) == task["n"] == sum(task["states"].values())
            for number, row in enumerate(index):
                page = _value(tmp_path, f"{task['key']}/page-{number // manifest['page_rows']}")
                assert page[number % manifest["page_rows"]]["id"] == row[0]


def _value(tmp_path: Path, name: str) -> Any:
    named, value = script(tmp_path / "report" / "data" / f"{name}.js")
    assert named == name
    return value


def test_the_same_runs_give_the_same_bytes_and_nothing_of_this_machine(runs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report([runs], tmp_path / name)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    for name, text in content(tmp_path / "one").items():
        assert str(runs).encode() not in text, name


def test_a_hostile_answer_is_data_and_never_markup(runs: Path, tmp_path: Path) -> None:
    write_report([runs], tmp_path / "report", most_media=0)
    assert b"window.taken" not in (tmp_path / "report" / "index.html").read_bytes()
    (page,) = [value for value in _value(tmp_path, "0/gqa/page-0") if value["id"] == "00000"]
    assert page["answer"] == HOSTILE


def test_other_folders_are_not_written_over_and_reports_are(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not written over"):
        write_report([runs], tmp_path / "mine")
    with pytest.raises(UserError, match="is a file"):
        write_report([runs], tmp_path / "mine" / "thesis.tex")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    write_report([runs / "first"], tmp_path / "report", most_media=0)
    write_report([runs / "first"], tmp_path / "report", most_media=0)


def test_the_command_prints_where_to_look(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["report", str(runs), "--output", str(tmp_path / "report"), "--no-media"]
    assert main(argv) == DONE
    assert capsys.readouterr().out == f"{tmp_path / 'report' / 'index.html'}\n"
    assert not (tmp_path / "report" / "media").exists()
    assert main(["report", str(tmp_path / "nothing")]) == CHANGE_SOMETHING


def test_an_unfinished_run_is_said(runs: Path, tmp_path: Path) -> None:
    answered_run(tmp_path / "run", "gqa", source(runs.parent / "data"), {"00000": "red"})
    (note,) = write_report([tmp_path / "run"], tmp_path / "report", most_media=0)
    assert "is not finished" in note
    assert note in (tmp_path / "report" / "index.html").read_text()


def test_a_medium_is_written_once_and_small(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (3000, 1000), "red").save(tmp_path / "wide.png")
    gallery = Gallery(tmp_path / "report")
    shown = [gallery.show(Image("wide", tmp_path / "wide.png"), None) for _ in range(2)]
    assert shown[0] is shown[1] is not None
    assert shown[0].caption == "wide, 3000 x 1000"
    (written,) = (tmp_path / "report" / "media").iterdir()
    with PIL.Image.open(written) as picture:
        assert max(picture.size) == 448


def test_a_sheet_holds_frames_from_first_to_last(runs: Path, tmp_path: Path) -> None:
    clip = sorted((runs.parent / "data").rglob("*.mp4"))[0]
    gallery = Gallery(tmp_path)
    shown = gallery.show(Video("clip", clip), FramePolicy(max_frames=3))
    assert shown is not None
    assert shown.caption == "clip: all 3 sampled frames, row by row"
    first, *_, last = read_frames(Video("clip", clip), FramePolicy(max_frames=3))
    with PIL.Image.open(tmp_path / shown.source) as sheet:
        height, width = first.shape[:2]
        assert sheet.size == (3 * width + 4, height)
        for frame, left in ((first, 0), (last, 2 * (width + 2))):
            cut = np.asarray(sheet.crop((left, 0, left + width, height)), dtype=float)
            assert abs(cut - frame).mean() < 4


def test_a_medium_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    shown = Gallery(tmp_path).show(Image("broken", tmp_path / "broken.jpg"), None)
    assert shown is not None
    assert (shown.source, shown.caption) == ("", "broken: not a picture")


def test_breakdowns_are_groups_of_shares_without_counts() -> None:
    found = groups_of(
        {"overall": 50.0, "types": {"a": {"value": 1.5, "n": 3}, "b": 2.0, "samples": 7}, "one": {"x": 1.0}}
    )
    assert dict(found) == {"types": {"a": 1.5, "b": 2.0}}


def test_the_overview_says_which_runs_it_is_about(runs: Path, tmp_path: Path) -> None:
    write_report([runs], tmp_path / "report", most_media=0)
    page = (tmp_path / "report" / "index.html").read_text()
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition('<table id="runs">')[2].partition("</table>")[0])
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows if "<td" in row]
    assert [row[0] for row in cells] == ["first", "second"]
    samples = [json.loads((runs / name / "metrics.json").read_text())["tasks"] for name in ("first", "second")]
    assert [row[8] for row in cells] == [f"{sum(task['n'] for task in tasks.values()):,}" for tasks in samples]
    assert "(1)" in cells[0][9]
    assert cells[1][9] == "0"


def test_what_an_earlier_report_had_is_removed(runs: Path, tmp_path: Path) -> None:
    write_report([runs], tmp_path / "report")
    write_report([runs / "second"], tmp_path / "report", most_media=1)
    write_report([runs / "second"], tmp_path / "new", most_media=1)
    assert content(tmp_path / "report") == content(tmp_path / "new")


def test_of_each_task_only_so_many_media_are_shown(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path / "report", 2)
    for name in "abc":
        PIL.Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    for task in ("gqa", "pope"):
        pictures = [Image(f"{task}/{name}", tmp_path / f"{name}.png") for name in "aabc"]
        shown = [gallery.show(picture, None, task) for picture in pictures]
        assert [bool(one and one.source) for one in shown] == [True, True, True, False]
        assert shown[-1] is not None
        assert "first 2 of a task" in shown[-1].caption
    assert set((tmp_path / "report" / "media").iterdir()) == gallery.files


def test_the_command_takes_a_limit_of_media(runs: Path, tmp_path: Path) -> None:
    assert main(["report", str(runs / "first"), "--output", str(tmp_path / "report"), "--media-limit", "1"]) == DONE
    assert len(list((tmp_path / "report" / "media").iterdir())) == 2  # of each of its two tasks
    assert main(["report", str(runs / "first"), "--output", str(tmp_path / "report")]) == DONE
    assert len(list((tmp_path / "report" / "media").iterdir())) > 2
    assert main(["report", str(runs / "first"), "--media-limit", "-1"]) == CHANGE_SOMETHING
