"""The rows of the Video-ChatGPT generative benchmark, from its three files or the hub's three tables, as samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.data.sources import DataSource, hub_rows, hub_videos, require
from harness.task import TaskCard
from harness.types import Sample, Video
from tasks.question_pairs import json_objects
from tasks.video_files import HUB_SUFFIXES, VideoFiles

GENERIC, TEMPORAL, CONSISTENCY = "generic", "temporal", "consistency"
FILES = {part: f"{part}_qa.json" for part in (GENERIC, TEMPORAL, CONSISTENCY)}
CONFIGS = {GENERIC: "Generic", TEMPORAL: "Temporal", CONSISTENCY: "Consistency"}
QUESTIONS, VIDEOS = "benchmarking/Benchmarking_QA", "benchmarking/Test_Videos"
_UNUSED = "None"
"""What the hub's consistency table holds in the column of the question that a row does not ask."""


def from_folder(source: DataSource, card: TaskCard) -> Iterator[Sample]:
    """Generic, temporal, then both questions of each consistency row. Raises NotAvailable and UserError."""
    root = require(source, [*(f"{QUESTIONS}/{name}" for name in FILES.values()), VIDEOS], card)
    files = VideoFiles(root / VIDEOS)
    for part in (GENERIC, TEMPORAL):
        for index, row in enumerate(json_objects(root / QUESTIONS / FILES[part])):
            yield _sample(f"{part}/{index}", part, row.get("video_name"), row.get("Q"), row.get("A"), files)
    for index, row in enumerate(json_objects(root / QUESTIONS / FILES[CONSISTENCY])):
        questions = row.get("Q1"), row.get("Q2")
        yield from _pair(f"{CONSISTENCY}/{index}", row.get("video_name"), questions, row.get("A"), files)


def from_hub(source: DataSource, card: TaskCard) -> Iterator[Sample]:
    """The same. The consistency table has a row for each question of a pair. Raises NotAvailable."""
    tables = {part: hub_rows(card.hub, config, source) for part, config in CONFIGS.items()}
    files = VideoFiles(hub_videos(card.hub, source) if source.media else Path(), HUB_SUFFIXES, deep=True)
    for part in (GENERIC, TEMPORAL):
        for index, row in enumerate(tables[part]):
            yield _sample(f"{part}/{index}", part, row["video_name"], row["question"], row["answer"], files)
    for index, (name, questions, answer) in enumerate(_joined(tables[CONSISTENCY])):
        yield from _pair(f"{CONSISTENCY}/{index}", name, questions, answer, files)


def _joined(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[str | None, str | None], str]]:
    """Video, both questions and answer of each pair, in the order of first rows: the first row of a video that asks
    question 1 belongs to the first that asks question 2, whichever comes first. One without the other keeps a None."""
    waiting: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    pairs: list[tuple[str, list[str | None], str]] = []
    for row in rows:
        name, questions = row["video_name"], (row["question_1"], row["question_2"])
        for place, text in enumerate(questions):
            if text is None or text == _UNUSED:
                continue
            if waiting[name, place]:
                pairs[waiting[name, place].pop(0)][1][place] = text
            else:
                waiting[name, 1 - place].append(len(pairs))
                pairs.append((name, [text, None] if place == 0 else [None, text], row["answer"]))
    for name, (first, second), answer in pairs:
        yield name, (first, second), answer


def _pair(
    name: str, video: str | None, questions: tuple[str | None, str | None], answer: str | None, files: VideoFiles
) -> Iterator[Sample]:
    """Two samples that know each other's question and id."""
    meta = {"questions": list(questions), "pair": [f"{name}/1", f"{name}/2"]}
    whole = all(isinstance(question, str) for question in questions)
    for place, question in enumerate(questions):
        asked = question if whole else None
        yield _sample(f"{name}/{place + 1}", CONSISTENCY, video, asked, answer, files, meta)


def _sample(
    name: str,
    part: str,
    video: str | None,
    question: str | None,
    answer: str | None,
    files: VideoFiles,
    meta: Mapping[str, Any] | None = None,
) -> Sample:
    broken = None
    if not video:
        broken = "the item names no video"
    elif not isinstance(question, str) or not isinstance(answer, str):
        broken = "the item lacks a question or the answer"
    shown = Video(video, files.find(video)) if video else None
    return Sample(name, str(question), shown, str(answer), (), {"part": part, **(meta or {})}, broken)
