"""SEED-Bench for its leaderboard: a line a question, in the order of SEED-Bench.json."""

from __future__ import annotations

from harness.data.sources import load_json
from results.export.form import Answers, Form, Record

ANNOTATIONS = "seed_bench/SEED-Bench.json"


def _records(answers: Answers) -> list[Record]:
    return [{"question_id": name, "prediction": answers.texts.get(name)} for name in _questions(answers)]


def _questions(answers: Answers) -> list[str]:
    """The hub has the order of the json; in LLaVA's question file it is another."""
    if answers.source.root is None:
        return [sample.id for sample in answers.samples]
    return [str(row["question_id"]) for row in load_json(answers.source.root / ANNOTATIONS)["questions"]]


FORM = Form(
    receiver="the SEED-Bench leaderboard",
    layout="lines",
    columns={"question_id": (str,), "prediction": (str,)},
    key="question_id",
    answer="prediction",
    records=_records,
)
