"""LLaVA's answers.jsonl, the general form, which LLaVA's own scripts and `run-eval score` read: what was answered."""

from __future__ import annotations

import hashlib

from harness.types import Sample
from results.export.form import Answers, Form, Record

_NUMBERED = ("vqav2", "vizwiz", "pope", "mmbench", "mmbench_cn", "seedbench", "llavabench", "mmvet")
_BY_IMAGE = ("mme", "textvqa")


def _records(answers: Answers) -> list[Record]:
    return [
        {
            "question_id": _question_id(answers.task.card.name, sample),
            "prompt": answers.prompts.get(sample.id, sample.question),
            "text": answers.texts[sample.id],
            "answer_id": hashlib.sha256(f"{answers.model}\n{sample.id}".encode()).hexdigest()[:22],
            "model_id": answers.model,
            "metadata": {},
        }
        for sample in answers.samples
        if sample.id in answers.texts
    ]


def _question_id(task: str, sample: Sample) -> str | int:
    """As in LLaVA's question file: numbers for some benchmarks, the image for others."""
    if task in _NUMBERED and sample.id.isdecimal() and str(int(sample.id)) == sample.id:
        return int(sample.id)
    if task in _BY_IMAGE and sample.media is not None:
        return sample.media.id if task == "mme" else sample.media.id.rpartition(".")[0] or sample.media.id
    return sample.id


FORM = Form(
    receiver="LLaVA's evaluation scripts, or run-eval score",
    layout="lines",
    columns={
        "question_id": (str, int),
        "prompt": (str,),
        "text": (str,),
        "answer_id": (str,),
        "model_id": (str,),
        "metadata": (dict,),
    },
    key="question_id",
    answer="text",
    records=_records,
)
