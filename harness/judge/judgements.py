"""What judges said: one JSON line a reply, appended as it comes and before anything is read from it.

Lines of several judges stand in one file, each with its judge; the last line of a judge about a request counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness.judge.contract import JudgeCard, Reply
from harness.records.journal import read_lines
from harness.records.redaction import redacted
from harness.types import Json, JudgeRequest, Missing


def parameters_of(card: JudgeCard, request: JudgeRequest) -> dict[str, Json]:
    """The settings a request is sent with; None: left to the endpoint."""
    return {"temperature": request.temperature, "max_tokens": request.max_tokens, **card.parameters}


def content_of(card: JudgeCard, request: JudgeRequest) -> str:
    """sha256 over all that can change a reply: judge, messages, parameters. Equal requests are asked once."""
    identity = [card.model, card.endpoint, card.spec.partition(":")[0]]
    text = json.dumps([identity, request.messages, parameters_of(card, request)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def judgement_line(card: JudgeCard, request: JudgeRequest, outcome: Reply | Missing, cached: bool) -> dict[str, Json]:
    """A line of `judgements.jsonl`."""
    name, sha256 = request.prompt
    line: dict[str, Json] = {
        "id": request.sample_id,
        "key": request.key,
        "content": content_of(card, request),
        "judge": {"spec": card.spec, "model": card.model, "endpoint": card.endpoint},
        "parameters": parameters_of(card, request),
        "prompt": {"name": name, "sha256": sha256},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cached": cached,
    }
    if isinstance(outcome, Missing):
        return {**line, "missing": {"reason": outcome.reason, "detail": redacted(outcome.detail)}}
    usage = {"input_tokens": outcome.input_tokens, "output_tokens": outcome.output_tokens}
    return {**line, "reply": outcome.text, "model": outcome.model, **usage}


def outcome_of_line(line: Mapping[str, Json]) -> Reply | Missing:
    """What a line says."""
    if "missing" in line:
        return Missing(line["missing"]["reason"], line["missing"]["detail"])
    return Reply(line["reply"], line["model"], line["input_tokens"], line["output_tokens"])


def read_judgements(path: Path, spec: str) -> dict[str, Reply | Missing]:
    """One judge's replies by content. Raises UserError for a line that is none of ours."""
    found: dict[str, Reply | Missing] = {}
    for line in read_lines(path, _checked):
        if line["judge"]["spec"] == spec:
            found[line["content"]] = outcome_of_line(line)
    return found


def _checked(line: Mapping[str, Json]) -> None:
    """Raises KeyError or TypeError for what `judgement_line` does not write."""
    outcome_of_line(line)
    if not isinstance(line["judge"]["spec"], str) or not isinstance(line["content"], str):
        raise TypeError("judge and content are texts")


def judges_in(path: Path) -> list[str]:
    """Specs of the judges that have lines in a file, in the order of their first."""
    return list(dict.fromkeys(line["judge"]["spec"] for line in read_lines(path, _checked)))
