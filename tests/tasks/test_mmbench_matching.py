from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mmbench_matching import lmms_letter, server_letter
from tests.support.golden import golden_path

CHOICES = {"A": "red", "B": "a blue cat", "C": "dog"}


@pytest.mark.golden
def test_both_rules_read_every_golden_answer_as_theirs_do() -> None:
    for row in json.loads(golden_path("image", "mmbench.json").read_text())["rows"]:
        choices = {letter: row[letter] for letter in "ABCD" if row[letter] is not None}
        assert server_letter(row["prediction"], choices) == row["expect"]["vlmeval_infer"], row
        assert lmms_letter(row["prediction"], choices) == row["expect"]["lmms_infer"], row


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(B).", "B"),
        ("A dog is in the picture here", "C"),  # A stands too far from the end; the text names one option
        ("Cannot determine the answer", "Z"),
        ("Z", "Z"),
        ("Failed to obtain answer via API: B", None),
        ("A or B", None),
        ("the CORRECT ANSWER IS **b**, not A and C as one may think it was", "B"),
        ("It is a blue cat", "B"),
        ("red or dog", None),
        ("dog " * 20, None),
        ("", None),
    ],
)
def test_the_servers_rule(text: str, letter: str | None) -> None:
    assert server_letter(text, CHOICES) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("A red one", "A"),
        ("A big red one", "A"),  # not by its letter, which may be an article, but by its text
        ("A big one here", None),
        ("it is (B)", "B"),
        ("B) or C", "C"),
        ("B; yes", None),
        ("Failed to obtain answer via API", None),
    ],
)
def test_lmms_evals_rule(text: str, letter: str | None) -> None:
    assert lmms_letter(text, CHOICES) == letter


@given(
    st.one_of(st.text(), st.text("ABCDZ .:()*answer is")),
    st.dictionaries(st.sampled_from("ABCD"), st.text(min_size=1), max_size=4),
)
def test_any_text_is_read_as_a_letter_a_refusal_or_nothing(text: str, choices: dict[str, str]) -> None:
    assert server_letter(text, choices) in {*"ABCDZ", None}
    assert lmms_letter(text, choices) in {*"ABCDE", None}
