"""A chat model in a local folder as a judge."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.judge.contract import FAILED, Reply
from harness.judge.load import card_of
from harness.judge.local_chat import TransformersJudge
from harness.types import JudgeRequest, Missing
from tests.support.requests import asking
from tests.support.tiny_chat import CONTEXT, NO_SYSTEM, write_tiny_chat


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_chat(tmp_path_factory.mktemp("chat"))


def replied(judge: TransformersJudge, *requests: JudgeRequest) -> list[Reply | Missing]:
    return [reply for _, reply in judge.replies(iter(requests))]


def one(judge: TransformersJudge, request: JudgeRequest) -> Reply:
    (reply,) = replied(judge, request)
    assert isinstance(reply, Reply)
    return reply


def tokens(text: str) -> int:
    """The tiny tokenizer's tokens are words."""
    return len(text.split())


def test_its_card_is_that_of_the_spec(folder: Path) -> None:
    assert TransformersJudge(folder).card == card_of(f"transformers:{folder}")


def test_tokens_are_counted_and_max_tokens_bounds_the_reply(folder: Path) -> None:
    reply = one(TransformersJudge(folder), asking("grade this", max_tokens=5))
    assert (reply.input_tokens, reply.output_tokens) == (tokens("user : grade this ; assistant :"), 5)
    assert reply.model == str(folder)


def test_a_reply_without_a_bound_ends_where_the_context_does(folder: Path) -> None:
    reply = one(TransformersJudge(folder), asking("grade this", max_tokens=None))
    assert (reply.input_tokens or 0) + (reply.output_tokens or 0) == CONTEXT


@pytest.mark.parametrize("temperature", [0.0, None, 0.9])
def test_a_reply_does_not_depend_on_what_was_asked_before_it(folder: Path, temperature: float | None) -> None:
    wanted = asking("grade this", "q9", temperature=temperature)
    alone = one(TransformersJudge(folder), wanted)
    before = [asking("be strict " * number, f"q{number}", temperature=0.9) for number in range(3)]
    assert replied(TransformersJudge(folder), *before, wanted)[-1] == alone


def test_without_a_temperature_it_is_greedy(folder: Path) -> None:
    judge = TransformersJudge(folder)
    greedy, open_, hot = (one(judge, asking("grade", temperature=value, max_tokens=30)) for value in (0.0, None, 5.0))
    assert greedy == open_
    assert greedy != hot


def test_a_template_without_a_system_role_gets_its_text_with_the_users(tmp_path: Path, folder: Path) -> None:
    messages = (("system", "be strict"), ("user", "grade this"))
    refusing = TransformersJudge(write_tiny_chat(tmp_path / "refusing", NO_SYSTEM))
    folded = one(refusing, asking("", messages=messages))
    assert folded.text == one(refusing, asking("be strict\n\ngrade this")).text
    assert folded.input_tokens == tokens("user : be strict grade this ; assistant :")
    kept = one(TransformersJudge(folder), asking("", messages=messages))
    assert kept.input_tokens == len(
        ["system", ":", "be", "strict", ";", "user", ":", "grade", "this", ";", "assistant", ":"]
    )


def test_a_prompt_longer_than_the_context_is_missing_and_the_next_one_is_judged(folder: Path) -> None:
    long, short = replied(TransformersJudge(folder), asking("word " * CONTEXT), asking("word"))
    assert isinstance(long, Missing)
    assert long.reason == FAILED
    assert "context" in long.detail
    assert isinstance(short, Reply)


def test_a_folder_that_holds_no_chat_model_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no chat model that transformers can load"):
        replied(TransformersJudge(tmp_path), asking("?"))
    plain = write_tiny_chat(tmp_path / "plain", template=None)
    with pytest.raises(UserError, match="no chat template"):
        replied(TransformersJudge(plain), asking("?"))


def test_weights_that_are_torn_are_refused(tmp_path: Path) -> None:
    write_tiny_chat(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match="no chat model that transformers can load"):
        replied(TransformersJudge(tmp_path), asking("?"))


def test_nothing_is_loaded_before_something_is_asked(tmp_path: Path) -> None:
    assert replied(TransformersJudge(tmp_path)) == []
