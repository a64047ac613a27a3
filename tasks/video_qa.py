"""What MSVD-QA, MSRVTT-QA and ActivityNet-QA share: files, prompts and a judge's verdict (specs/video_benchmarks.md
sections 3 and 8)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from harness.data.sources import DataSource, require
from harness.errors import NotAvailable
from harness.judge.prompts import load_prompt
from harness.scoring.statistics import MeanOf, Statistic
from harness.task import HubDataset, JudgedTask
from harness.types import FramePolicy, Json, JudgeRequest, Missing, Request, Response, Sample, Score, Scored, Video
from tasks.breakdown import percent_by
from tasks.qa_preamble import OWN_PREAMBLE, read_preamble
from tasks.question_pairs import Layout, question_pairs
from tasks.verdicts import Printed, kept, official_accuracy, replies_of, sound_verdict, unread
from tasks.video_files import VideoFiles

COMMON_PREAMBLE = "a7a402f3dc37f0d73819aec64f7a7556135f864916c5753d3609ba9ffa47e300"
ACTIVITYNET_PREAMBLE = "5d8ad6d1b80f36d42ca44e0366de7290e19a18eb5ba90e6d170dc4473eb17476"
PRESETS = ("llava-mini", "bare")
JUDGED = (
    "Judged by a language model; the paper's (gpt-3.5-turbo of 2024) is no longer served, and versions of one judge "
    "differ by several points. The prompt's first lines are our own unless --qa-preamble FILE brings LLaVA-Mini's."
)
NOT_ON_THE_HUB = HubDataset("(not on the hub)", "test")
VERDICT = "verdict"
ANSWER_TOKENS = 1024
FRAMES = FramePolicy(fps=1.0)


class VideoQa(JudgedTask):
    """Open questions with a short reference answer; a judge says whether the answer is right and how good, 0 to 5.

    `preamble`: LLaVA-Mini's own, from a user's checkout; a sentence of ours where there is none.
    """

    layout: ClassVar[Layout]
    preamble_sha256: ClassVar[str]
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def __init__(self, preamble: str | None = None) -> None:
        self._preamble = preamble

    def adjusted(self, quirks: Collection[str], preamble: Path | None) -> VideoQa:
        """With LLaVA-Mini's preamble from the user's checkout. Raises UserError where it does not hold it."""
        return self if preamble is None else type(self)(read_preamble(preamble, self.preamble_sha256))

    def samples(self, source: DataSource) -> Sequence[Sample]:
        if source.kind == "hub":
            raise NotAvailable(self._not_on_the_hub())
        return list(self._from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """`llava-mini`: a preamble and the question; `bare`: the question alone, as Video-ChatGPT asks."""
        before = (self._preamble or OWN_PREAMBLE) if prompt == "llava-mini" else ""
        return Request(sample.id, f"{before}{sample.question}", ANSWER_TOKENS, FRAMES)

    def prompt_note(self, prompt: str) -> str | None:
        if prompt != "llava-mini" or self._preamble is not None:
            return None
        return "the preamble before the question is our own, not LLaVA-Mini's (--qa-preamble FILE brings it)"

    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> Sequence[JudgeRequest]:
        """One, at temperature 0. The judge sees the question without the words around it."""
        prompt = load_prompt("qa")
        facts = {"question": sample.question, "answer": sample.answer, "prediction": response.text}
        identity = (prompt.name, prompt.sha256)
        return [JudgeRequest(sample.id, VERDICT, prompt.messages(**facts), identity, "verdict", facts, temperature=0.0)]

    def score_judged(self, sample: Sample, response: Response, replies: Mapping[str, str]) -> Score | Missing:
        """accuracy 0 or 1 and score 0 to 5, from a reply that says both."""
        verdict = sound_verdict(replies.get(VERDICT, ""))
        if verdict is None:
            return unread(replies)
        return kept({"accuracy": float(bool(verdict.right)), "score": verdict.score}, replies)

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """Mean score, the verdicts that failed, and accuracy by the type of question where the data have types."""
        results = [one.result for one in scored if isinstance(one.result, Score)]
        if not results:
            return {}
        answers = sum(one.response is not None for one in scored)
        right = sum(result.values["accuracy"] for result in results)
        types = percent_by(lambda sample: sample.meta.get("type"), scored)
        return {
            "mean score": fmean(result.values["score"] for result in results),
            "answers without verdict": answers - len(results),
            "accuracy, no verdict as wrong": 100 * right / answers,
            **({"types": types} if types else {}),
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """Accuracy and mean score as the released script would print them; absent where it would die."""
        return printed_as("official", official_accuracy(verdict_replies(scored)))

    def _from_folder(self, source: DataSource) -> Iterator[Sample]:
        layout = self.layout
        root = require(source, [layout.questions, layout.answers, layout.video_folder], self.card)
        files = VideoFiles(root / layout.video_folder)
        pairs = question_pairs(root / layout.questions, root / layout.answers)
        for index, (question, answer) in enumerate(pairs):
            yield self._sample(index, question, answer, files)

    def _sample(self, index: int, asked: Mapping[str, Any], answered: Mapping[str, Any], files: VideoFiles) -> Sample:
        """`question_id` may be a number, which stops the released judge script."""
        name, question, answer = asked.get("video_name"), asked.get("question"), answered.get("answer")
        broken = None
        if not name:
            broken = "the item names no video"
        elif not isinstance(question, str) or answer is None:
            broken = "the item has no question or no answer"
        video = Video(str(name), files.find(f"{self.layout.prefix}{name}")) if name else None
        kind = answered.get("type")
        meta = {} if kind is None else {"type": str(kind)}
        sample_id = asked.get("question_id", f"{name}_{index}")
        return Sample(str(sample_id), str(question), video, str(answer), (), meta, broken)

    def _not_on_the_hub(self) -> str:
        where = "".join(f"  {line}\n" for line in self.card.folder.splitlines())
        return (
            f"{self.card.name}: no hub set holds this benchmark. Download the archive {self.layout.folder} that "
            f"Video-LLaVA's evaluation guide links to (GPT_Zero_Shot_QA), and pass --data-root DIR, the folder that "
            f"holds\n{where}What works now: run-eval --model llava-mini-tiny --tasks {self.card.name} --data sample"
        )


def printed_as(name: str, printed: Printed | None) -> Mapping[str, float]:
    return {} if printed is None else {name: printed.accuracy, f"{name}_score": printed.score}


def verdict_replies(scored: Sequence[Scored]) -> list[str]:
    """Every reply, read or not."""
    found = (replies_of(one) for one in scored)
    return [replies[VERDICT] for replies in found if replies and VERDICT in replies]
