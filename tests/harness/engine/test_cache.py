"""The response cache: same key, same answer; another key for whatever could change an answer."""

from __future__ import annotations

import os
import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine import cache as cache_module
from harness.engine.cache import ResponseCache, cache_key, model_parts, request_parts
from harness.engine.run import evaluate
from harness.errors import UserError
from harness.model import ModelCard
from harness.types import FramePolicy, Image, Request, Response, Video
from tests.harness.engine.conftest import Configure
from tests.support.fakes import Parrot, write_quiz

CARD = ModelCard("m", "weights", "float32", "1", settings={"conversation": "v1"})
REQUEST = Request("q", "What?", 16)


def key(card: ModelCard = CARD, request: Request = REQUEST, digest: str = "picture") -> str:
    return cache_key(model_parts(card), request_parts(request, Image("i", Path("i")), digest))


def test_second_run_asks_nothing_and_ends_with_the_same_files(configure: Configure, tmp_path: Path) -> None:
    cache, model = tmp_path / "cache", Parrot()
    first = evaluate(configure("a", cache=cache), model=Parrot())
    second = evaluate(configure("b", cache=cache, batch_tokens=20, workers=1), model=model)
    assert model.calls == []
    for name in ("metrics.json", "quiz/scores.jsonl"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert second.info["speeds"]["quiz"]["cached"] == 40


def test_changed_medium_is_asked_about_again(configure: Configure, tmp_path: Path) -> None:
    evaluate(configure("a", cache=tmp_path / "cache"), model=Parrot())
    write_quiz(tmp_path / "data", texts={2: "another picture altogether"})
    model = Parrot()
    evaluate(configure("b", cache=tmp_path / "cache"), model=model)
    assert sum(model.calls) == 4


def test_missing_is_never_remembered(configure: Configure, tmp_path: Path) -> None:
    write_quiz(tmp_path / "data", texts={2: "broken"})
    evaluate(configure("a", cache=tmp_path / "cache"), model=Parrot())
    model = Parrot()
    evaluate(configure("b", cache=tmp_path / "cache"), model=model)
    assert model.calls == [4], "the broken medium's questions are tried again, in vain"


@pytest.mark.parametrize(
    "other",
    [
        key(replace(CARD, digest="other")),
        key(replace(CARD, dtype="float16")),
        key(replace(CARD, version="2")),
        key(replace(CARD, settings={"conversation": "v0"})),
        key(request=replace(REQUEST, text="Why?")),
        key(request=replace(REQUEST, max_new_tokens=17)),
        key(request=replace(REQUEST, frames=FramePolicy(max_frames=3))),
        key(request=replace(REQUEST, frames=FramePolicy(doubled=True))),
        key(digest="another picture"),
    ],
)
def test_whatever_can_change_an_answer_changes_the_key(other: str) -> None:
    assert other != key()


def test_name_of_model_and_sample_do_not_change_the_key() -> None:
    assert key(replace(CARD, name="n"), replace(REQUEST, sample_id="r")) == key()


def test_clip_bounds_change_the_key_only_where_they_are_shown() -> None:
    whole, clipped = REQUEST, replace(REQUEST, frames=FramePolicy(clip_bounds=True))
    early, late = Video("v", Path("v"), 0.0, 2.0), Video("v", Path("v"), 5.0, 7.0)
    assert request_parts(whole, early, "d") == request_parts(whole, late, "d")
    assert request_parts(clipped, early, "d") != request_parts(clipped, late, "d")


def test_video_reader_changes_the_key_of_videos_alone() -> None:
    picture, video = Image("i", Path("i")), Video("v", Path("v"))
    assert request_parts(REQUEST, picture, "d", "pyav") == request_parts(REQUEST, picture, "d", "decord")
    assert request_parts(REQUEST, video, "d", "pyav") != request_parts(REQUEST, video, "d", "decord")


def test_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path)
    cache.put("k", Response("q", "yes"))
    cache.close()
    (tmp_path / "responses.sqlite").write_bytes(b"this was a database once" * 400)
    for leftover in tmp_path.glob("responses.sqlite-*"):
        leftover.unlink()
    cache = ResponseCache(tmp_path)
    assert cache.rebuilt is not None
    assert cache.rebuilt.exists()
    assert cache.get("k", "q") is None
    cache.put("k", Response("q", "yes"))
    assert cache.get("k", "other") == Response("other", "yes")
    cache.close()


