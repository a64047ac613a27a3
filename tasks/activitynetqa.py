"""ActivityNet-QA: open questions about videos of human activities, judged by a language model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.sources import DataSource, hub_rows, hub_videos
from harness.task import HubDataset, TaskCard
from harness.types import Request, Sample, Scored
from tasks.question_pairs import Layout
from tasks.verdicts import lmms_accuracy
from tasks.video_files import HUB_SUFFIXES, VideoFiles
from tasks.video_qa import ACTIVITYNET_PREAMBLE, FRAMES, JUDGED, PRESETS, VideoQa, printed_as, verdict_replies
from tasks.wording import SHORT_ANSWER


class ActivityNetQa(VideoQa):
    """Groups are videos: ten questions each in the official test split, of nine types."""

    layout: ClassVar[Layout] = Layout("ActivityNet_Zero_Shot_QA", "test_videos", prefix="v_")
    preamble_sha256: ClassVar[str] = ACTIVITYNET_PREAMBLE
    card: ClassVar[TaskCard] = TaskCard(
        name="activitynetqa",
        title="ActivityNet-QA",
        modality="video",
        metric="accuracy: share of answers judged right, %; mean score 0 to 5 beside it",
        split="test",
        full_size=8000,
        hub=HubDataset("lmms-eval/ActivityNetQA", "test"),
        folder=layout.described(),
        judges=("gpt-3.5-turbo",),
        paper={"llava-mini": 53.5},
        prompts=(*PRESETS, "lmms-eval"),
        notes=JUDGED,
    )

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(self._from_hub(source)) if source.kind == "hub" else super().samples(source)

    def request(self, sample: Sample, prompt: str) -> Request:
        """`lmms-eval`: that tool's wording and length; its judge, like ours, sees the question as it was asked."""
        if prompt != "lmms-eval":
            return super().request(sample, prompt)
        return Request(sample.id, f"{sample.question.capitalize()}? {SHORT_ANSWER}", 64, FRAMES)

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """Also what lmms-eval prints, by its reading of the same replies."""
        return {**super().variants(scored), **printed_as("lmms_eval", lmms_accuracy(verdict_replies(scored)))}

    def _from_hub(self, source: DataSource) -> Iterator[Sample]:
        rows = hub_rows(self.card.hub, None, source)
        files = VideoFiles(hub_videos(self.card.hub, source) if source.media else Path(), HUB_SUFFIXES, deep=True)
        for index, row in enumerate(rows):
            yield self._sample(index, row, row, files)
