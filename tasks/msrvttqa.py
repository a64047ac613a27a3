"""MSRVTT-QA: open questions about short web clips, judged by a language model."""

from __future__ import annotations

from typing import ClassVar

from harness.task import TaskCard
from tasks.question_pairs import Layout
from tasks.video_qa import COMMON_PREAMBLE, JUDGED, NOT_ON_THE_HUB, PRESETS, VideoQa


class MsrvttQa(VideoQa):
    """Groups are clips: about 24 questions each in the official test split."""

    layout: ClassVar[Layout] = Layout("MSRVTT_Zero_Shot_QA", "videos/all")
    card: ClassVar[TaskCard] = TaskCard(
        name="msrvttqa",
        title="MSRVTT-QA",
        modality="video",
        metric="accuracy: share of answers judged right, %; mean score 0 to 5 beside it",
        split="test",
        full_size=72821,
        hub=NOT_ON_THE_HUB,
        folder=layout.described(),
        judges=("gpt-3.5-turbo",),
        paper={"llava-mini": 59.5},
        prompts=PRESETS,
        notes=JUDGED,
    )
    preamble_sha256: ClassVar[str] = COMMON_PREAMBLE
