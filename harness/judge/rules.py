"""The built-in judge: fixed rules on words instead of a language model, for offline use and always labelled "rules".

It answers in the form each prompt asks for, so its replies go the way of any judge's. An answer is right if it holds
the reference; how good it is, is the share of the reference's words that it holds. Such numbers are stable and free,
and no substitute for a language model's: they are compared only with each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.judge.contract import JudgeCard, Reply
from harness.types import JudgeRequest, Missing

NAME = "rules"
_WORD = re.compile(r"\w+")
_SKIPPED = {"a", "an", "the", "is", "are", "was", "it", "of", "to", "and", "in", "on"}
_REFERENCE_RATING = 8


class RulesJudge:
    """No settings, no state, no failures."""

    card = JudgeCard(spec=NAME, model=NAME)

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        """In the order of the requests, at once."""
        for request in requests:
            yield request, Reply(judged(request), NAME)


def judged(request: JudgeRequest) -> str:
    """The reply to one request, in the form it asks for."""
    facts = request.facts
    if "prediction_1" in facts:  # consistency: both answers must hold the reference
        shares = [held(facts["answer"], facts[f"prediction_{number}"]) for number in (1, 2)]
        share = min(shares)
    else:
        share = held(facts["answer"], facts["prediction"])
    match request.form:
        case "verdict":
            return f"{{'pred': '{'yes' if share == 1.0 else 'no'}', 'score': {round(5 * share)}}}"
        case "score":
            return f"{{'score': {round(5 * share)}}}"
        case "pair":
            return f"{_REFERENCE_RATING} {max(1, round(_REFERENCE_RATING * share))}\nShare of the words."
        case "grade":
            return f"{share:.1f}"


def held(reference: str, answer: str) -> float:
    """How much of a reference an answer holds, 0 to 1. "<OR>" parts are alternatives, "<AND>" parts are averaged."""
    return max(
        sum(_held(part, answer) for part in either.split("<AND>")) / len(either.split("<AND>"))
        for either in reference.split("<OR>")
    )


def _held(reference: str, answer: str) -> float:
    """1 if the reference's words stand in the answer one after the other, else the share of them that it has."""
    wanted, given = _words(reference), _words(answer)
    if not wanted:
        return float(not given)
    size = len(wanted)
    if any(given[start : start + size] == wanted for start in range(len(given) - size + 1)):
        return 1.0
    share = sum(word in given for word in wanted) / size
    return min(share, 0.9)


def _words(text: str) -> list[str]:
    """Lower-case words without articles and the like; all of them where nothing else is left."""
    words = _WORD.findall(text.lower())
    return [word for word in words if word not in _SKIPPED] or words
