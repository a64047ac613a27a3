"""One task of a run, sample by sample, as a reader sees it: what was asked, what came, how it was graded and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.engine.config import RunConfig
from harness.engine.judging import Judging, judging_of
from harness.engine.metrics import score_all, score_row
from harness.engine.plan import TaskPlan
from harness.engine.run import Run, alone, plan
from harness.errors import NotAvailable, UserError
from harness.judge.contract import Reply
from harness.judge.judgements import judges_in, outcome_of_line, read_judgements
from harness.judge.load import card_of
from harness.records.folder import RunFolder
from harness.records.journal import outcome_of, read_lines
from harness.task import NOT_JUDGED, JudgedTask, Task
from harness.types import FramePolicy, Json, Media, Missing, Response, Sample, Score, Scored
from results.compare.side import worth

RIGHT, PARTLY, WRONG, MISSING, WAITING = "right", "partly", "wrong", "missing", "waiting"
STATES = (RIGHT, PARTLY, WRONG, MISSING, WAITING)
FULL = {"points of 5": 5.0, "%": 100.0}
"""A whole mark of headlines that have no metric from 0 to 1, by their unit."""


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """`key`: what the judge was asked about, e.g. "correctness"."""

    judge: str
    key: str
    text: str
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """`share`: of the full mark, None without a score. `why`: what the score was read from, or why there is none.

    `disputed`: two judges, or the headline's rule and another one, grade the same answer differently. `media` and
    `frames`: None where the benchmark's files are no longer there.
    """

    id: str
    cluster: str
    state: str
    share: float | None
    question: str = ""
    prompt: str = ""
    reference: str = ""
    choices: tuple[str, ...] = ()
    answer: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    why: Mapping[str, Json] = field(default_factory=dict)
    replies: tuple[JudgeReply, ...] = ()
    disputed: bool = False
    vision_tokens: int = 0
    text_tokens: int = 0
    output_tokens: int = 0
    seen_frames: int = 0
    notes: tuple[str, ...] = ()
    media: Media | None = None
    frames: FramePolicy | None = None


def items_of(run: Run, task: str) -> Iterator[Item]:
    """In sample order; of a run in progress, the samples that it has answered, graded where no judge is needed.

    Where the benchmark's files are gone, what the run folder itself holds. Raises UserError for a damaged run.
    """
    entries = {entry["id"]: entry for entry in run.responses(task)}
    outcomes = {name: outcome_of(entry) for name, entry in entries.items()}
    planned = _planned(run, task)
    folder = RunFolder(run.folder)
    if folder.scores(task).is_file():
        rows = list(run.scores(task))
    elif planned is not None:
        rows = [score_row(one) for one in score_all(planned, outcomes) if one.sample.id in outcomes]
    else:
        rows = [{"id": name, "cluster": "", "missing": NOT_JUDGED} for name in outcomes]
    samples = {} if planned is None else {one.id: one for one in planned.samples}
    requests = {} if planned is None else {one.sample_id: one for group in planned.groups for one in group.requests}
    replies = _replies(folder, task, planned, outcomes)
    others = [{row["id"]: row for row in rows} for rows in folder.read_other_scores(task)]
    for row in rows:
        name, outcome = row["id"], outcomes.get(row["id"])
        sample, request = samples.get(name), requests.get(name)
        response = outcome if isinstance(outcome, Response) else None
        share = _share(None if planned is None else planned.task, sample, response, row)
        why: Mapping[str, Json] = row.get("detail", {})
        if "missing" in row:
            why = {"missing": row["missing"], **({"detail": outcome.detail} if isinstance(outcome, Missing) else {})}
        yield Item(
            name,
            row["cluster"],
            _state(row, share),
            share,
            question="" if sample is None else sample.question,
            prompt="" if request is None else request.text,
            reference="" if sample is None else sample.answer,
            choices=() if sample is None else sample.choices,
            answer=None if response is None else response.text,
            values=row.get("values", {}),
            why=why,
            replies=tuple(replies.get(name, ())),
            disputed=_disputed(row, [scores[name] for scores in others if name in scores]),
            vision_tokens=0 if response is None else response.vision_tokens,
            text_tokens=0 if response is None else response.text_tokens,
            output_tokens=0 if response is None else response.output_tokens,
            seen_frames=0 if response is None else response.frames,
            notes=() if response is None else response.notes,
            media=None if sample is None else sample.media,
            frames=None if request is None else request.frames,
        )


def _planned(run: Run, task: str) -> TaskPlan | None:
    """The task's samples, with their media where those are there; None where the benchmark cannot be read."""
    config = RunConfig.from_json(run.info["config"])
    bare = alone(config, task)
    with_media = replace(bare, sources={task: replace(bare.sources[task], media=config.sources[task].media)})
    for one in (with_media, bare):
        try:
            return plan(one)[0]
        except NotAvailable:
            continue
        except UserError:
            return None
    return None


