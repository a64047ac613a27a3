"""The rules judge: what it holds to be right, and that no text stops it."""

from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.contract import Reply
from harness.judge.load import card_of
from harness.judge.rules import RulesJudge, held, judged
from harness.types import JudgeRequest
from tests.support.requests import asking

FORMS = get_args(get_type_hints(JudgeRequest)["form"])


@pytest.mark.parametrize(
    ("reference", "answer", "share"),
    [
        ("a red car", "It is a red car.", 1.0),
        ("The Red Car", "red car", 1.0),
        ("red car", "a car that is red", 0.9),
        ("red car", "a blue car", 0.5),
        ("red car", "a dog", 0.0),
        ("cat", "a category", 0.0),
        ("dog<OR>puppy", "one puppy", 1.0),
        ("dog<AND>cat", "one dog", 0.5),
        ("dog<AND>cat<OR>bird", "bird", 1.0),
        ("the", "the", 1.0),
        ("", "", 1.0),
        ("", "something", 0.0),
    ],
)
def test_an_answer_holds_the_reference_by_its_words(reference: str, answer: str, share: float) -> None:
    assert held(reference, answer) == share


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [
        ("verdict", "{'pred': 'yes', 'score': 5}", "{'pred': 'no', 'score': 0}"),
        ("score", "{'score': 5}", "{'score': 0}"),
        ("pair", "8 8\nShare of the words.", "8 1\nShare of the words."),
        ("grade", "1.0", "0.0"),
    ],
)
def test_the_reply_has_the_form_that_the_prompt_asks_for(form: str, right: str, wrong: str) -> None:
    facts = {"question": "?", "answer": "cat", "prediction": "a cat"}
    assert judged(asking("?", form=form, facts=facts)) == right
    assert judged(asking("?", form=form, facts=facts | {"prediction": "dog"})) == wrong


def test_consistency_is_as_good_as_the_worse_of_both_answers() -> None:
    facts = {"question_1": "?", "question_2": "?", "answer": "cat", "prediction_1": "a cat", "prediction_2": "a dog"}
    assert judged(asking("?", form="score", facts=facts)) == "{'score': 0}"
    assert judged(asking("?", form="score", facts=facts | {"prediction_2": "cat"})) == "{'score': 5}"


def test_replies_come_in_order_under_the_card_that_the_spec_names() -> None:
    requests = [asking("?", f"q{number}") for number in range(3)]
    judge = RulesJudge()
    replies = list(judge.replies(iter(requests)))
    assert [request for request, _ in replies] == requests
    assert all(isinstance(reply, Reply) and reply.model == "rules" for _, reply in replies)
    assert judge.card == card_of("rules")


@given(answer=st.text(), prediction=st.text(), form=st.sampled_from(FORMS))
def test_no_text_stops_it(answer: str, prediction: str, form: str) -> None:
    facts = {"question": "", "answer": answer, "prediction": prediction}
    assert judged(asking("", form=form, facts=facts))
    assert 0 <= held(answer, prediction) <= 1
    assert held(answer, answer) == 1.0