def test_frame_folder_is_known_by_its_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"a")
    cache = ResponseCache(tmp_path)
    first = cache.digest(Video("v", folder))
    (folder / "notes.txt").write_text("not a picture")
    assert cache.digest(Video("v", folder)) == first
    (folder / "2.png").write_bytes(b"b")
    assert cache.digest(Video("v", folder)) != first
    cache.close()


def damage(content: bytearray, rng: random.Random) -> bytearray:
    """Flipped bits, a lost end, or a page of zeros."""
    at = rng.randrange(len(content))
    kind = rng.choice(("flip", "cut", "zero"))
    if kind == "cut":
        return content[:at]
    if kind == "zero":
        content[at : at + 4096] = bytes(len(content[at : at + 4096]))
    else:
        for _ in range(rng.randint(1, 40)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


@pytest.mark.parametrize("seed", range(60))
def test_damage_of_any_kind_never_gives_a_wrong_answer_and_never_ends_the_cache(seed: int, tmp_path: Path) -> None:
    answers = {f"key {index}": f"answer {index} " + "x" * 200 for index in range(60)}
    cache = ResponseCache(tmp_path)
    for name, text in answers.items():
        cache.put(name, Response("q", text))
    cache.close()
    path = tmp_path / "responses.sqlite"
    path.write_bytes(damage(bytearray(path.read_bytes()), random.Random(seed)))
    cache = ResponseCache(tmp_path)
    for name, text in answers.items():
        assert cache.get(name, "q") in (None, Response("q", text))
    cache.put("new", Response("q", "yes"))
    assert cache.get("new", "q") == Response("q", "yes")
    cache.close()


def test_file_that_another_process_holds_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "BUSY_SECONDS", 0.01)
    holder = sqlite3.connect(tmp_path / "responses.sqlite", isolation_level=None)
    holder.execute("begin exclusive")
    with pytest.raises(UserError, match=r"locked.*--no-cache"):
        ResponseCache(tmp_path)
    holder.close()
    assert not list(tmp_path.glob("*.damaged"))


def test_folder_that_cannot_be_made_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--no-cache"):
        ResponseCache(tmp_path / "file" / "cache")


def test_full_disk_ends_the_cache_and_not_the_run(tmp_path: Path) -> None:
    notes: list[str] = []
    cache = ResponseCache(tmp_path, notes.append)
    assert cache._database is not None
    cache._database.execute("pragma max_page_count = 8")
    for index in range(200):
        cache.put(f"k{index}", Response("q", "x" * 1000))
    assert len(notes) == 1
    assert "full" in notes[0]
    assert cache.get("k0", "q") is None


def test_file_that_was_just_written_is_read_again_each_time(tmp_path: Path) -> None:
    path, cache = tmp_path / "picture", ResponseCache(tmp_path)
    path.write_bytes(b"one")
    written = path.stat().st_mtime_ns
    first = cache.digest(Image("i", path))
    path.write_bytes(b"two")
    os.utime(path, ns=(written, written))
    assert cache.digest(Image("i", path)) != first
    cache.close()


def test_file_that_is_older_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture"
    path.write_bytes(b"one")
    os.utime(path, ns=(10**18, 10**18))
    cache = ResponseCache(tmp_path)
    first = cache.digest(Image("i", path))
    monkeypatch.setattr("hashlib.file_digest", None)
    assert cache.digest(Image("i", path)) == first
    cache.close()


def test_file_names_that_are_no_text_are_no_obstacle(tmp_path: Path) -> None:
    path, cache = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), ResponseCache(tmp_path)
    path.write_bytes(b"one")
    assert cache.digest(Image("i", path)) == cache.digest(Image("i", path))
    cache.close()
