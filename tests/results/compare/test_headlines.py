"""Comparisons of real benchmarks' sample sets, whose headlines are more than means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.media.chunks import Chunk, Preparer
from harness.records.folder import METRICS, RunFolder
from harness.types import FramePolicy, Media
from results.compare.make import compare
from tasks import TASKS
from tasks.samples import build
from tests.support.fakes import Parrot

TESTS = {"pope": "bootstrap", "mme": "bootstrap", "mmbench": "mcnemar", "scienceqa": "mcnemar", "vqav2": "bootstrap"}


@dataclass(frozen=True)
class Bytes:
    """A picture's encoded bytes, wherever they lie, as one chunk."""

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        content = media.source.read_bytes() if isinstance(media.source, Path) else media.source.read()
        yield np.frombuffer(content, np.uint8)


class Guesser(Parrot):
    """Says one word or another by a hash of picture and question; models of other names guess otherwise."""

    def __init__(self, name: str) -> None:
        super().__init__(digest=name)
        self._name = name

    def preparer(self) -> Preparer:
        return Bytes()

    def say(self, seen: bytes, text: str) -> str:
        words = ("A", "B", "C", "D") if "letter" in text else ("yes", "no")
        return words[int(super().say(seen, text + self._name)) + (2 if len(text) % 3 else 0) * (len(words) > 2)]


@pytest.mark.parametrize("task", TESTS)
def test_a_comparison_finds_the_headlines_that_the_runs_wrote(task: str, tmp_path: Path) -> None:
    build([task], tmp_path / "data", 0)
    sources = {task: DataSource("folder", tmp_path / "data", synthetic=True)}
    for name in "ab":
        evaluate(RunConfig("parrot", (task,), sources, tmp_path / name, workers=0), model=Guesser(name))
    found = compare(tmp_path / "a", tmp_path / "b")["tasks"][task]
    entries = [RunFolder(tmp_path / name).read(METRICS)["tasks"][task] for name in "ab"]
    assert None not in (found["a"], found["b"])
    assert [found["a"], found["b"]] == pytest.approx([one["headline"]["value"] for one in entries])
    assert found["test"] == TESTS[task]
    assert 0 < found["pairs"] <= entries[0]["n_scored"]
    assert found["ci95"][0] <= found["difference"] <= found["ci95"][1]
    assert any(found["flipped"].values())
    assert TASKS.load(task).card.title == found["title"]
