"""MSVD-QA: open questions about short clips of everyday scenes, judged by a language model."""

from __future__ import annotations

from typing import ClassVar

from harness.task import TaskCard
from tasks.question_pairs import Layout
from tasks.video_qa import COMMON_PREAMBLE, JUDGED, NOT_ON_THE_HUB, PRESETS, VideoQa


class MsvdQa(VideoQa):
    """Groups are clips: about seven questions each in the official test split."""

    layout: ClassVar[Layout] = Layout("MSVD_Zero_Shot_QA", "videos")
    card: ClassVar[TaskCard] = TaskCard(
        name="msvdqa",
        title="MSVD-QA",
        modality="video",
        metric="accuracy: share of answers judged right, %; mean score 0 to 5 beside it",
        split="test",
        full_size=13157,
        hub=NOT_ON_THE_HUB,
        folder=layout.described(),
        judges=("gpt-3.5-turbo",),
        paper={"llava-mini": 70.9},
        prompts=PRESETS,
        notes=JUDGED,
    )
    preamble_sha256: ClassVar[str] = COMMON_PREAMBLE
