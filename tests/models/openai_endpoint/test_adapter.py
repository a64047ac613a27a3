"""A model behind a real server on a real socket: what is sent, what comes back, what is given up."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from harness.endpoint import asking
from harness.endpoint.prices import Price
from harness.engine.local import LocalExecutor, Outcome
from harness.errors import UnknownName, UserError
from harness.media.workers import PreparePool
from harness.model import Model
from harness.types import Group, Image, Missing, Request, Response, Video
from models import load_model, preset_of
from models.openai_endpoint import adapter as module
from tests.support.judge_server import MODEL, Answer, judge_server
from tests.support.media import write_video


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "kept-out-of-every-file")
    monkeypatch.setattr(asking, "FIRST_WAIT", 0.01)


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    """Two pictures with three questions each."""
    found = []
    for name in ("p", "q"):
        pixels = np.random.default_rng(len(found)).integers(0, 256, (40, 50, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        asked = tuple(Request(f"{name}{at}", f"question {name}{at}", 7) for at in range(3))
        found.append(Group(Image(name, tmp_path / f"{name}.png"), asked))
    return found


def model(url: str, **options: Any) -> Model:
    return load_model(f"openai:{MODEL}@{url}", options=options)


def run(adapter: Model, groups: list[Group]) -> dict[str, Response | Missing]:
    with PreparePool(adapter.preparer(), 0, 60, 2**20) as pool:
        outcomes: list[Outcome] = list(LocalExecutor(adapter, pool, 10**6).run(groups))
    assert len(outcomes) == sum(len(group.requests) for group in groups)
    return {one.sample_id: one.result for one in outcomes}


def echo(body: Mapping[str, Any], before: int) -> Answer:
    return Answer(f" said to {body['messages'][0]['content'][-1]['text']} ")


def test_each_question_is_sent_with_its_picture_and_the_answer_kept_with_its_counts(groups: list[Group]) -> None:
    with judge_server(echo) as server:
        found = run(model(server.url, detail="low"), groups)
    assert {name: one.text for name, one in found.items() if isinstance(one, Response)} == {
        request.sample_id: f"said to {request.text}" for group in groups for request in group.requests
    }
    assert {(one.text_tokens, one.output_tokens, one.frames) for one in found.values()} == {(11, 3, 1)}  # type: ignore[union-attr]
    call = next(one for one in server.calls if one["messages"][0]["content"][-1]["text"] == "question q1")
    assert {key: call[key] for key in ("model", "temperature", "max_tokens")} == {
        "model": MODEL,
        "temperature": 0,
        "max_tokens": 7,
    }
    (picture, _), media = call["messages"][0]["content"], groups[1].media
    assert media is not None
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert (kind, picture["image_url"]["detail"]) == ("data:image/png;base64", "low")
    sent = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(sent, np.asarray(PIL.Image.open(str(media.source))))


def test_video_travels_as_its_frames_and_text_alone_as_text(tmp_path: Path) -> None:
    video = Video("v", write_video(tmp_path / "v.mp4", frames=60, fps=10))
    asked = [Group(video, (Request("v", "what moves?"),)), Group(None, (Request("t", "two plus two?"),))]
    with judge_server("four") as server:
        found = run(model(server.url, frames=4), asked)
    contents = {str(call["messages"][0]["content"])[:20]: call["messages"][0]["content"] for call in server.calls}
    assert "two plus two?" in contents.values()
    (frames,) = (one for one in contents.values() if isinstance(one, list))
    assert [part["type"] for part in frames] == ["image_url"] * 4 + ["text"]
    assert {name: one.frames for name, one in found.items() if isinstance(one, Response)} == {"v": 4, "t": 0}


def test_trouble_passes_and_what_stays_costs_its_sample_alone(groups: list[Group]) -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        text = body["messages"][0]["content"][-1]["text"]
        if text.endswith("p1"):
            return Answer("no such thing", status=400)
        if text.endswith("q2"):
            return Answer(raw=b'{"choices": []}')
        return Answer("yes") if before else Answer(status=429, headers={"retry-after": "0"})

    with judge_server(script) as server:
        found = run(model(server.url), groups)
    lost = {name: one for name, one in found.items() if isinstance(one, Missing)}
    assert set(lost) == {"p1", "q2"}
    assert {one.reason for one in lost.values()} == {"no reply from the endpoint"}
    assert "no such thing" in lost["p1"].detail


def test_unreadable_picture_costs_its_group_alone(groups: list[Group], tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"")
    with judge_server("yes") as server:
        found = run(model(server.url), groups)
    assert {name for name, one in found.items() if isinstance(one, Missing)} == {"p0", "p1", "p2"}


def test_request_beyond_the_limit_is_missing_and_never_sent(groups: list[Group]) -> None:
    with judge_server("yes") as server:
        found = run(model(server.url, request_bytes=100), groups)
    assert {one.reason for one in found.values() if isinstance(one, Missing)} == {"request too large"}
    assert not server.calls


def test_server_that_takes_no_pictures_is_said_at_once(groups: list[Group]) -> None:
    refuses = Answer("this model is not multimodal: image_url is not supported", status=400)
    with judge_server(lambda body, before: refuses) as server:
        with pytest.raises(UserError, match="refuses pictures; serve a model that sees"):
            run(model(server.url, concurrency=2), groups)
        assert len(server.calls) <= 2


def test_server_that_fails_on_everything_ends_the_run(groups: list[Group], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOST_IN_A_ROW", 4)
    with (
        judge_server(lambda body, before: Answer("bad", status=400)) as server,
        pytest.raises(UserError, match=r"4 requests in a row had no reply.*bad"),
    ):
        run(model(server.url), groups)


def test_budget_stops_before_more_is_spent_and_keeps_what_was_paid(
    groups: list[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_prices", lambda: {MODEL: Price(0.0, 1e6 / 3)})  # a dollar an answer
    with judge_server("yes") as server:
        adapter = model(server.url, max_cost=2, concurrency=1)
        kept = []
        with (
            PreparePool(adapter.preparer(), 0, 60, 2**20) as pool,
            pytest.raises(UserError, match="USD are spent"),
        ):
            kept.extend(LocalExecutor(adapter, pool, 10**6).run(groups))
    assert (len(kept), len(server.calls)) == (2, 2)
    assert adapter.notes() == (f"openai:{MODEL}@{server.url}: 22 tokens in, 6 out, about 2.00 USD",)


def test_no_more_than_concurrency_are_in_flight_and_none_before_its_turn(groups: list[Group]) -> None:
    with judge_server(lambda body, before: Answer("yes", wait=0.05)) as server:
        run(model(server.url, concurrency=3), groups)
        assert 1 < server.most <= 3
        server.most = 0
        run(model(server.url, concurrency=6, a_minute=60 / 0.2), groups)
        assert server.most == 1


def test_parameters_are_the_requests_own_and_null_takes_one_out(groups: list[Group]) -> None:
    with judge_server("yes") as server:
        run(model(server.url, parameters={"max_tokens": None, "max_completion_tokens": 9}), groups[:1])
    assert all("max_tokens" not in call and call["max_completion_tokens"] == 9 for call in server.calls)


def test_card_tells_what_can_change_an_answer_and_nothing_else() -> None:
    one, other = (model("http://h/v1", concurrency=n) for n in (1, 9))
    assert one.card == other.card
    assert model("http://h/v1", detail="high").card.settings != one.card.settings
    assert model("http://g/v1").card.digest != one.card.digest
    assert "kept-out-of-every-file" not in str(one.card)


def test_what_cannot_be_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'concurrency'"):
        preset_of("openai:m@http://h/v1", {"concurency": 3})
    with pytest.raises(UserError, match="names no model"):
        load_model("openai")
    with pytest.raises(UserError, match="the price of m is not known"):
        load_model("openai:m@http://h/v1", options={"max_cost": 1})
    with pytest.raises(UserError, match="--device and --dtype are the server's"):
        load_model("openai:m@http://h/v1", device="cpu")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="openai:gpt-4o-2024-08-06 needs a key"):
        load_model("gpt-4o")
