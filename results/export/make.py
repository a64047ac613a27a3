"""From a run to an upload file in one step: answers, records, bytes, and a look at whether they fit the form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.engine.config import RunConfig
from harness.engine.run import Run, alone, plan
from harness.errors import UnknownName, UserError
from harness.records.journal import outcome_of
from harness.types import Response
from results.export import FORMS, GENERAL
from results.export.check import problems
from results.export.files import encode
from results.export.form import Answers, Form


@dataclass(frozen=True, slots=True)
class Upload:
    """The file's bytes and what is in it.

    `questions`: records. `unanswered`: those among them without an answer in the run, sent as the form's empty answer.
    `left_out`: answers of the run that the upload has no place for.
    """

    form: Form
    content: bytes
    questions: int
    unanswered: int
    left_out: int


def form_of(task: str, name: str | None = None) -> Form:
    """A task's own upload form, or the general one by name or where it has none. Raises UnknownName."""
    own = [one for one in (task, GENERAL) if one in FORMS]
    if name is not None and name not in own:
        raise UnknownName(f"upload form of {task}", name, own)
    return FORMS.load(name or own[0])


def make(run: Run, task: str, form: Form) -> Upload:
    """An upload of a run's answers. Raises UserError where the run has none, or where the file would not fit its form
    (which is then a fault of the data), and NotAvailable where the benchmark's files are gone."""
    answers = answers_of(run, task)
    records = form.records(answers)
    unanswered = sum(record[form.answer] is None for record in records)
    answered = len(records) - unanswered
    if not answered:
        raise UserError(f"{run.folder}: none of its {len(answers.texts):,} answers of {task} belongs into the upload.")
    sent = [{**record, form.answer: form.empty} if record[form.answer] is None else record for record in records]
    content = encode(form, sent)
    if faults := list(problems(form, content, records)):
        raise UserError(f"{task}: the upload would not fit its form, so it is not written: {' '.join(faults)}")
    return Upload(form, content, len(records), unanswered, len(answers.texts) - answered)


def answers_of(run: Run, task: str) -> Answers:
    """What a run, finished or not, answered of a task, beside all of the task's samples. Raises UserError."""
    config = RunConfig.from_json(run.info["config"])
    if task not in config.tasks:
        raise UnknownName(f"task of {run.folder}", task, config.tasks)
    outcomes = {entry["id"]: outcome_of(entry) for entry in run.responses(task)}
    texts = {name: one.text for name, one in outcomes.items() if isinstance(one, Response)}
    if not texts:
        raise UserError(f"{run.folder} holds no answers of {task}. `run-eval resume {run.folder}` goes on with it.")
    config = alone(config, task)
    (whole,) = plan(replace(config, limit=None, samples=None))
    prompts = {one.sample_id: one.text for group in whole.groups for one in group.requests}
    return Answers(whole.task, config.sources[task], whole.samples, texts, prompts, config.model)


def write(content: bytes, path: Path) -> bool:
    """Whether the file is new; equal content that lies there already is fine. Raises UserError for anything else."""
    try:
        if path.exists():
            if path.read_bytes() == content:
                return False
            raise UserError(f"{path} exists with other content and is not written over. Name another --output.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}).") from error
    return True
