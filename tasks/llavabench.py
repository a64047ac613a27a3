"""LLaVA-Bench (In-the-Wild): a judge rates GPT-4's answer and the model's; the score is the ratio of their means."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from harness.data.sources import DataSource, TableBytes, hub_rows, load_jsonl, require
from harness.scoring.statistics import Floats, Statistic
from harness.task import HubDataset, JudgedTask, TaskCard
from harness.types import Image, Json, JudgeRequest, Missing, Request, Response, Sample, Score, Scored
from tasks.ratings import ratings

CATEGORIES = ("conv", "detail", "complex")
QUESTIONS = "llava-bench-in-the-wild/questions.jsonl"
CONTEXTS = "llava-bench-in-the-wild/context.jsonl"
REFERENCES = "llava-bench-in-the-wild/answers_gpt4.jsonl"
IMAGES = "llava-bench-in-the-wild/images"

KEY = "review"
LOWEST, HIGHEST = 1.0, 10.0
"""The ratings that the rule text asks for; 0 is read as well, as the official script does."""
UNREADABLE = "judge reply unreadable"
"""The reason of a Missing; its detail is the reply, from which the official reading takes its own."""

Pair: TypeAlias = tuple[float, float]
_FAILED: Pair = (-1.0, -1.0)
_MAX_NEW_TOKENS = 1024
_LMMS_NUMBER = re.compile(r"-?\d+\.?\d*")


def sound_pair(reply: str) -> Pair | None:
    """Exactly two ratings of 0 to 10 in the first line that says anything, however they are set apart."""
    found = ratings(reply, HIGHEST)
    return (found[0], found[1]) if len(found) == 2 else None


def official_pair(reply: str) -> Pair:
    """LLaVA's reading: the first line, commas as spaces, split at single spaces, is two floats; else (-1, -1).

    So "8, 7" fails for its double space, and "nan 7" is read.
    """
    pieces = reply.split("\n")[0].replace(",", " ").split(" ")
    try:
        first, second = map(float, pieces)
    except ValueError:
        return _FAILED
    return first, second


def lmms_pair(reply: str) -> Pair:
    """lmms-eval's reading: the first two runs of digits, with sign and decimals, of the stripped reply's first line."""
    found = _LMMS_NUMBER.findall(reply.strip().split("\n")[0])
    return (float(found[0]), float(found[1])) if len(found) > 1 else _FAILED


def summary(pairs: Sequence[Pair]) -> tuple[float, float, float]:
    """The official three columns: 100 x model / reference, 10 x reference, 10 x model, each to one decimal.

    Both means are rounded to three decimals first. NaN where a mean does not exist or the reference's is 0.
    """
    first, second = (round(float(np.mean(column)), 3) for column in zip(*pairs, strict=True))
    ratio = round(100 * second / first, 1) if first else math.nan
    return ratio, round(10 * first, 1), round(10 * second, 1)


@dataclass(frozen=True, slots=True)
class RatioOfMeans:
    """100 x the mean rating of the model over that of the reference; NaN where the reference's sum is 0."""

    name: str = "relative score"
    unit: str = "%"

    def features(self, scored: Scored) -> Floats:
        """[reference, model]."""
        if isinstance(scored.result, Missing):
            return np.zeros(2)
        return np.array([scored.result.values["reference"], scored.result.values["model"]])

    def value(self, sums: Floats) -> Floats:
        reference, model = sums[..., 0], sums[..., 1]
        ratio: Floats = np.divide(model, reference, out=np.full(model.shape, np.nan), where=np.asarray(reference > 0))
        return 100.0 * ratio

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        """At worst 10 for the reference and 0 for the model; at best 1, the lowest rating asked for, and 10."""
        return np.array([HIGHEST, 0.0]), np.array([LOWEST, HIGHEST])


