"""The Video-ChatGPT generative benchmark: a judge gives answers 0 to 5 in five dimensions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import ClassVar

import numpy as np

from harness.data.sources import DataSource
from harness.judge.prompts import load_prompt
from harness.scoring.statistics import Floats, Statistic
from harness.task import NOT_JUDGED, HubDataset, JudgedTask, TaskCard
from harness.types import Json, JudgeRequest, Missing, Request, Response, Sample, Score, Scored
from tasks.verdicts import HIGHEST, kept, lmms_score, official_score, replies_of, sound_score, unread
from tasks.video_qa import ANSWER_TOKENS, FRAMES
from tasks.videochatgpt_rows import (
    CONFIGS,
    CONSISTENCY,
    FILES,
    GENERIC,
    QUESTIONS,
    TEMPORAL,
    VIDEOS,
    from_folder,
    from_hub,
)

DIMENSIONS = {
    "correctness": GENERIC,
    "detail": GENERIC,
    "context": GENERIC,
    "temporal": TEMPORAL,
    "consistency": CONSISTENCY,
}
"""Dimension to the rows whose answers it judges: three dimensions judge the same answers."""
Q1_TWICE = "consistency-q1-twice"
_HALF = "the pair's other question has no answer"


@dataclass(frozen=True, slots=True)
class MeanOfDimensions:
    """The plain mean of the five dimensions' mean scores, 0 to 5; one without a scored sample stays out."""

    name: str = "mean of five dimensions"
    unit: str = "points of 5"

    def features(self, scored: Scored) -> Floats:
        """[sum, count] of each dimension, shape [10]."""
        return self._row(scored.result.values if isinstance(scored.result, Score) else {})

    def value(self, sums: Floats) -> Floats:
        pairs = sums.reshape(*sums.shape[:-1], len(DIMENSIONS), 2)
        present = pairs[..., 1] > 0
        means = np.divide(pairs[..., 0], pairs[..., 1], out=np.zeros(present.shape), where=present)
        some = present.sum(axis=-1)
        mean: Floats = np.divide(means.sum(axis=-1), some, out=np.full(some.shape, np.nan), where=np.asarray(some > 0))
        return mean

    def bounds(self, sample: Sample) -> tuple[Floats, Floats]:
        mine = dimensions_of(sample)
        return self._row(dict.fromkeys(mine, 0.0)), self._row(dict.fromkeys(mine, HIGHEST))

    def _row(self, values: Mapping[str, float]) -> Floats:
        pairs = [(values[name], 1.0) if name in values else (0.0, 0.0) for name in DIMENSIONS]
        return np.array(pairs).reshape(-1)


def dimensions_of(sample: Sample) -> list[str]:
    """What a sample's answer is judged for."""
    return [name for name, part in DIMENSIONS.items() if part == sample.meta["part"]]


