"""The lines that keep a judge's replies."""

from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.judge.contract import JudgeCard, Reply
from harness.judge.judgements import content_of, judgement_line, judges_in, outcome_of_line, read_judgements
from harness.records.journal import Journal
from harness.types import JudgeRequest, Missing
from tests.support.requests import asking

CARD = JudgeCard("openai:gpt-x", "gpt-x")


def write(path: Path, *lines: tuple[JudgeCard, JudgeRequest, Reply | Missing]) -> None:
    with Journal(path) as journal:
        for card, request, outcome in lines:
            journal.append(judgement_line(card, request, outcome, cached=False))


@pytest.mark.parametrize(
    "other",
    [
        {"messages": (("user", "Another?"),)},
        {"messages": (("system", "?"),)},
        {"temperature": None},
        {"temperature": 0.7},
        {"max_tokens": None},
        {"max_tokens": 9},
    ],
)
def test_all_that_can_change_a_reply_is_in_its_content(other: dict[str, Any]) -> None:
    assert content_of(CARD, asking("?", **other)) != content_of(CARD, asking("?"))


@pytest.mark.parametrize(
    "card",
    [
        JudgeCard("openai:gpt-y", "gpt-y"),
        JudgeCard("openai:gpt-x@http://a/v1", "gpt-x", "http://a/v1"),
        JudgeCard("transformers:gpt-x", "gpt-x"),
        JudgeCard("openai:gpt-x", "gpt-x", None, {"seed": 1}),
    ],
)
def test_another_judge_is_another_content(card: JudgeCard) -> None:
    assert content_of(card, asking("?")) != content_of(CARD, asking("?"))


def test_equal_questions_about_two_samples_are_one_content() -> None:
    assert content_of(CARD, asking("?", "q0")) == content_of(CARD, asking("?", "q1", key="again", form="grade"))


def test_a_lone_surrogate_in_an_answer_has_a_content() -> None:
    assert content_of(CARD, asking("\ud800")) != content_of(CARD, asking("?"))


@pytest.mark.parametrize(
    "outcome", [Reply("yes\n", "gpt-x-1", 3, 1), Reply("", "m"), Missing("judge failed", "HTTP 500")]
)
def test_a_line_says_what_went_into_it(outcome: Reply | Missing) -> None:
    line = judgement_line(CARD, asking("?"), outcome, cached=False)
    assert outcome_of_line(line) == outcome
    assert line["content"] == content_of(CARD, asking("?"))
    assert line["parameters"] == {"temperature": 0.0, "max_tokens": 8}


def test_of_two_lines_of_a_judge_the_last_counts_and_other_judges_do_not(tmp_path: Path) -> None:
    other = JudgeCard("openai:gpt-y", "gpt-y")
    path = tmp_path / "judgements.jsonl"
    failed, late, theirs = Missing("judge failed"), Reply("yes", "gpt-x"), Reply("no", "gpt-y")
    write(path, (CARD, asking("?"), failed), (other, asking("?"), theirs), (CARD, asking("?"), late))
    assert read_judgements(path, CARD.spec) == {content_of(CARD, asking("?")): late}
    assert read_judgements(path, other.spec) == {content_of(other, asking("?")): theirs}
    assert judges_in(path) == [CARD.spec, other.spec]


def test_a_torn_last_line_is_left_out_and_a_foreign_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    write(path, (CARD, asking("?"), Reply("yes", "m")))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-9])
    assert len(read_judgements(path, CARD.spec)) == 1
    path.write_bytes(whole + b'{"id": "q0"}\n')
    with pytest.raises(UserError, match=r"judgements\.jsonl:2"):
        read_judgements(path, CARD.spec)


def test_nothing_is_known_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_judgements(tmp_path / "none.jsonl", CARD.spec) == {}
    assert judges_in(tmp_path / "none.jsonl") == []