class LlavaBench(JudgedTask):
    """Groups are images. The reference is always Assistant 1 and the model Assistant 2, as in the official script."""

    card: ClassVar[TaskCard] = TaskCard(
        name="llavabench",
        title="LLaVA-Bench (In-the-Wild)",
        modality="image",
        metric="judge's ratings of the model over those of GPT-4's text-only answers, %",
        split="60 questions on 24 images",
        full_size=60,
        hub=HubDataset("lmms-lab/llava-bench-in-the-wild", "train", ("default",)),
        folder="\n".join((QUESTIONS, CONTEXTS, REFERENCES, f"{IMAGES}/")),
        judges=("gpt-4-0314",),
        paper={"llava-mini": 70.2, "llava-mini-7b": 68.9, "llava-mini-hd": 69.3, "llava-v1.5-7b": 63.4},
        notes="LLaVA's script allows 1,024 new tokens; LLaVA-Mini's released script stops at 128 (--max-new-tokens "
        "128), which cuts about half of the answers. The paper's judge, gpt-4-0314, is retired: its values cannot be "
        "had again. LLaVA's model zoo prints 65.4 for llava-v1.5-7b, a mean of three judge runs; one run varies by "
        "about 1.",
    )
    headline: ClassVar[Statistic] = RatioOfMeans()

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, sample.question, _MAX_NEW_TOKENS)

    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> Sequence[JudgeRequest]:
        """One review; temperature 0.2 and 1,024 tokens as in the official script."""
        from harness.judge.prompts import load_prompt

        prompt = load_prompt("llavabench")
        facts = {
            "context": sample.meta["context"],
            "question": sample.question,
            "answer": sample.answer,
            "prediction": response.text,
        }
        messages = prompt.messages(**facts)
        return [JudgeRequest(sample.id, KEY, messages, (prompt.name, prompt.sha256), "pair", facts, 0.2, 1024)]

    def score_judged(self, sample: Sample, response: Response, replies: Mapping[str, str]) -> Score | Missing:
        pair = sound_pair(replies[KEY])
        if pair is None:
            return Missing(UNREADABLE, replies[KEY])
        return Score({"reference": pair[0], "model": pair[1]}, {"reply": replies[KEY]})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """The official table over the replies that are read here: per category the ratio and both means times 10.

        `official failed parses`: how many of these replies the official script would count as (-1, -1).
        """
        rows = [(one.sample.meta["category"], pair) for one, pair in _pairs(scored)]
        failed = sum(official_pair(reply) == _FAILED for one in scored if (reply := _reply(one)) is not None)
        return {**_table(rows), "official failed parses": failed}

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """The ratio under each tool's reading of every reply, where a failure is averaged in as (-1, -1).

        lmms-eval's judge is another model; this is its rule on the same replies.
        """
        replies = [reply for one in scored if (reply := _reply(one)) is not None]
        if not replies:
            return {}
        return {
            "official": summary([official_pair(reply) for reply in replies])[0],
            "lmms_eval": summary([lmms_pair(reply) for reply in replies])[0],
        }


def _pairs(scored: Sequence[Scored]) -> Iterator[tuple[Scored, Pair]]:
    for one in scored:
        if isinstance(one.result, Score):
            yield one, (one.result.values["reference"], one.result.values["model"])


def _table(rows: Sequence[tuple[str, Pair]]) -> dict[str, Json]:
    """The summary of all rows and of each category that occurs."""
    groups = {"all": [pair for _, pair in rows]}
    for name in CATEGORIES:
        groups[f"llava_bench_{name}"] = [pair for category, pair in rows if category == name]
    columns = ("score", "gpt4 x10", "model x10")
    return {
        name: {**dict(zip(columns, summary(pairs), strict=True)), "n": len(pairs)}
        for name, pairs in groups.items()
        if pairs
    }


def _reply(one: Scored) -> str | None:
    """A judge's reply, read or not; None where there was none."""
    if isinstance(one.result, Score):
        return str(one.result.detail["reply"])
    return one.result.detail if one.result.reason == UNREADABLE else None


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, CONTEXTS, REFERENCES, IMAGES), LlavaBench.card)
    contexts = {row["image"]: row["caption"] for row in load_jsonl(root / CONTEXTS)}
    references = {row["question_id"]: row["text"] for row in load_jsonl(root / REFERENCES)}
    for row in load_jsonl(root / QUESTIONS):
        name, number = row["image"], row["question_id"]
        image = Image(name, root / IMAGES / name)
        yield _sample(number, row["text"], image, row["category"], contexts.get(name), references.get(number))


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, dataset.configs[0], source)
    for index, row in enumerate(rows.remove_columns("image")):
        image = Image(str(row["image_id"]), TableBytes(rows, index))
        number, reference = row["question_id"], row["gpt_answer"]
        yield _sample(number, row["question"], image, row["category"], row["caption"], reference)


def _sample(
    number: int | str,
    question: str,
    image: Image,
    category: str,
    context: str | Sequence[str] | None,
    reference: str | None,
) -> Sample:
    """The official script's category names begin with llava_bench_; captions in a list are lines."""
    broken = None if reference is not None else f"no reference answer in {REFERENCES}"
    if context is None:
        context, broken = "", broken or f"no caption in {CONTEXTS}"
    text = context if isinstance(context, str) else "\n".join(context)
    meta = {"category": category.removeprefix("llava_bench_"), "context": text}
    return Sample(str(number), question, image, reference or "", meta=meta, broken=broken)
