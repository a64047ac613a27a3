"""What looks like a secret does not get through; what does not is left alone."""

from __future__ import annotations

import pytest

from harness.records.redaction import redacted


@pytest.mark.parametrize("name", ["SOME_API_KEY", "HF_TOKEN", "aws_secret", "DB_PASSWORD"])
def test_value_of_a_secret_variable_is_removed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "correct horse")
    assert redacted("401: correct horse is wrong") == "401: *** is wrong"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("token hf_" + "a" * 34 + ".", "token ***."),
        ("sk-proj-" + "A1_-" * 10, "***"),
        ("http://user:pass@host/v1", "http://***@host/v1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ],
)
def test_text_in_the_form_of_a_secret_is_removed(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text", ["", "/data/risk-assessment-of-something-long/x.jpg", "task-" + "a" * 40, "http://host:8000/v1", "hf_hub"]
)
def test_other_text_is_left_alone(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY_KEY", "")
    monkeypatch.setenv("SHORT_KEY", "x")
    assert redacted(text) == text
