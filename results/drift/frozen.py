"""A frozen answer set: judge requests with the replies they once got, one JSON line each.

Official prompts are no part of it: a line holds a prompt's name and the texts that go into it, and the prompt's words
come from where they always come from. Only a request that is more than that holds its messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.engine.config import RunConfig
from harness.engine.judging import judging_of
from harness.engine.run import load_run, plan
from harness.errors import UserError
from harness.judge.contract import Reply
from harness.judge.judgements import content_of, judges_in, read_judgements
from harness.judge.load import card_of
from harness.judge.prompts import load_prompt
from harness.records.folder import RunFolder
from harness.records.journal import outcome_of
from harness.task import JudgedTask
from harness.types import Json, JudgeRequest

BUILT_IN = Path(__file__).with_name("frozen.jsonl")
"""Written by hand for this purpose: questions with right, partly right, wrong and empty answers. Its replies are those
of the built-in rules judge."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A request of `task` and the reply it got from `judge`."""

    task: str
    judge: str
    request: JudgeRequest
    reply: str


def read_frozen(path: Path = BUILT_IN) -> list[Frozen]:
    """A frozen set. Raises UserError naming the first line that is none."""
    found = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    found.append(_read(json.loads(line)))
                except (ValueError, LookupError, TypeError, AttributeError) as error:
                    raise UserError(f"{path}:{number}: is no line of a frozen answer set ({error!r}).") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}). Make one: run-eval judge-drift --freeze RUN.") from error
    if not found:
        raise UserError(f"{path}: holds no frozen answers.")
    return found


def _read(row: Mapping[str, Json]) -> Frozen:
    prompt = load_prompt(row["prompt"])
    messages = row.get("messages") or prompt.messages(**row["facts"])
    request = JudgeRequest(
        sample_id=row["id"],
        key=row["key"],
        messages=tuple((role, text) for role, text in messages),
        prompt=(prompt.name, prompt.sha256),
        form=row["form"],
        facts=row["facts"],
        temperature=row["temperature"],
        max_tokens=row["max_tokens"],
    )
    return Frozen(row["task"], row["judge"], request, row["reply"])


def freeze(run: Path, judge: str | None = None) -> Iterator[dict[str, Json]]:
    """Lines of a frozen set from a judged run, in the order of its samples. Raises UserError.

    `judge`: one of those that graded it, by default the run's own.
    """
    config = RunConfig.from_json(load_run(run).info["config"])
    folder, count = RunFolder(run), 0
    sources = {name: replace(source, media=False) for name, source in config.sources.items()}
    spec = judge or config.judge
    if spec is None:
        raise UserError(f"{run}: no judge has graded it yet: run-eval judge {run} --judge SPEC.")
    for one in plan(replace(config, sources=sources)):
        if not isinstance(one.task, JudgedTask) or spec not in judges_in(folder.judgements(one.name)):
            continue
        entries = load_run(run).responses(one.name)
        judging = judging_of(one, {entry["id"]: outcome_of(entry) for entry in entries})
        known = read_judgements(folder.judgements(one.name), spec)
        for sample in judging.samples:
            asked = judging.requests(sample)
            for request in asked if isinstance(asked, Sequence) else ():
                reply = known.get(content_of(card_of(spec), request))
                if isinstance(reply, Reply):
                    count += 1
                    yield _row(one.name, spec, request, reply.text)
    if not count:
        raise UserError(f"{run}: has no replies of {spec} to freeze.")


def _row(task: str, judge: str, request: JudgeRequest, reply: str) -> dict[str, Json]:
    facts = dict(request.facts)
    row: dict[str, Json] = {
        "task": task,
        "id": request.sample_id,
        "key": request.key,
        "prompt": request.prompt[0],
        "form": request.form,
        "facts": facts,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "judge": judge,
        "reply": reply,
    }
    try:
        whole = load_prompt(request.prompt[0]).messages(**facts) == request.messages
    except KeyError:
        whole = False
    return row if whole else {**row, "messages": request.messages}
