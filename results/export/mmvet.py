"""MM-Vet: an object from question to answer, as its evaluator and LLaVA's result files have it."""

from __future__ import annotations

import re

from results.export.form import Answers, Form, Record

_PREFIX = "v1_"
_ID = re.compile(rf"{_PREFIX}\d+")


def _records(answers: Answers) -> list[Record]:
    return [{"id": _id(sample.id), "text": answers.texts.get(sample.id)} for sample in answers.samples]


def _id(name: str) -> str:
    """The benchmark's own id; LLaVA's question file holds its number alone."""
    return name if name.startswith(_PREFIX) else f"{_PREFIX}{name}"


def _fault(record: Record) -> str | None:
    return None if _ID.fullmatch(record["id"]) else f"{record['id']!r} is no id like {_PREFIX}0"


FORM = Form(
    receiver="the MM-Vet evaluator",
    layout="table",
    columns={"id": (str,), "text": (str,)},
    key="id",
    answer="text",
    records=_records,
    fault=_fault,
)
