"""Which option an MMBench answer names: the rules of the OpenCompass server (VLMEvalKit) and of lmms-eval, no judge.

Both end by asking GPT where their rules find nothing; here that is None, which counts as wrong, as under VLMEvalKit's
`exact_matching`. Both are total. `choices` maps the letters A to D that an item has to its option texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

REFUSAL = "Z"
"""What a refusal is read as: an answer that is never right."""

_FAILED_CALL = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_SEPARATORS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_ANNOUNCED = re.compile(r"(?:correct )?answer is \**([A-D])\**", re.IGNORECASE)
_LMMS_LETTERS = "ABCDE"
_LMMS_AFFIXES = (
    ("", "."),
    ("", ","),
    ("", ":"),
    ("", ")"),
    ("", ")."),
    ("(", ")"),
    ("(", ")."),
    (":", ""),
    (":", ","),
    (":", "."),
    (":", ")"),
    (":", ")."),
)


def server_letter(text: str, choices: Mapping[str, str]) -> str | None:
    """VLMEvalKit's `can_infer`: a letter of `choices`, `REFUSAL`, or None where the server would ask GPT.

    1. A known refusal, or a lone Z where no option letter stands alone, is `REFUSAL`.
    2. Just one option letter stands alone, with punctuation as spaces, and first among the last four words.
    3. "answer is X" in any case, X from A to D, bold or not.
    4. Just one option text occurs in the text, which is at most twice as long as all options together.
    """
    if _FAILED_CALL in text:
        return None
    if any(refusal in text for refusal in _REFUSALS):
        return REFUSAL
    words = text.translate(_SEPARATORS).split()
    alone = [letter for letter in choices if letter in words]
    if len(alone) == 1 and words.index(alone[0]) > len(words) - 5:
        return alone[0]
    if not alone and REFUSAL in words:
        return REFUSAL
    if announced := _ANNOUNCED.search(text):
        return announced.group(1).upper()
    if len(text.lower()) > 2 * sum(map(len, choices.values())):
        return None
    return _only(_named(text, choices))


def lmms_letter(text: str, choices: Mapping[str, str]) -> str | None:
    """lmms-eval's older form of it, over words split at white space; None where it would ask GPT.

    1. Just one of A to E stands alone, but not where "A" is among more than three words and may be an article.
    2. Just one of them stands with one of twelve affixes, tried in turn: "B.", "B,", "B:", "B)", "(B)", ":B" and so on.
    3. Just one option text occurs in the text.
    """
    if _FAILED_CALL in text:
        return None
    words = text.split()
    alone = [letter for letter in _LMMS_LETTERS if letter in words]
    if len(alone) == 1 and not ("A" in words and len(words) > 3):
        return alone[0]
    for before, after in _LMMS_AFFIXES:
        if letter := _only([letter for letter in _LMMS_LETTERS if f"{before}{letter}{after}" in words]):
            return letter
    return _only(_named(text, choices))


def _named(text: str, choices: Mapping[str, str]) -> Sequence[str]:
    text = text.lower()
    return [letter for letter, option in choices.items() if option.lower() in text]


def _only(found: Sequence[str]) -> str | None:
    return found[0] if len(found) == 1 else None
