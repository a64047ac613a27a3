"""The instructions LLaVA ends its image prompts with, and its list of options: part of the protocol, to the byte."""

from __future__ import annotations

from collections.abc import Sequence

from harness.scoring.choice import option_letters

SHORT_ANSWER = "Answer the question using a single word or phrase."
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."
LETTER_ANSWER = "Answer with the option's letter from the given choices directly."


def lettered(options: Sequence[str]) -> str:
    """'A. text' lines."""
    return "\n".join(f"{letter}. {text}" for letter, text in zip(option_letters(len(options)), options, strict=False))