class VideoChatGpt(JudgedTask):
    """Groups are videos. A generic answer is judged three times, a temporal one once, a consistency pair once for both.

    Both questions of a consistency row are samples of their own, since each is answered alone; they make the same
    request to the judge, which is asked once, and share its score. So counts and means are those of the answers, and
    the mean of a dimension is that of the official rows. `q1_twice`: the judge is shown question 1 in the place of
    question 2, as LLaVA-Mini's released script does (specs/video_benchmarks.md section 9).
    """

    card: ClassVar[TaskCard] = TaskCard(
        name="videochatgpt",
        title="Video-ChatGPT generative",
        modality="video",
        metric="mean of five dimensions' mean scores, 0 to 5",
        split="test",
        full_size=3493,
        hub=HubDataset("lmms-eval/VideoChatGPT", "test", tuple(CONFIGS.values())),
        folder=f"{QUESTIONS}/{{{','.join(FILES.values())}}}\n{VIDEOS}/<video_name>.{{mp4,avi,mov,mkv}}",
        judges=("gpt-3.5-turbo",),
        paper={"llava-mini": 2.94},
        prompts=("bare",),
        quirks={Q1_TWICE: {}},
        notes="The paper's dimensions: correctness 2.97, detail 2.99, context 3.61, temporal 2.48, consistency 2.67; "
        "the last was judged without question 2 (--quirk consistency-q1-twice). The judge of the paper, gpt-3.5-turbo, "
        "is no longer served; generative scores differ less between its versions than QA accuracies do.",
    )
    headline: ClassVar[Statistic] = MeanOfDimensions()

    def __init__(self, q1_twice: bool = False) -> None:
        self._q1_twice = q1_twice

    def adjusted(self, quirks: Collection[str], preamble: Path | None) -> VideoChatGpt:
        return type(self)(Q1_TWICE in quirks)

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list((from_hub if source.kind == "hub" else from_folder)(source, self.card))

    def request(self, sample: Sample, prompt: str) -> Request:
        """The bare question."""
        return Request(sample.id, sample.question, ANSWER_TOKENS, FRAMES)

    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> Sequence[JudgeRequest] | Missing:
        """At the endpoint's own temperature, as the released scripts."""
        if sample.meta["part"] != CONSISTENCY:
            facts = {"question": sample.question, "answer": sample.answer, "prediction": response.text}
            return [_judge_request(sample, name, facts) for name in dimensions_of(sample)]
        pair = [responses.get(name) for name in sample.meta["pair"]]
        if pair[0] is None or pair[1] is None:
            return Missing(_HALF)
        first, second = sample.meta["questions"]
        facts = {
            "question_1": first,
            "question_2": first if self._q1_twice else second,
            "answer": sample.answer,
            "prediction_1": pair[0].text,
            "prediction_2": pair[1].text,
        }
        return [_judge_request(sample, CONSISTENCY, facts)]

    def score_judged(self, sample: Sample, response: Response, replies: Mapping[str, str]) -> Score | Missing:
        """0 to 5 for each dimension of the sample; all of its replies must be readable."""
        read = {name: sound_score(replies.get(name, "")) for name in dimensions_of(sample)}
        values = {name: value for name, value in read.items() if value is not None}
        return kept(values, replies) if len(values) == len(read) else unread(replies)

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """Each dimension's mean and how often it was judged; a consistency row counts once."""
        answers = [one for one in scored if one.response is not None]
        return {
            "dimensions": {name: _dimension(name, scored) for name in DIMENSIONS},
            "answers without score": sum(isinstance(one.result, Missing) for one in answers),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """The headline as the released scripts would print it, absent where they crash or never end, and as lmms-eval
        does, where what cannot be read counts 0."""
        found = {"official": _mean(scored, official_score), "lmms_eval": _mean(scored, lmms_score)}
        return {name: value for name, value in found.items() if value is not None}


def _judge_request(sample: Sample, name: str, facts: Mapping[str, str]) -> JudgeRequest:
    prompt = load_prompt(name)
    return JudgeRequest(sample.id, name, prompt.messages(**facts), (prompt.name, prompt.sha256), "score", facts)


def _dimension(name: str, scored: Sequence[Scored]) -> dict[str, Json]:
    judged = [one for one in scored if isinstance(one.result, Score) and name in one.result.values]
    values = [one.result.values[name] for one in judged if isinstance(one.result, Score)]
    rows = {one.sample.meta.get("pair", (one.sample.id,))[0] for one in judged}
    return {"value": fmean(values) if values else None, "n": len(rows)}


def _mean(scored: Sequence[Scored], read: Callable[[str], float | None]) -> float | None:
    """The plain mean of the dimensions' means under a reading of the replies; None where one cannot be read."""
    values: dict[str, list[float]] = {}
    for one in scored:
        for name, reply in (replies_of(one) or _no_reply(one)).items():
            if (value := read(reply)) is None:
                return None
            values.setdefault(name, []).append(value)
    return fmean(fmean(mine) for mine in values.values()) if values else None


def _no_reply(one: Scored) -> dict[str, str]:
    """What the tools see where a judge was asked in vain."""
    if one.response is None or isinstance(one.result, Score) or one.result.reason in (NOT_JUDGED, _HALF):
        return {}
    return dict.fromkeys(dimensions_of(one.sample), "")
