"""The client against a real server on a real socket: what arrives, what is tried again, what is given up."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness.endpoint import asking as module
from harness.endpoint.asking import LARGEST_REPLY, TRIES
from harness.errors import UserError
from harness.judge.client import OpenAiJudge
from harness.judge.contract import FAILED, Reply
from harness.judge.load import card_of
from harness.types import JudgeRequest, Missing
from tests.support.judge_server import MODEL, Answer, JudgeServer, judge_server

SECRET = "kept-out-of-every-file"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def requests(count: int) -> list[JudgeRequest]:
    return [
        JudgeRequest(f"s{n}", "qa", (("user", f"question {n}"),), ("qa", "0" * 64), "verdict", {}, 0.0, 16)
        for n in range(count)
    ]


def judge(server: JudgeServer, **settings: Any) -> OpenAiJudge:
    return OpenAiJudge(MODEL, server.url, **{"first_wait": 0.01, "timeout": 2.0, **settings})


def outcomes(judge: OpenAiJudge, count: int) -> dict[str, Reply | Missing]:
    return {request.sample_id: outcome for request, outcome in judge.replies(requests(count))}


def echo(body: Mapping[str, Any], before: int) -> Answer:
    return Answer(body["messages"][-1]["content"].upper())


def test_replies_carry_text_model_and_usage_and_requests_the_official_settings() -> None:
    with judge_server(echo) as server:
        found = outcomes(judge(server), 3)
    assert found == {f"s{n}": Reply(f"QUESTION {n}", MODEL, 11, 3) for n in range(3)}
    for body in server.calls:
        assert (body["model"], body["temperature"], body["max_tokens"]) == (MODEL, 0.0, 16)


def test_settings_the_official_script_leaves_open_are_not_sent() -> None:
    request = JudgeRequest("s", "qa", (("user", "q"),), ("qa", "0" * 64), "verdict", {})
    with judge_server("yes") as server:
        list(judge(server).replies([request]))
    assert set(server.calls[0]) == {"model", "messages"}


FAULTS = {
    "rate limit": Answer(status=429, headers={"Retry-After": "0.01"}),
    "server error": Answer(status=500),
    "no service": Answer(status=503),
    "malformed": Answer(raw=b'{"choices": [{"mess'),
    "no choices": Answer(raw=b'{"choices": []}'),
    "no text": Answer(raw=b'{"choices": [{"message": {"content": null}}]}'),
    "cut off": Answer("a reply that never ends", cut=20),
    "oversized": Answer("x" * (LARGEST_REPLY + 1)),
    "nested": Answer(raw=b"[" * 100_000),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_passing_faults_cost_no_reply(fault: str) -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        return FAULTS[fault] if before == 0 else echo(body, before)

    with judge_server(script) as server:
        found = outcomes(judge(server), 4)
    assert {name: outcome.text for name, outcome in found.items() if isinstance(outcome, Reply)} == {
        f"s{n}": f"QUESTION {n}" for n in range(4)
    }
    assert len(server.calls) == 8


@pytest.mark.parametrize("fault", FAULTS)
def test_lasting_faults_are_missing_after_the_last_try(fault: str) -> None:
    with judge_server(lambda body, before: FAULTS[fault] if "1" in str(body["messages"]) else Answer("yes")) as server:
        found = outcomes(judge(server, first_wait=0.001), 2)
    assert isinstance(found["s0"], Reply)
    assert isinstance(found["s1"], Missing)
    assert found["s1"].reason == FAILED
    assert len(server.calls) == 1 + TRIES


def test_retry_after_is_waited_for() -> None:
    arrived: list[float] = []

    def script(body: Mapping[str, Any], before: int) -> Answer:
        arrived.append(time.monotonic())
        return Answer(status=429, headers={"Retry-After": "0.5"}) if before == 0 else Answer("yes")

    with judge_server(script) as server:
        outcomes(judge(server), 1)
    assert arrived[1] - arrived[0] >= 0.5


def test_a_slow_reply_is_given_up_and_asked_again() -> None:
    with judge_server(lambda body, before: Answer("yes", wait=1.5 if before == 0 else 0)) as server:
        found = outcomes(judge(server, timeout=0.4), 1)
    assert isinstance(found["s0"], Reply)
    assert len(server.calls) == 2


def test_no_more_than_the_asked_requests_are_in_flight_or_drawn() -> None:
    drawn = 0

    def source() -> Iterator[JudgeRequest]:
        nonlocal drawn
        for request in requests(20):
            drawn += 1
            yield request

    with judge_server(lambda body, before: Answer("yes", wait=0.02)) as server:
        ended = 0
        for _ in judge(server, concurrency=3).replies(source()):
            assert drawn <= ended + 3
            ended += 1
    assert ended == 20
    assert server.most == 3


def test_a_prompt_the_endpoint_refuses_is_missing_at_once() -> None:
    refused = Answer("the context is too long", status=400, code="context_length_exceeded")
    with judge_server(lambda body, before: refused if "0" in str(body["messages"]) else Answer("yes")) as server:
        found = outcomes(judge(server), 2)
    assert isinstance(found["s0"], Missing)
    assert "too long" in found["s0"].detail
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=401), "refused the key"),
        (Answer(status=403), "refused the key"),
        (Answer(status=404), "no such model"),
        (Answer(status=400, code="unsupported_parameter"), "refuses a setting"),
        (Answer(status=429, code="insufficient_quota"), "no money left"),
    ],
)
def test_what_the_user_must_change_is_said_once(answer: Answer, said: str) -> None:
    with judge_server(lambda body, before: answer) as server, pytest.raises(UserError, match=said) as raised:
        outcomes(judge(server), 3)
    assert SECRET not in str(raised.value)


def test_replies_that_came_beside_a_refusal_are_kept() -> None:
    def script(body: Mapping[str, Any], before: int) -> Answer:
        return Answer(status=401, wait=0.2) if "question 3" in str(body) else Answer("yes")

    kept: list[str] = []
    with judge_server(script) as server, pytest.raises(UserError):
        kept.extend(request.sample_id for request, _ in judge(server).replies(requests(4)))
    assert sorted(kept) == ["s0", "s1", "s2"]


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with judge_server("yes") as server:
        gone = server.url
    monkeypatch.setattr(module, "TRIES", 2)
    with pytest.raises(UserError, match="is not reachable"):
        list(OpenAiJudge(MODEL, gone, first_wait=0.01).replies(requests(1)))


def test_openai_itself_needs_a_key_and_a_server_of_ones_own_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        list(OpenAiJudge("gpt-4o").replies(requests(1)))
    with judge_server("yes") as server:
        assert len(outcomes(judge(server), 1)) == 1


def test_the_card_is_the_one_its_spec_names() -> None:
    assert OpenAiJudge("m", "http://h/v1").card == card_of("openai:m@http://h/v1")
    assert OpenAiJudge("m").card == card_of("openai:m")


def test_a_generator_closed_early_leaves_no_request_behind() -> None:
    with judge_server(lambda body, before: Answer("yes", wait=0.05)) as server:
        asking = judge(server, concurrency=4).replies(requests(50))
        next(asking)
        asking.close()  # type: ignore[attr-defined]
        sent = len(server.calls)
        time.sleep(0.2)
        assert len(server.calls) == sent < 50
