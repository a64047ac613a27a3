"""MM-Vet: open questions that need several abilities at once; a judge grades each answer from 0 to 1."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, require
from harness.scoring.statistics import MeanOf, Statistic
from harness.task import HubDataset, JudgedTask, TaskCard
from harness.types import Image, Json, JudgeRequest, Missing, Request, Response, Sample, Score, Scored
from tasks.lmms_wording import pre_prompt
from tasks.ratings import ratings

QUESTIONS = "mm-vet/llava-mm-vet.jsonl"
ANNOTATIONS = "mm-vet/mm-vet.json"
IMAGES = "mm-vet/images"
CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")

KEY = "grade"
AGAIN = "grade again "
HINT = "\nPredict the correctness of the answer (digit): "
"""Added to the prompt by the official script when it asks again."""
RETRIES = 5
"""The official script asks up to six times, and takes none but the first five replies."""
UNREADABLE = "judge reply unreadable"
"""The reason of a Missing; its detail is the reply, from which the official reading takes its own."""

_PREFIX = "v1_"
_MAX_NEW_TOKENS = 1024
_PERHAPS_CUT = re.compile(r"[^\d.+]+\d\.?")


def sound_grade(reply: str) -> float | None:
    """The one number from 0 to 1 in the first line that says anything.

    None for a bare digit at the end of more than itself: three tokens may have cut it short of its decimals.
    """
    found = ratings(reply, 1.0)
    return found[0] if len(found) == 1 and not _PERHAPS_CUT.fullmatch(reply) else None


def official_grade(replies: Sequence[str]) -> float:
    """The official reading of replies in the order in which they came: the first that can be read, else 0; the sixth is
    asked for and not read.

    A reply is read before its first space, as a float from 0 to 1; not a number is never read, though the official
    script takes it.
    """
    read = (official_reading(reply) for reply in replies[:RETRIES])
    return next((grade for grade in read if grade is not None), 0.0)


def official_reading(reply: str) -> float | None:
    """What the official script makes of one reply; None where it would ask again."""
    try:
        grade = float(reply.split(" ")[0].strip())
    except ValueError:
        return None
    return grade if 0.0 <= grade <= 1.0 else None


def tables(rows: Iterable[tuple[Sequence[str], Sequence[float]]]) -> tuple[dict[str, Json], dict[str, Json]]:
    """The official tables of (capabilities, grade in each judge run), by capability and by exact set of them.

    In percent to one decimal: per run sum / count * 100, then the mean over runs, then rounding, since the order of
    arithmetic decides ties. Both end with `total`, its population standard deviation `std` and `runs`.
    """
    single: defaultdict[str, list[Sequence[float]]] = defaultdict(list)
    joined: defaultdict[str, list[Sequence[float]]] = defaultdict(list)
    everything: list[Sequence[float]] = []
    for capabilities, grades in rows:
        for capability in capabilities:
            single[capability].append(grades)
        joined["_".join(sorted(capabilities))].append(grades)
        everything.append(grades)
    totals = _run_percents(everything)
    end = {
        "total": _one_decimal(totals),
        "std": round(float(np.std(totals)), 1),
        "runs": [round(total, 1) for total in totals],
    }
    known = [name for name in CAPABILITIES if name in single]
    order = [*known, *sorted(single.keys() - set(known))]
    by_capability = {name: _one_decimal(_run_percents(single[name])) for name in order}
    by_set = {name: _one_decimal(_run_percents(joined[name])) for name in sorted(joined)}
    return {**by_capability, **end}, {**by_set, **end}


def _run_percents(grades: Sequence[Sequence[float]]) -> list[float]:
    """One mean in percent for each judge run."""
    return [sum(run) / len(run) * 100 for run in zip(*grades, strict=True)]


def _one_decimal(percents: Sequence[float]) -> float:
    return round(float(np.mean(percents)), 1)


class MmVet(JudgedTask):
    """Groups are images. The judge sees the question, the reference with its <AND> and <OR>, and the answer."""

    card: ClassVar[TaskCard] = TaskCard(
        name="mmvet",
        title="MM-Vet",
        modality="image",
        metric="judge's mean grade, %",
        split="218 questions",
        full_size=218,
        hub=HubDataset("lmms-lab/MMVet", "test", ("default",)),
        folder="\n".join((QUESTIONS, ANNOTATIONS, f"{IMAGES}/")),
        judges=("gpt-4-0613",),
        paper={"llava-mini": 37.2, "llava-mini-7b": 36.6, "llava-mini-hd": 33.9, "llava-v1.5-7b": 30.5},
        prompts=("llava", "lmms-eval"),
        notes="LLaVA's script allows 1,024 new tokens; LLaVA-Mini's released script stops at 128 (--max-new-tokens "
        "128). The official judge is gpt-4-0613 and its published figures are means of up to five judge runs; LLaVA's "
        "model zoo prints 31.1 for llava-v1.5-7b. Where a reply cannot be read, the judge is asked five times more, "
        "warmer each time, as in the official script, which then grades 0; here the sample is Missing, and `official` "
        "counts it as 0.",
    )
    headline: ClassVar[Statistic] = MeanOf("grade", title="total")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def names(self, sample: Sample) -> Sequence[str]:
        """Also v1_0 and the like, the keys of LLaVA's result file."""
        return (f"{_PREFIX}{sample.id}", *super().names(sample))

    def request(self, sample: Sample, prompt: str) -> Request:
        """`lmms-eval` asks for reasoning before the question. Raises NotAvailable where its text cannot be had."""
        before = pre_prompt("mmvet") if prompt == "lmms-eval" else ""
        return Request(sample.id, before + sample.question, _MAX_NEW_TOKENS)

    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> Sequence[JudgeRequest]:
        """One grade; temperature 0 and three tokens as in the official script."""
        from harness.judge.prompts import load_prompt

        prompt = load_prompt("mmvet")
        facts = {"question": sample.question, "answer": sample.answer, "prediction": response.text}
        spaced = sample.answer.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")  # as the official table has it
        messages = prompt.messages(**{**facts, "answer": spaced})
        return [JudgeRequest(sample.id, KEY, messages, (prompt.name, prompt.sha256), "grade", facts, 0.0, 3)]

    def asked_again(self, request: JudgeRequest, reply: str) -> JudgeRequest | None:
        """The official script's five further tries, each but the first of them half a degree warmer."""
        tries = int(request.key.removeprefix(AGAIN) or 0) if request.key.startswith(AGAIN) else 0
        if official_reading(reply) is not None or tries == RETRIES:
            return None
        (role, text), *_ = request.messages
        text = text.removesuffix(HINT) + HINT
        return replace(request, key=f"{AGAIN}{tries + 1}", messages=((role, text),), temperature=0.5 * tries)

    def score_judged(self, sample: Sample, response: Response, replies: Mapping[str, str]) -> Score | Missing:
        """The first reply that can be read."""
        texts = list(replies.values())
        grade = next((grade for text in texts if (grade := sound_grade(text)) is not None), None)
        if grade is None:
            return Missing(UNREADABLE, texts[0])
        return Score({"grade": grade, "official": official_grade(texts)}, {"reply": texts[-1]})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """The official tables over the samples with a grade, and how many samples each line has."""
        graded = [
            (one.sample.meta["capabilities"], one.result.values["grade"])
            for one in scored
            if isinstance(one.result, Score)
        ]
        if not graded:
            return {}
        by_capability, by_set = tables((capabilities, [grade]) for capabilities, grade in graded)
        single = Counter(name for capabilities, _ in graded for name in capabilities)
        joined = Counter("_".join(sorted(capabilities)) for capabilities, _ in graded)
        return {
            "capability": by_capability,
            "integration": by_set,
            "samples": {"capability": dict(sorted(single.items())), "integration": dict(sorted(joined.items()))},
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """`official`: the text before the reply's first space, and 0 where that is no grade.

        lmms-eval's figure is the same mean, of another judge's grades.
        """
        grades = [grade for one in scored if (grade := _official(one)) is not None]
        return {"official": 100 * sum(grades) / len(grades)} if grades else {}


def _official(one: Scored) -> float | None:
    if isinstance(one.result, Score):
        return one.result.values["official"]
    return official_grade([one.result.detail]) if one.result.reason == UNREADABLE else None


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, ANNOTATIONS, IMAGES), MmVet.card)
    annotations = load_json(root / ANNOTATIONS)
    for row in load_jsonl(root / QUESTIONS):
        name = f"{_PREFIX}{row['question_id']}"
        annotation, image = annotations.get(name), Image(row["image"], root / IMAGES / row["image"])
        if annotation is None:
            yield Sample(str(row["question_id"]), row["text"], image, "", broken=f"no entry {name} in {ANNOTATIONS}")
        else:
            yield _sample(name, row["text"], image, annotation["answer"], annotation["capability"])


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, dataset.configs[0], source)
    for index, row in enumerate(rows.remove_columns("image")):
        capabilities = [name.strip() for name in row["capability"].split(",")]
        image = Image(f"mmvet row {index}", TableBytes(rows, index))
        yield _sample(str(row["question_id"]), row["question"], image, row["answer"], capabilities)


def _sample(name: str, question: str, image: Image, answer: str, capabilities: Sequence[str]) -> Sample:
    return Sample(name.removeprefix(_PREFIX), question, image, answer, meta={"capabilities": list(capabilities)})
