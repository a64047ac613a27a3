from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.choice import gold_letter, option_letters
from tasks.multiple_choice import llava_mini_prompt, option_lines, split_options, verdict, with_options
from tests.support.golden import golden_path


@pytest.mark.golden
def test_prompts_and_gold_letters_equal_the_released_texts() -> None:
    for case in json.loads(golden_path("video", "prompt_format.json").read_text())["mc"]:
        question, candidates = case["question"], case["candidates"]
        assert llava_mini_prompt(question, candidates) == case["llava_mini_user_text_without_image"]
        assert f"({gold_letter(candidates, case['answer'])}) {case['answer']}" == case["gt_string"]
        lmms = (
            with_options(question, candidates, head="Question:", list_head="Option:") + "\nOnly give the best option.\n"
        )
        assert lmms == case["lmms_mvbench_text"]


@pytest.mark.golden
def test_verdicts_equal_the_released_figures() -> None:
    for case in json.loads(golden_path("video", "mc_parse.json").read_text()):
        values = verdict(case["pred"], len(case["candidates"]), case["gt"][1]).values
        assert values["official_strict"] == case["llava_mini_check_ans"], case
        assert values["official_jsonl"] == case["llava_mini_jsonl_acc"], case
        if not values["unparsed"]:
            assert values["accuracy"] == values["official_jsonl"], case


def test_an_answer_without_letter_is_unparsed_and_wrong_even_where_a_is_right() -> None:
    score = verdict("none of them", 4, "A")
    assert (score.values["accuracy"], score.values["unparsed"], score.values["official_jsonl"]) == (0.0, 1.0, 1.0)
    assert score.detail == {"letter": None}


@pytest.mark.parametrize("form", ["({}) {}", "{}. {}", "{}) {}", "{}: {}", " ({})  {} "])
def test_options_in_a_text_are_found_again(form: str) -> None:
    candidates = ("a red car", "two: dogs", "B")
    lines = "\n".join(form.format(letter, text) for letter, text in zip("ABC", candidates, strict=True))
    assert split_options(f"What is it?\nLook well.\n{lines}\n") == ("What is it?\nLook well.", candidates)


@pytest.mark.parametrize("text", ["What is it?", "(B) x\n(C) y", "Which?\n(A) x\n(C) y", "", "(A) x\nno option"])
def test_a_text_that_does_not_end_with_options_from_a_on_has_none(text: str) -> None:
    assert split_options(text) == (text, ())


ONE_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])).map(str.strip)


@given(ONE_LINE.map("What {}?".format), st.lists(ONE_LINE, min_size=1, max_size=6))
def test_splitting_undoes_joining(question: str, candidates: list[str]) -> None:
    assert split_options(f"{question}\n{option_lines(candidates)}") == (question, tuple(candidates))


@given(st.text(), st.integers(0, 30), st.sampled_from("ABCDE@"))
def test_any_text_gets_a_verdict(text: str, options: int, gold: str) -> None:
    score = verdict(text, options, gold)
    assert set(score.values.values()) <= {0.0, 1.0}
    assert score.values["unparsed"] == (not set(text) & set(option_letters(options)))
