from __future__ import annotations

from pathlib import Path

import pytest

from tasks.video_files import HUB_SUFFIXES, SUFFIXES, VideoFiles


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize("place", range(len(SUFFIXES)))
def test_the_first_suffix_in_the_released_order_wins(tmp_path: Path, place: int) -> None:
    touch(tmp_path, *(f"clip{suffix}" for suffix in SUFFIXES[place:]))
    assert VideoFiles(tmp_path).find("clip") == tmp_path / f"clip{SUFFIXES[place]}"


def test_names_may_hold_dots_and_begin_with_hyphens(tmp_path: Path) -> None:
    touch(tmp_path, "a.b_10.0.avi", "-x.mp4")
    files = VideoFiles(tmp_path)
    assert (files.find("a.b_10.0").name, files.find("-x").name) == ("a.b_10.0.avi", "-x.mp4")


def test_a_video_that_is_not_there_is_expected_as_mp4(tmp_path: Path) -> None:
    touch(tmp_path, "other.mp4", "clip.txt")
    assert VideoFiles(tmp_path).find("clip") == tmp_path / "clip.mp4"
    assert VideoFiles(tmp_path / "nowhere").find("clip") == tmp_path / "nowhere" / "clip.mp4"


def test_unpacked_archives_are_searched_to_the_bottom(tmp_path: Path) -> None:
    touch(tmp_path, "all_test/part/v_1.webm", "Test_Videos/v_2.MP4", "v_3.mp4")
    deep, flat = VideoFiles(tmp_path, HUB_SUFFIXES, deep=True), VideoFiles(tmp_path)
    assert [deep.find(f"v_{n}").relative_to(tmp_path).as_posix() for n in (1, 2, 3)] == [
        "all_test/part/v_1.webm",
        "Test_Videos/v_2.MP4",
        "v_3.mp4",
    ]
    assert not flat.find("v_1").exists()
