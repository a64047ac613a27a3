from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.vqa import (
    agreement,
    lmms_vqa_answer,
    m4c_answer,
    official_vqa_accuracy,
    plain_mean,
    printed_percent,
    vizwiz_answer,
    vqa_answer,
)
from harness.scoring.vqa_tables import PUNCTUATION
from tests.support.golden import golden_path, published_path

FORMS = {"m4c": m4c_answer, "vqa_punct_digit": vqa_answer, "m4c_punct_digit": lmms_vqa_answer, "vizwiz": vizwiz_answer}
PIECES = st.sampled_from([*PUNCTUATION, *" .,'\n\t\u2019", "a", "the", "ten", "dont", "it's", "1,000", "3.5", "Yes"])
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))
REFERENCES = st.lists(TEXTS, min_size=1, max_size=12)


@pytest.mark.golden
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_the_official_one(form: str) -> None:
    for item in json.loads(golden_path("image", "vqa_normalizer.json").read_text())["items"]:
        assert FORMS[form](item["text"]) == item[form], item


@pytest.mark.published
def test_m4c_form_reproduces_llavas_uploaded_answers() -> None:
    data = json.loads(published_path("vizwiz_submission_llava15_13b.json").read_text())
    assert [text for text, uploaded in data["pairs"] if m4c_answer(text) != uploaded] == []


@pytest.mark.parametrize(
    ("text", "vqa", "m4c"),
    [
        ("1,000", "1000", "1000"),
        ("it's", "it's", "it 's"),
        ("red,blue", "red blue", "redblue"),
        ("red, blue", "red blue", "red blue"),
        ("black-and-white", "black and white", "black and white"),
        ("black-and-white 1,0", "blackandwhite 10", "black and white 10"),
        ("A dog - the dog-house", "dog doghouse", "dog doghouse"),
        ("3.5.", "3.5", "3.5"),
        ("None", "0", "0"),
        ("eleven", "eleven", "eleven"),
        ("dont", "don't", "don't"),
        ("Im", "im", "im"),
    ],
)
def test_forms_by_example(text: str, vqa: str, m4c: str) -> None:
    assert (vqa_answer(text), m4c_answer(text)) == (vqa, m4c)


def test_only_32_periods_go() -> None:
    assert vqa_answer("." * 40) == "." * 8


def test_several_commas_between_digits_count_for_lmms_eval_alone() -> None:
    assert lmms_vqa_answer("a-b 1,,0") == "ab 10"
    assert vqa_answer("a-b 1,,0") == "b 1 0"


@pytest.mark.parametrize(("same", "value"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_agreement_of_ten(same: int, value: float) -> None:
    references = ["red"] * same + [f"other {number}" for number in range(10 - same)]
    assert agreement("red", references) == pytest.approx(value, abs=1e-12)


def test_unanimous_answers_are_compared_as_they_stand() -> None:
    assert official_vqa_accuracy("Yes", ["yes"] * 10) == 0.0
    assert official_vqa_accuracy(" yes\n", ["yes"] * 10) == 1.0
    assert official_vqa_accuracy("Yes", ["yes"] * 9 + ["no"]) == 1.0
    assert official_vqa_accuracy("two", ["2"] * 10) == 0.0


def test_means_add_up_from_left_to_right_so_that_ties_round_as_printed() -> None:
    values = [0.1] * 10
    assert plain_mean(values) == 0.09999999999999999
    assert printed_percent([0.3, 0.6, 1.0]) == 63.33


@given(TEXTS, REFERENCES)
def test_any_text_has_a_value_between_0_and_1(text: str, references: list[str]) -> None:
    assert 0.0 <= official_vqa_accuracy(text, references) <= 1.0
    for form in FORMS.values():
        assert 0.0 <= agreement(form(text), [form(reference) for reference in references]) <= 1.0


@given(TEXTS)
def test_forms_hold_no_line_breaks_or_outer_space(text: str) -> None:
    for form in FORMS.values():
        assert form(text) == " ".join(form(text).split())


@given(TEXTS, REFERENCES)
def test_order_of_the_annotators_does_not_matter(text: str, references: list[str]) -> None:
    assert official_vqa_accuracy(text, references[::-1]) == pytest.approx(official_vqa_accuracy(text, references))


@given(st.lists(st.sampled_from(["red", "blue", "green"]), min_size=10, max_size=10), st.integers(0, 9))
def test_one_more_of_ten_who_agrees_never_lowers_the_value(references: list[str], place: int) -> None:
    more = [*references[:place], "red", *references[place + 1 :]]
    assert agreement("red", more) >= agreement("red", references) - 1e-12


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_wrong_answer_never_raises_the_mean(values: list[float]) -> None:
    assert plain_mean([*values, 0.0]) <= plain_mean(values) + 1e-12
