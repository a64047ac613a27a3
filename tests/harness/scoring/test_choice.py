from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.choice import (
    NO_OPTION,
    first_letter,
    gold_letter,
    lmms_mlvu_letter,
    lmms_mvbench_letter,
    option_letters,
    strictly_correct,
    videochat2_correct,
)
from tests.support.golden import golden_path

ANSWERS = st.one_of(st.text(), st.text("ABCDEabcd ().:,\n'*"), st.sampled_from(["the answer is (B)", "I choose"]))


def cases() -> list[dict[str, Any]]:
    return json.loads(golden_path("video", "mc_parse.json").read_text())


@pytest.mark.golden
def test_first_letter_equals_the_released_rule_but_for_its_default() -> None:
    for case in cases():
        letters = option_letters(len(case["candidates"]))
        letter = first_letter(case["pred"], letters) or "A"
        assert letter == case["llava_mini_first_char"], case
        assert (letter == case["gt"][1]) == case["llava_mini_jsonl_acc"], case
        index = "ABCDE".find(first_letter(case["pred"], "ABCDE") or "none")
        assert index == case["llava_mini_egoschema_index"], case


@pytest.mark.golden
def test_official_right_or_wrong_rules_agree_on_every_case() -> None:
    for case in cases():
        pred, gold = case["pred"], case["gt"][1]
        assert strictly_correct(pred, gold) == case["llava_mini_check_ans"], case
        assert videochat2_correct(pred, gold) == case["ask_anything_check_ans_raw"], case
        as_in_the_notebook = "(" + pred.strip().split("\n")[0]
        assert videochat2_correct(as_in_the_notebook, gold) == case["ask_anything_check_ans_with_prefix"], case


@pytest.mark.golden
def test_lmms_eval_letters_agree_on_every_case() -> None:
    for case in cases():
        assert lmms_mlvu_letter(case["pred"]) == case["lmms_mlvu_letter"], case
        assert (lmms_mvbench_letter(case["pred"]) == case["gt"][1]) == case["lmms_mvbench_score"], case


@pytest.mark.parametrize(
    ("text", "letter"),
    [("B", "B"), ("(C) a cat", "C"), ("A person, so B", "A"), ("Cat", "C"), ("b", None), ("", None), ("N/F", None)],
)
def test_first_letter_is_the_first_option_letter_or_unparsed(text: str, letter: str | None) -> None:
    assert first_letter(text, "ABCD") == letter


def test_letters_outside_the_options_are_not_read() -> None:
    assert first_letter("C or B", "AB") == "B"


def test_gold_is_the_last_matching_option_and_no_option_if_none_matches() -> None:
    assert gold_letter(["cat", "dog", "cat"], "cat") == "C"
    assert gold_letter(["cat", "dog"], "Cat") == NO_OPTION


@pytest.mark.parametrize("text", [NO_OPTION, f"({NO_OPTION})", "", "A"])
def test_an_item_without_right_option_is_never_right(text: str) -> None:
    assert first_letter(text, "ABCD") != NO_OPTION
    assert not strictly_correct(text, NO_OPTION)
    assert not videochat2_correct(text, NO_OPTION)


@given(ANSWERS, st.integers(0, 26), st.sampled_from("ABCD@"))
def test_no_text_makes_a_rule_raise(text: str, options: int, gold: str) -> None:
    letters = option_letters(options)
    assert first_letter(text, letters) in {None, *letters}
    assert lmms_mlvu_letter(text) in {"", *"ABCD"}
    assert lmms_mvbench_letter(text) in {None, *"ABCDE"}
    assert strictly_correct(text, gold) in {True, False}
    assert videochat2_correct(text, gold) in {True, False}


@given(st.lists(st.text(max_size=3), max_size=30), st.text(max_size=3))
def test_gold_letter_names_an_option_with_the_answer(candidates: list[str], answer: str) -> None:
    letter = gold_letter(candidates, answer)
    assert letter == NO_OPTION or candidates["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter)] == answer
