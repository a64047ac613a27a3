"""Requests to a judge made on the spot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.types import JudgeRequest

PROMPT = ("quiz", "0" * 64)


def asking(text: str, sample: str = "q0", **fields: Any) -> JudgeRequest:
    """A request with one user message; keyword arguments replace fields."""
    facts = {"question": "what?", "answer": "a cat", "prediction": "a cat"}
    made = JudgeRequest(sample, "first", (("user", text),), PROMPT, "verdict", facts, 0.0, 8)
    return replace(made, **fields)
