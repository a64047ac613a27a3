"""The response cache: same key, same answer; another key for whatever could change an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.cache import ResponseCache, cache_key, model_parts, request_parts
from harness.engine.run import evaluate
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
