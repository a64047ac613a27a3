"""Folder and hub sources: what is there is read, what is absent is named."""

from __future__ import annotations

import io
import pickle
import random
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import IO

import PIL.Image
import pytest

from harness.data.archives import unpack
from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, missing_files, require
from harness.errors import MediaError, NotAvailable, UserError
from harness.media.image import open_image
from harness.task import HubDataset
from harness.types import Image


class Card:
    name = "quiz"
    folder = "quiz/questions.json\nquiz/images/"


def test_absent_files_are_counted_named_and_helped(tmp_path: Path) -> None:
    (tmp_path / "quiz").mkdir()
    (tmp_path / "quiz" / "questions.json").write_text("[]")
    with pytest.raises(NotAvailable) as caught:
        require(DataSource("folder", tmp_path), ["quiz/questions.json", "quiz/images"], Card)
    message = str(caught.value)
    assert "1 of 2" in message
    assert "quiz/images" in message
    assert "--data sample" in message


def test_folder_without_root_asks_for_one() -> None:
    with pytest.raises(NotAvailable, match="--data-root"):
        require(DataSource("folder"), [], Card)


def test_missing_files_are_listed_once_in_order(tmp_path: Path) -> None:
    there, b, a = tmp_path / "there", tmp_path / "b", tmp_path / "a"
    there.touch()
    assert missing_files([b, there, a, b]) == [b, a]


@pytest.mark.parametrize(("content", "where"), [('{"a": }', ":1:7"), ("[1,\n2,,]", ":2:3")])
def test_faulty_json_is_located(content: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text(content)
    with pytest.raises(UserError, match=f"q.json{where}"):
        load_json(path)


def test_each_object_of_a_json_file_can_be_made_smaller_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text('{"rows": [{"text": "a", "id": 1}, {"text": "b", "id": 2}]}')
    assert load_json(path, lambda entry: entry.get("text", entry)) == {"rows": ["a", "b"]}


def test_jsonl_skips_blank_lines_keeps_odd_line_breaks_inside_text_and_locates_faults(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"a": "x\u2028y"}\n\n{"a": 2}\n', encoding="utf-8")
    assert load_jsonl(path) == [{"a": "x\u2028y"}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"q\.jsonl:2"):
        load_jsonl(path)


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (6, 5), colour).save(buffer, format="png")
    return buffer.getvalue()


def hub_folder(folder: Path, colours: list[str]) -> Path:
    """A dataset repository as the hub lays it out: a card that names a configuration, and its parquet file."""
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    rows = {"id": colours, "image": [{"bytes": png(colour), "path": None} for colour in colours]}
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    table = Dataset.from_dict(rows, features=Features({"id": Value("string"), "image": ImageFeature()}))
    table.to_parquet(folder / "pictures" / "testdev-00000-of-00001.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: pictures\n  data_files:\n  - split: testdev\n    path: pictures/testdev-*\n---\n"
    )
    return folder


DATASET = HubDataset("org/quiz", "testdev", ("pictures",))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_hub_rows_stay_encoded_and_travel_small(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "quiz", ["red", "blue"])
    rows = hub_rows(DATASET, "pictures", DataSource("hub", repo=str(folder)))
    assert rows["id"][:] == ["red", "blue"]
    parcel = pickle.dumps(TableBytes(rows, 1))
    assert len(parcel) < 2000
    picture = open_image(Image("blue", pickle.loads(parcel)))
    assert picture.getpixel((0, 0)) == (0, 0, 255)


def test_local_folder_that_changed_is_read_anew(tmp_path: Path) -> None:
    for colours in (["red"], ["blue", "green"]):
        source = DataSource("hub", repo=str(hub_folder(tmp_path / "quiz", colours)))
        assert hub_rows(DATASET, "pictures", source)["id"][:] == colours


def test_row_without_bytes_is_a_media_error(tmp_path: Path) -> None:
    rows = hub_rows(DATASET, "pictures", DataSource("hub", repo=str(hub_folder(tmp_path / "quiz", ["red"]))))
    with pytest.raises(MediaError, match="no bytes"):
        TableBytes(rows, 0, column="id").read()


def test_unreachable_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(NotAvailable) as caught:
        hub_rows(HubDataset("org/there-is-no-such-set", "test"), None, DataSource("hub"))
    for words in ("org/there-is-no-such-set", "--hub", "--data-root", "--data sample"):
        assert words in str(caught.value)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_archive_is_unpacked_once_and_again_when_it_changed_or_was_interrupted(tmp_path: Path) -> None:
    archive, target = zipped(tmp_path / "a.zip", **{"v/one.mp4": b"1"}), tmp_path / "out"
    unpack(archive, target)
    (target / "v" / "one.mp4").write_bytes(b"kept")
    unpack(archive, target)
    assert (target / "v" / "one.mp4").read_bytes() == b"kept"
    for marker in (target / ".unpacked").iterdir():
        marker.unlink()  # as after a kill before the end
    unpack(archive, target)
    assert (target / "v" / "one.mp4").read_bytes() == b"1"


def test_archives_of_one_name_in_two_folders_are_unpacked_once_each(tmp_path: Path) -> None:
    archives = [tmp_path / part / "videos.zip" for part in ("one", "two")]
    for archive in archives:
        archive.parent.mkdir()
        zipped(archive, **{f"{archive.parent.name}.mp4": b"1"})
    for archive in archives:
        unpack(archive, tmp_path / "out")
    for video in (tmp_path / "out").glob("*.mp4"):
        video.write_bytes(b"kept")
    for archive in archives:
        unpack(archive, tmp_path / "out")
    assert {video.name: video.read_bytes() for video in (tmp_path / "out").glob("*.mp4")} == {
        "one.mp4": b"kept",
        "two.mp4": b"kept",
    }


def test_unpack_that_breaks_off_leaves_no_half_file_and_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, target = zipped(tmp_path / "a.zip", **{"one.mp4": b"1" * 100, "two.mp4": b"2" * 100}), tmp_path / "out"
    copy, copied = shutil.copyfileobj, []

    def full_disk(content: IO[bytes], file: IO[bytes]) -> None:
        if copied:
            file.write(content.read(10))
            raise OSError(28, "No space left on device")
        copied.append(copy(content, file))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full_disk)
        with pytest.raises(UserError, match="No space left"):
            unpack(archive, target)
    assert [path.name for path in target.glob("*.mp4")] == ["one.mp4"]
    unpack(archive, target)
    assert (target / "two.mp4").read_bytes() == b"2" * 100


@pytest.mark.parametrize("name", ["../evil", "/evil", "v/../../evil", ".unpacked/evil"])
def test_entry_that_leaves_the_target_is_refused(name: str, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", **{name: b"x"})
    with pytest.raises(UserError, match="outside"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil"))


def test_links_in_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("v/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(UserError, match="link"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("start", [40, 60, 200])
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_archive_with_wrong_bytes_inside_says_so(kind: str, start: int, tmp_path: Path) -> None:
    content, path = random.Random(0).randbytes(3000), tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.mp4", content * 2)
    else:
        (tmp_path / "a.mp4").write_bytes(content * 2)
        with tarfile.open(path, f"w:{kind[4:]}") as tape:
            tape.add(tmp_path / "a.mp4", "a.mp4")
    spoilt = bytearray(path.read_bytes())
    spoilt[start : start + 30] = b"\xff" * 30
    path.write_bytes(spoilt)
    with pytest.raises(UserError, match="damaged"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_damaged_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(tmp_path / "b.zip", a=b"x" * 5000).read_bytes()[:-40])
    with pytest.raises(UserError, match="damaged"):
        unpack(path, tmp_path / "out")
