"""Text normalisers of short answers. Each is total: any string in, a string out."""

from __future__ import annotations

import string

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def gqa_answer(text: str) -> str:
    """A model's text as LLaVA hands it to the GQA scorer: final periods cut, lower case, white space kept.

    " yes" therefore stays wrong where the gold answer is "yes", as in LLaVA's conversion script.
    """
    return text.rstrip(".").lower()


def lmms_exact_match_form(text: str) -> str:
    """What lmms-eval's `exact_match` compares when case and punctuation are ignored: "T-shirt." becomes "tshirt"."""
    return text.lower().translate(_NO_PUNCTUATION)
