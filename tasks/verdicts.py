"""Replies of a Video-ChatGPT judge, {'pred': 'yes', 'score': 4} or {'score': 4}: our reading and what the tools make of
them (specs/video_benchmarks.md sections 8.2 to 8.4). Total: no reply makes any of these raise."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.types import Json, Missing, Score, Scored

UNREADABLE = "judge reply unreadable"
HIGHEST = 5.0
_UNPARSED = object()
_NO_LITERAL = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)
_MALFORMED = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer is right, None where that is left open, and how good it is, nominally 0 to 5."""

    right: bool | None
    score: float


@dataclass(frozen=True, slots=True)
class Printed:
    """What a script prints: accuracy in percent and mean score."""

    accuracy: float
    score: float


def kept(values: Mapping[str, float], replies: Mapping[str, str]) -> Score:
    """A score with the replies it was read from."""
    return Score(values, {"replies": dict(replies)})


def unread(replies: Mapping[str, str]) -> Missing:
    """No score, but the replies, which other tools may read."""
    return Missing(UNREADABLE, json.dumps(dict(replies)))


def replies_of(one: Scored) -> Mapping[str, str] | None:
    """The judge's replies about an answer, read or not; None where there are none."""
    if isinstance(one.result, Score):
        replies: Mapping[str, str] = one.result.detail["replies"]
        return replies
    return json.loads(one.result.detail) if one.result.reason == UNREADABLE else None


def sound_score(reply: str) -> float | None:
    """The number from 0 to 5 under 'score' in the first {..} of a reply, whatever stands around it."""
    return _score_in(_first_object(reply))


def sound_verdict(reply: str) -> Verdict | None:
    """The same with 'pred', which must be the word yes or the word no."""
    found = _first_object(reply)
    word, score = found.get("pred"), _score_in(found)
    word = word.strip().lower() if isinstance(word, str) else None
    return Verdict(word == "yes", score) if word in ("yes", "no") and score is not None else None


def official_accuracy(replies: Sequence[str]) -> Printed | None:
    """What LLaVA-Mini's question answering script prints; None where it dies.

    A reply that is no Python literal as a whole counts nowhere. One without a usable score counts 0 in the mean alone;
    scores are cut to whole numbers; "yes" or else "no" anywhere in 'pred' is the verdict.
    """
    total, judged, verdicts = 0.0, 0, []
    for parsed in map(_literal, replies):
        if parsed is _UNPARSED:
            continue
        if not _writable(parsed):
            return None
        judged += 1
        try:
            total += _whole(parsed["score"])
            verdicts.append(_contains_yes_or_no(parsed["pred"]))
        except _MALFORMED:
            continue
    right = [verdict for verdict in verdicts if verdict is not None]
    return Printed(100 * sum(right) / len(right), total / judged) if right else None


def official_score(reply: str) -> float | None:
    """What the released scripts of the five dimensions read; None where they die or ask for ever."""
    parsed = _literal(reply)
    if parsed is _UNPARSED or not _writable(parsed):
        return None
    try:
        return _whole(parsed["score"])
    except _MALFORMED:
        return None


def lmms_verdict(reply: str) -> Verdict | None:
    """lmms-eval's reading of the first {..}, closed if it is cut off; None where that tool dies."""
    start = reply.find("{")
    if start < 0:
        return None
    try:
        parsed: Any = _literal(reply[start:].partition("}")[0] + "}")
        return Verdict(_contains_yes_or_no(parsed["pred"]), _whole(parsed["score"]))
    except _MALFORMED:
        return None


def lmms_accuracy(replies: Sequence[str]) -> Printed | None:
    """What lmms-eval prints for ActivityNet-QA; None where it dies, as at the first reply that it cannot read."""
    verdicts = [verdict for reply in replies if (verdict := lmms_verdict(reply)) is not None]
    right = [verdict.right for verdict in verdicts if verdict.right is not None]
    if not right or len(verdicts) < len(replies):
        return None
    return Printed(100 * sum(right) / len(right), sum(verdict.score for verdict in verdicts) / len(verdicts))


def lmms_score(reply: str) -> float:
    """lmms-eval's reading for the five dimensions: 0 for what it cannot read."""
    try:
        parsed: Any = _literal(reply)
        return _whole(parsed["score"])
    except _MALFORMED:
        return 0.0


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd escapes in a judge's words
        try:
            return ast.literal_eval(text)
        except _NO_LITERAL:
            return _UNPARSED


def _writable(parsed: Json) -> bool:
    """Whether the scripts can store it as JSON; a file cut off in the middle kills them later."""
    try:
        json.dumps(parsed)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _whole(score: Any) -> float:
    return float(int(score))


def _contains_yes_or_no(word: Any) -> bool | None:
    text = word.lower()
    return True if "yes" in text else False if "no" in text else None


def _first_object(reply: str) -> Mapping[str, Any]:
    """The first {..} with as many closing as opening braces, as a Python literal or as JSON; empty where none is."""
    text = _balanced(reply)
    parsed = _literal(text)
    if parsed is _UNPARSED:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return {}
    return parsed if isinstance(parsed, Mapping) else {}


def _balanced(reply: str) -> str:
    depth, start = 0, reply.find("{")
    for place in range(start, len(reply) if start >= 0 else start):
        depth += {"{": 1, "}": -1}.get(reply[place], 0)
        if depth == 0:
            return reply[start : place + 1]
    return ""


def _score_in(found: Mapping[str, Any]) -> float | None:
    score = found.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= HIGHEST:
        return None
    return float(score)
