"""EgoSchema for its Kaggle competition or validation server: an object from video to the place of the chosen option."""

from __future__ import annotations

from harness.scoring.choice import first_letter, option_letters
from harness.types import Sample
from results.export.form import Answers, Form, Record

UNPARSED = -1
"""Where no option is named, as in the released script; always wrong."""
_OPTIONS = 5


def _records(answers: Answers) -> list[Record]:
    return [{"q_uid": one.id, "answer": _place(one, answers.texts.get(one.id))} for one in answers.samples]


def _place(sample: Sample, text: str | None) -> int | None:
    """0 for option A; None where there is no answer at all."""
    if text is None:
        return None
    letters = option_letters(len(sample.choices))
    letter = first_letter(text, letters)
    return UNPARSED if letter is None else letters.index(letter)


def _fault(record: Record) -> str | None:
    fits = UNPARSED <= record["answer"] < _OPTIONS
    return None if fits else f"answer is {record['answer']}, which must be 0 to {_OPTIONS - 1}, or {UNPARSED} for none"


FORM = Form(
    receiver="Kaggle's egoschema-public, or EgoSchema's validation server",
    layout="table",
    columns={"q_uid": (str,), "answer": (int,)},
    key="q_uid",
    answer="answer",
    records=_records,
    empty=UNPARSED,
    fault=_fault,
)
