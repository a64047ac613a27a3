"""The batch API against a real server: submitted once, read once, whatever happens in between."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.judge import batch as module
from harness.judge.batch import OpenAiBatchJudge
from harness.judge.contract import FAILED, Reply
from harness.judge.load import card_of
from harness.types import JudgeRequest, Missing
from tests.support.judge_server import MODEL, Answer, JudgeServer, judge_server


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    return tmp_path / "judge-batch.json"


def requests(count: int) -> list[JudgeRequest]:
    return [
        JudgeRequest(f"s{n}", "qa", (("user", f"question {n}"),), ("qa", "0" * 64), "verdict", {}, 0.0, 16)
        for n in range(count)
    ]


def judge(server: JudgeServer, state: Path) -> OpenAiBatchJudge:
    return OpenAiBatchJudge(MODEL, server.url, state, poll=0.01)


def outcomes(judge: OpenAiBatchJudge, count: int) -> dict[str, Reply | Missing]:
    return {request.sample_id: outcome for request, outcome in judge.replies(requests(count))}


def echo(body: Mapping[str, Any], before: int) -> Answer:
    return Answer(body["messages"][-1]["content"].upper())


def test_replies_are_those_of_single_requests_and_no_state_is_left(state: Path) -> None:
    with judge_server(echo) as server:
        server.polls_needed = 3
        found = outcomes(judge(server, state), 3)
    assert found == {f"s{n}": Reply(f"QUESTION {n}", MODEL, 11, 3) for n in range(3)}
    assert not state.exists()
    assert judge(server, state).card == card_of(f"openai:{MODEL}@{server.url}")


def test_many_requests_are_split_at_the_limits(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REQUESTS", 4)
    with judge_server(echo) as server:
        assert len(outcomes(judge(server, state), 10)) == 10
    sizes = [len(server.files[one["input_file_id"]].splitlines()) for one in server.batches.values()]
    assert sizes == [4, 4, 2]


def test_large_requests_are_split_by_bytes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 600)
    with judge_server(echo) as server:
        assert len(outcomes(judge(server, state), 6)) == 6
    assert len(server.batches) > 1
    assert all(len(server.files[one["input_file_id"]]) <= 600 for one in server.batches.values())


class _Stopped(BaseException):
    """A process that dies."""


def test_what_was_submitted_is_not_submitted_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(seconds: float) -> None:
        raise _Stopped

    with judge_server(echo) as server:
        server.polls_needed = 3
        with monkeypatch.context() as patch:
            patch.setattr(module.time, "sleep", die)
            with pytest.raises(_Stopped):
                outcomes(judge(server, state), 3)
        found = outcomes(judge(server, state), 5)
    assert sorted(found) == [f"s{n}" for n in range(5)]
    sizes = [len(server.files[one["input_file_id"]].splitlines()) for one in server.batches.values()]
    assert sizes == [3, 2]


def test_a_batch_whose_id_was_never_written_down_is_found_by_its_mark(state: Path) -> None:
    with judge_server(echo) as server:
        first = judge(server, state)
        write, written = first._write, []

        def dying(batches: Mapping[str, Any]) -> None:
            if any(one["id"] for one in batches.values()):
                raise _Stopped
            write(batches)
            written.append(batches)

        first._write = dying  # type: ignore[method-assign]
        with pytest.raises(_Stopped):
            outcomes(first, 3)
        assert len(outcomes(judge(server, state), 3)) == 3
    assert written
    assert len(server.batches) == 1


@pytest.mark.parametrize("end", ["expired", "failed", "cancelled"])
def test_a_batch_that_ends_without_replies_is_missing_and_asked_anew_by_the_next_run(state: Path, end: str) -> None:
    with judge_server(echo) as server:
        server.batch_end = end
        found = outcomes(judge(server, state), 2)
        assert {one.reason for one in found.values() if isinstance(one, Missing)} == {FAILED}
        server.batch_end = "completed"
        assert all(isinstance(one, Reply) for one in outcomes(judge(server, state), 2).values())
    assert len(server.batches) == 2


def test_single_requests_that_fail_in_a_batch_are_missing_with_what_was_said(state: Path) -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        return Answer("too long", status=400) if "1" in str(body["messages"]) else echo(body, before)

    with judge_server(script) as server:
        found = outcomes(judge(server, state), 3)
    assert isinstance(found["s0"], Reply)
    assert isinstance(found["s1"], Missing)
    assert "too long" in found["s1"].detail


def test_replies_already_taken_are_not_given_again(state: Path) -> None:
    with judge_server(echo) as server:
        asking = judge(server, state).replies(requests(3))
        taken, _ = next(asking)
        asking.close()  # type: ignore[attr-defined]
        left = [one for one in requests(3) if one.sample_id != taken.sample_id]
        again = {request.sample_id for request, _ in judge(server, state).replies(left)}
    assert again == {one.sample_id for one in left}
    assert len(server.batches) == 1


def test_the_state_of_another_judge_is_refused(state: Path) -> None:
    state.write_text(json.dumps({"judge": "openai:other", "batches": {}}))
    with judge_server(echo) as server, pytest.raises(UserError, match="openai:other"):
        outcomes(judge(server, state), 1)


def test_an_endpoint_without_a_batch_api_is_said(state: Path) -> None:
    with judge_server(echo) as server:
        url = server.url + "/nowhere"
        with pytest.raises(UserError, match="--judge"):
            list(OpenAiBatchJudge(MODEL, url, state).replies(requests(1)))
