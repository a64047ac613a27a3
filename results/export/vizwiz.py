"""VizWiz-VQA for EvalAI challenge 2185: image and answer, in the order of the question file."""

from __future__ import annotations

from harness.scoring.vqa import m4c_answer
from harness.types import Sample
from results.export.form import Answers, Form, Record


def _records(answers: Answers) -> list[Record]:
    said = {name: m4c_answer(text) for name, text in answers.texts.items()}
    return [{"image": _image(sample), "answer": said.get(sample.id)} for sample in answers.samples]


def _image(sample: Sample) -> str:
    """The file's name. The hub names images without their ending."""
    name = sample.media.id if sample.media is not None else sample.id
    return name if name.endswith(".jpg") else f"{name}.jpg"


FORM = Form(
    receiver="EvalAI challenge 2185",
    layout="list",
    columns={"image": (str,), "answer": (str,)},
    key="image",
    answer="answer",
    records=_records,
)
