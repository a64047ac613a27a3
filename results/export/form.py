"""What an upload form is: named columns of given types, one record a question, in a given order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.data.sources import DataSource
from harness.task import Task
from harness.types import Json, Sample

Record: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Answers:
    """A run's answers to a whole benchmark: every sample in the official order, texts by sample id where there are any.

    `prompts`: the request texts by sample id.
    """

    task: Task
    source: DataSource
    samples: Sequence[Sample]
    texts: Mapping[str, str]
    prompts: Mapping[str, str]
    model: str


@dataclass(frozen=True, slots=True)
class Form:
    """An upload form.

    `receiver`: who takes the file. `layout`: a JSON list of records, a record a line, a JSON object from `key` to
    `answer`, or a workbook with a header. `columns`: names in order, with the types their values may have. `key`,
    `answer`: the columns that name the question and hold what was said. `records`: every question that must be there,
    with None as the answer where the run has none, which is sent as `empty`. `fault`: what else is wrong with a record.
    """

    receiver: str
    layout: Literal["list", "lines", "table", "workbook"]
    columns: Mapping[str, tuple[type, ...]]
    key: str
    answer: str
    records: Callable[[Answers], list[Record]]
    empty: str | int = ""
    fault: Callable[[Record], str | None] = lambda record: None

    @property
    def suffix(self) -> str:
        return {"list": ".json", "lines": ".jsonl", "table": ".json", "workbook": ".xlsx"}[self.layout]
