"""VizWiz-VQA: questions of blind people about pictures they took, many of which cannot be answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, require
from harness.scoring.statistics import MeanOf, Statistic
from harness.scoring.vqa import agreement, m4c_answer, vizwiz_answer
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Missing, Request, Response, Sample, Score, Scored
from tasks.annotators import NO_LABEL, commonest, means, overall, printed_by
from tasks.wording import SHORT_ANSWER, UNANSWERABLE

VAL = "vizwiz/val.json"
VAL_IMAGES = "vizwiz/val"
TEST = "vizwiz/llava_test.jsonl"
TEST_IMAGES = "vizwiz/test"


class VizWiz(Task):
    """Groups are images. Scored is what LLaVA uploads: the answer in M4C's form, by the official rule.

    That rule normalises the prediction and leaves the annotators' answers as they are.
    """

    card: ClassVar[TaskCard] = TaskCard(
        name="vizwiz",
        title="VizWiz",
        modality="image",
        metric="VQA accuracy, %",
        split="test (server); val has labels",
        full_size=8000,
        hub=HubDataset("lmms-lab/VizWiz-VQA", "val"),
        folder="\n".join((VAL, f"{VAL_IMAGES}/", "or, to upload:", TEST, f"{TEST_IMAGES}/")),
        paper={"llava-mini": 57.4, "llava-mini-7b": 56.2, "llava-mini-hd": 58.5, "llava-v1.5-7b": 50.0},
        notes="The paper's test split has no public labels. A folder with val.json is scored on val (4,319 questions), "
        "which is not comparable with test; without it the 8,000 test questions are answered for upload to EvalAI "
        "challenge 2185. The hub's split is val.",
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        if source.kind == "hub":
            return list(_from_hub(self.card.hub, source))
        root = source.root
        to_upload = root is not None and (root / TEST).exists() and not (root / VAL).exists()
        return list(_test_questions(source) if to_upload else _val_questions(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, f"{sample.question}\n{UNANSWERABLE}\n{SHORT_ANSWER}", 128)

    def score(self, sample: Sample, response: Response) -> Score | Missing:
        """`raw_text`: the official rule on the text as the model wrote it. `detail`: the answer as uploaded."""
        answers = sample.meta.get("answers")
        if not answers:
            return NO_LABEL
        sent = m4c_answer(response.text)
        official, official_raw = vizwiz_answer(sent), vizwiz_answer(response.text)
        values = {
            "accuracy": agreement(official, answers),
            "raw_text": agreement(official_raw, answers),
            "lmms_eval": agreement(sent, [m4c_answer(answer) for answer in answers]),
            "refused": float(official == "unanswerable"),
            "refused_raw_text": float(official_raw == "unanswerable"),
        }
        return Score(values, {"answer": sent})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """What the official tool prints, under its names; once more for texts that were not normalised for upload."""
        return {
            **_printed(scored, "accuracy", "refused"),
            "raw text": _printed(scored, "raw_text", "refused_raw_text"),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """lmms-eval normalises both sides in M4C's form, which gives clearly more."""
        return means(scored, "raw_text", "lmms_eval")


def _printed(scored: Sequence[Scored], metric: str, refused: str) -> dict[str, Json]:
    pairs = [
        (bool(one.result.values[refused]), not one.sample.meta["answerable"])
        for one in scored
        if isinstance(one.result, Score) and "answerable" in one.sample.meta
    ]
    return {
        "overall": overall(scored, metric),
        "perAnswerType": printed_by(lambda sample: sample.meta["answer_type"], scored, metric),
        **({"unanswerability": unanswerability(pairs)} if pairs else {}),
    }


def unanswerability(pairs: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    """Average precision and F1 of "unanswerable", in percent with two decimals, from (said, is) of each question.

    With a yes or no in place of a confidence, precision has two points: among those said, and among all.
    """
    said, true, hits = sum(s for s, _ in pairs), sum(t for _, t in pairs), sum(s and t for s, t in pairs)
    recall, precision = hits / true if true else 0.0, hits / said if said else 0.0
    average = recall * precision + (1 - recall) * true / len(pairs)
    f1 = 2 * hits / (said + true) if hits else 0.0
    return {"average_precision": round(100 * average, 2), "f1_score": round(100 * f1, 2)}


def _val_questions(source: DataSource) -> Iterator[Sample]:
    root = require(source, (VAL, VAL_IMAGES), VizWiz.card)
    for row in load_json(root / VAL):
        name, answers = row["image"], [entry["answer"] for entry in row.get("answers") or ()]
        meta: dict[str, Json] = {"answers": answers, "answer_type": row.get("answer_type")}
        if "answerable" in row:
            meta["answerable"] = row["answerable"]
        yield Sample(
            name.rpartition(".")[0] or name,
            row["question"].capitalize(),
            Image(name, root / VAL_IMAGES / name),
            commonest(answers),
            meta=meta,
        )


def _test_questions(source: DataSource) -> Iterator[Sample]:
    """From LLaVA's question file, whose questions are capitalised already."""
    root = require(source, (TEST, TEST_IMAGES), VizWiz.card)
    for row in load_jsonl(root / TEST):
        question = row["text"].removesuffix(f"\n{UNANSWERABLE}\n{SHORT_ANSWER}")
        yield Sample(str(row["question_id"]), question, Image(row["image"], root / TEST_IMAGES / row["image"]), "")


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, None, source)
    for index, row in enumerate(rows.remove_columns("image")):
        name, answers = row["question_id"], list(row["answers"] or ())
        meta = {"answers": answers, "answer_type": row["category"]}
        image = Image(name, TableBytes(rows, index))
        yield Sample(name, row["question"].capitalize(), image, commonest(answers), meta=meta)
