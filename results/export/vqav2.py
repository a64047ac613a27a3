"""VQA-v2 for EvalAI challenge 830: an answer for every question of test2015, in the order of its file.

A run over test-dev alone is padded with empty answers, as the server wants. A run over val2014, which is no server's,
gives the results file of the official evaluation code over its own questions.
"""

from __future__ import annotations

from harness.data.sources import load_jsonl
from harness.errors import NotAvailable
from harness.scoring.vqa import m4c_answer
from results.export.form import Answers, Form, Record

TEST = "vqav2/llava_vqav2_mscoco_test2015.jsonl"


def _records(answers: Answers) -> list[Record]:
    said = {name: m4c_answer(text) for name, text in answers.texts.items()}
    return [{"question_id": number, "answer": said.get(str(number))} for number in _questions(answers)]


def _questions(answers: Answers) -> list[int]:
    if any(sample.meta.get("answers") for sample in answers.samples):
        return [int(sample.id) for sample in answers.samples]
    root = answers.source.root
    if root is None or not (root / TEST).exists():
        raise NotAvailable(
            f"vqav2: an upload holds every question of test2015, so {TEST} is needed under "
            f"{root if root is not None else '--data-root'}. It comes with LLaVA's evaluation files (eval.zip)."
        )
    return [row["question_id"] for row in load_jsonl(root / TEST)]


FORM = Form(
    receiver="EvalAI challenge 830 (test-dev, test-standard)",
    layout="list",
    columns={"question_id": (int,), "answer": (str,)},
    key="question_id",
    answer="answer",
    records=_records,
)
