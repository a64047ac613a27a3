"""A frozen set judged anew: what changed since its replies were stored, dimension by dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.judge.budget import Budget
from harness.judge.calibration import agreement, kappa
from harness.judge.contract import Judge, Reply
from harness.judge.judgements import content_of, judgement_line, read_judgements
from harness.records.journal import Journal
from harness.types import Json, JudgeRequest
from results.drift.frozen import Frozen
from tasks.llavabench import sound_pair
from tasks.mmvet import sound_grade
from tasks.verdicts import sound_score, sound_verdict


def values_of(request: JudgeRequest, reply: str) -> dict[str, float] | None:
    """What a reply says: "accuracy" 0 or 1 and "score" 0 to 5, "score" alone, "grade" 0 to 1, or "ratio"; None where it
    cannot be read."""
    if request.form == "verdict":
        verdict = sound_verdict(reply)
        return None if verdict is None else {"accuracy": float(bool(verdict.right)), "score": verdict.score}
    if request.form == "pair":
        pair = sound_pair(reply)
        return None if pair is None or not pair[0] else {"ratio": pair[1] / pair[0]}
    number = sound_grade(reply) if request.form == "grade" else sound_score(reply)
    return None if number is None else {"grade" if request.form == "grade" else "score": number}


def ask_again(frozen: Sequence[Frozen], judge: Judge, path: Path, budget: Budget) -> dict[str, Reply]:
    """Replies by content. Each is appended to `path` before it is read; what stands there already is not asked."""
    known = read_judgements(path, judge.card.spec)
    replies = {content: outcome for content, outcome in known.items() if isinstance(outcome, Reply)}
    wanted = {content_of(judge.card, one.request): one.request for one in frozen}
    left = [request for content, request in wanted.items() if content not in replies]
    with Journal(path) as journal:
        for request, outcome in judge.replies(budget.passing(left)):
            journal.append(judgement_line(judge.card, request, outcome, cached=False))
            budget.pay(request, outcome if isinstance(outcome, Reply) else None)
            if isinstance(outcome, Reply):
                replies[content_of(judge.card, request)] = outcome
    return replies


def drift(frozen: Sequence[Frozen], judge: Judge, replies: Mapping[str, Reply]) -> dict[str, Json]:
    """By task and request key: means then and now, their offset, and how far single replies agree."""
    groups: dict[tuple[str, str], list[Frozen]] = {}
    for one in frozen:
        groups.setdefault((one.task, one.request.key), []).append(one)
    rows: list[dict[str, Json]] = []
    for (task, key), members in groups.items():
        then = [values_of(one.request, one.reply) for one in members]
        texts = [replies.get(content_of(judge.card, one.request)) for one in members]
        now = [
            None if reply is None else values_of(one.request, reply.text)
            for one, reply in zip(members, texts, strict=True)
        ]
        both = [(x, y) for x, y in zip(then, now, strict=True) if x is not None and y is not None]
        unread = {"then": then.count(None), "now": now.count(None)}
        head = {"task": task, "key": key, "n": len(both), "unread": unread}
        for name in both[0][0] if both else ():
            rows.append({**head, "value": name, **_offset([(x[name], y[name]) for x, y in both], name)})
        if not both:
            rows.append({**head, "value": None})
    stored = sorted({one.judge for one in frozen})
    models = sorted({reply.model for reply in replies.values()})
    return {"judge": judge.card.spec, "replied_as": models, "stored": stored, "rows": rows}


def _offset(pairs: Sequence[tuple[float, float]], name: str) -> dict[str, Json]:
    step = 0.1 if name in ("grade", "ratio") else 1.0
    then, now = ([round(pair[side] / step) for pair in pairs] for side in (0, 1))
    means = [sum(values) / len(pairs) for values in zip(*pairs, strict=True)]
    return {
        "then": means[0],
        "now": means[1],
        "offset": means[1] - means[0],
        "equal": agreement(then, now),
        "kappa": kappa(then, now, max(1, *then, *now) + 1, "none" if name == "accuracy" else "quadratic"),
    }
