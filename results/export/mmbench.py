"""MMBench for the OpenCompass server: the table's rows with the prediction as column six, counted from 0."""

from __future__ import annotations

from harness.types import Sample
from results.export.form import Answers, Form, Record

_MAYBE = (str, type(None))


def _records(answers: Answers) -> list[Record]:
    return [_record(sample, answers.texts.get(sample.id)) for sample in answers.samples]


def _record(sample: Sample, text: str | None) -> Record:
    meta = sample.meta
    return {
        "index": meta["index"],
        "question": sample.question,
        **{letter: meta["options"][letter] for letter in "ABCD"},
        "prediction": text,
        "answer": sample.answer,
        "split": meta["split"],
    }


FORM = Form(
    receiver="the OpenCompass server of MMBench",
    layout="workbook",
    columns={
        "index": (int,),
        "question": (str,),
        **dict.fromkeys("ABCD", _MAYBE),
        "prediction": _MAYBE,  # an empty text is an empty cell
        "answer": _MAYBE,
        "split": _MAYBE,
    },
    key="index",
    answer="prediction",
    records=_records,
)