def _share(
    task: Task | None, sample: Sample | None, response: Response | None, row: Mapping[str, Json]
) -> float | None:
    """Of the full mark; a sample that the headline does not count has its own accuracy."""
    if "missing" in row:
        return None
    values: Mapping[str, float] = row["values"]
    if task is not None and sample is not None:
        headline = task.headline
        found = worth(headline, Scored(sample, response, Score(values, row["detail"])))
        if found is not None:
            return found if getattr(headline, "metric", None) else found / FULL.get(headline.unit, 1.0)
    return next((values[name] for name in ("accuracy", "grade") if name in values), None)


def _state(row: Mapping[str, Json], share: float | None) -> str:
    if "missing" in row:
        return WAITING if row["missing"] == NOT_JUDGED else MISSING
    if share is None:
        return WAITING
    return RIGHT if share >= 1 else WRONG if share <= 0 else PARTLY


def _disputed(row: Mapping[str, Json], others: Sequence[Mapping[str, Json]]) -> bool:
    values = row.get("values", {})
    own = values.get("accuracy", values.get("grade"))
    rules = (value for name, value in values.items() if name == "lmms_eval" or name.startswith("official"))
    return any(value != own for value in rules if own is not None) or any(
        other.get("values") != row.get("values") for other in others
    )


def _replies(
    folder: RunFolder, task: str, planned: TaskPlan | None, outcomes: Mapping[str, Response | Missing]
) -> Mapping[str, list[JudgeReply]]:
    """What every judge said, by sample id.

    Requests of equal content share a reply; where the benchmark or the judge's prompts cannot be read, a reply stands
    by the sample that it was asked for.
    """
    path = folder.judgements(task)
    if planned is not None and isinstance(planned.task, JudgedTask):
        try:
            return _shared_replies(judging_of(planned, outcomes), path)
        except NotAvailable:
            return _own_replies(path)
    return _own_replies(path)


def _shared_replies(judging: Judging, path: Path) -> dict[str, list[JudgeReply]]:
    found: dict[str, list[JudgeReply]] = {}
    for spec in judges_in(path):
        card, known = card_of(spec), read_judgements(path, spec)
        for sample in judging.samples:
            for request, outcome in judging.asked(sample, card, known):
                found.setdefault(sample.id, []).append(_reply(spec, request.key, outcome))
    return found


def _own_replies(path: Path) -> dict[str, list[JudgeReply]]:
    found: dict[tuple[str, str, str], JudgeReply] = {}
    for line in read_lines(path, outcome_of_line):
        spec, key = line["judge"]["spec"], line["key"]
        found[line["id"], spec, key] = _reply(spec, key, outcome_of_line(line))
    by_sample: dict[str, list[JudgeReply]] = {}
    for (name, _, _), reply in found.items():
        by_sample.setdefault(name, []).append(reply)
    return by_sample


def _reply(spec: str, key: str, outcome: Reply | Missing) -> JudgeReply:
    if isinstance(outcome, Missing):
        return JudgeReply(spec, key, f"{outcome.reason} {outcome.detail}".strip(), missing=True)
    return JudgeReply(spec, key, outcome.text)
