"""The contract of a benchmark. A task names no model; `tasks/` implements it, one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from harness.data.sources import DataSource
from harness.scoring.statistics import Statistic
from harness.types import Json, JudgeRequest, Missing, Request, Response, Sample, Score, Scored


@dataclass(frozen=True, slots=True)
class HubDataset:
    """Where a benchmark lies on the Hugging Face hub. `repo` and `revision` can be set by the user."""

    repo: str
    split: str
    configs: tuple[str, ...] = ()
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What there is to know about a benchmark without loading it.

    `paper`: the paper's value of the headline by model preset, e.g. {"llava-v1.5-7b": 62.0} (Tables 1 to 4).
    `full_size`: samples of the split that the paper scores; a run over fewer is not comparable.
    `judges`: how the names of the paper's judge begin; numbers of other judges are not comparable with it.
    `grouped`: whether --tasks image, video and all name it too; the paper's eighteen are.
    `folder`: the official layout under --data-root, one path a line. `quirks`: oddities of the released script that
    `--quirk NAME` repeats, by the fields of FramePolicy that each changes (none: the task itself changes); none is on
    otherwise.
    """

    name: str
    title: str
    modality: Literal["image", "video"]
    metric: str
    split: str
    full_size: int
    hub: HubDataset
    folder: str
    paper: Mapping[str, float] = field(default_factory=dict)
    prompts: tuple[str, ...] = ("llava",)
    quirks: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    judges: tuple[str, ...] = ()
    grouped: bool = True
    notes: str = ""


class Task(ABC):
    """A benchmark: reads samples, asks, scores, aggregates. Holds no state of a run.

    `headline` says how the one ranked number follows from the scores; the engine derives value, interval and the best
    and worst it could be. `breakdown` and `variants` are further numbers from the same responses.
    """

    card: ClassVar[TaskCard]
    headline: ClassVar[Statistic]

    @abstractmethod
    def samples(self, source: DataSource) -> Sequence[Sample]:
        """All samples in the official order. Raises NotAvailable (what to get, where to put it)."""

    @abstractmethod
    def request(self, sample: Sample, prompt: str) -> Request:
        """The question as the named prompt preset (one of `card.prompts`) puts it."""

    def adjusted(self, quirks: Collection[str], preamble: Path | None) -> Task:
        """This benchmark as a run wants it: quirks that are not of frames, a prompt text the user brings.

        Most know neither and stay as they are. Raises UserError where the text is not the one it should be.
        """
        return self

    def prompt_note(self, prompt: str) -> str | None:
        """What sets a preset's text apart from the one it is named after; None where nothing does."""
        return None

    @abstractmethod
    def score(self, sample: Sample, response: Response) -> Score | Missing:
        """Scores one answer. Total: never raises, whatever the text. Missing where only a judge can tell."""

    def names(self, sample: Sample) -> Sequence[str]:
        """Other ids by which answer files made elsewhere may call a sample, the most telling first: by default its
        medium's id and file name. Where several samples share one, what was asked decides."""
        if sample.media is None:
            return ()
        path = sample.media.source
        return (sample.media.id, *((path.name, path.stem) if isinstance(path, Path) else ()))

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """Every further number the official tool prints. `scored`: all of a run's samples, Missing ones too."""
        return {}

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """The headline under other rules (official strict mode, lmms-eval), from the same responses."""
        return {}


NOT_JUDGED = "not judged"
"""The reason of a Missing that `run-eval judge` can lift."""


class JudgedTask(Task):
    """A benchmark whose answers a judge grades. Answers are kept; without replies every sample is Missing."""

    def score(self, sample: Sample, response: Response) -> Score | Missing:
        return Missing(NOT_JUDGED)

    @abstractmethod
    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> Sequence[JudgeRequest] | Missing:
        """What to ask about one answer. `responses`: the answers by sample id, for questions that belong together.

        Missing where another answer that the question needs has none. Requests of equal content are asked once. Raises
        NotAvailable where the judge prompt's text cannot be had.
        """

    def asked_again(self, request: JudgeRequest, reply: str) -> JudgeRequest | None:
        """What the official script asks after a reply that it cannot read, under another key; None: nothing more."""
        return None

    @abstractmethod
    def score_judged(self, sample: Sample, response: Response, replies: Mapping[str, str]) -> Score | Missing:
        """The score from the judge's replies by request key, as they came. Total: never raises, whatever the text.

        A reply that cannot be read is Missing, never 0.
        """
