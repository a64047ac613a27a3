from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.text import gqa_answer, lmms_exact_match_form
from tests.support.golden import golden_path


@pytest.mark.golden
def test_gqa_conversion_and_exact_match_equal_the_official_tools() -> None:
    for item in json.loads(golden_path("image", "gqa.json").read_text())["items"]:
        text, answer, expect = item["text"], item["annotation"]["answer"], item["expect"]
        assert gqa_answer(text) == expect["converted"], text
        gold = lmms_exact_match_form(answer)
        assert (lmms_exact_match_form(text) == gold) == expect["lmms_exact"], text
        assert (lmms_exact_match_form(text.strip()) == gold) == expect["lmms_exact_stripped"], text


def test_only_final_periods_are_cut_and_white_space_stays() -> None:
    assert gqa_answer("St. Louis...") == "st. louis"
    assert gqa_answer(" Yes. ") == " yes. "


def test_exact_match_form_ignores_case_and_punctuation_but_not_spaces() -> None:
    assert lmms_exact_match_form("T-Shirt!") == lmms_exact_match_form("tshirt")
    assert lmms_exact_match_form(" yes") != lmms_exact_match_form("yes")


@given(st.text())
def test_any_text_has_a_form(text: str) -> None:
    assert isinstance(gqa_answer(text), str)
    assert isinstance(lmms_exact_match_form(text), str)
