"""Hundreds of random faults in one run, stopped and resumed as often as they stop it: its files are those of a quiet
run."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import tasks
from harness.data.sources import DataSource
from harness.engine import run
from harness.engine.config import RunConfig
from harness.engine.run import Interrupted, evaluate, resume
from harness.errors import UserError
from harness.judge.contract import Judge, JudgeCard, Reply
from harness.model import ReadyGroup
from harness.records.journal import Journal
from harness.registry import Registry
from harness.types import Json, JudgeRequest, Missing, Response
from tests.support.fakes import Parrot, write_quiz

SAMPLES, FAULTS = 400, 300
FILES = ("metrics.json", "judgedquiz/scores.jsonl")


class Chaos:
    """Throws faults while there are some left, by one seeded generator; `met` counts what was thrown."""

    def __init__(self, seed: int, faults: int) -> None:
        self.random, self.left, self.met = random.Random(seed), faults, Counter[str]()

    def strikes(self, fault: str, share: float) -> bool:
        if not self.left or self.random.random() >= share:
            return False
        self.left -= 1
        self.met[fault] += 1
        return True


class StruckParrot(Parrot):
    """Runs out of memory, and is stopped as by SIGTERM, in the middle of its answers."""

    def __init__(self, chaos: Chaos) -> None:
        super().__init__()
        self._chaos = chaos

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for response in super().respond(groups):
            if sum(len(one.group.requests) for one in groups) > 1 and self._chaos.strikes("out of memory", 0.2):
                raise MemoryError
            if self._chaos.strikes("SIGTERM", 0.02):
                os.kill(os.getpid(), signal.SIGTERM)
            yield response


class StruckJudge:
    """Gives no reply now and then, and is stopped."""

    card = JudgeCard("rules", "rules")

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos

    def replies(self, requests: Iterator[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        for request in requests:
            if self._chaos.strikes("judge stopped", 0.02):
                raise UserError("the judge went away")
            yield request, Reply("yes" if len(request.messages[0][1]) % 3 else "no", "rules")


def torn_append(chaos: Chaos) -> Callable[[Journal, dict[str, Json]], None]:
    """An append that a kill ends in mid-write: a part of the line is there, and nobody says goodbye."""
    whole = Journal.append

    def append(journal: Journal, entry: dict[str, Json]) -> None:
        if chaos.strikes("torn line", 0.05):
            os.write(journal._file, b'{"id": "q1", "text": "a li'[: chaos.random.randint(1, 26)])
            raise UserError("killed in mid-write")
        whole(journal, entry)

    return append


def spoil(cache: Path, chaos: Chaos) -> None:
    """Damages the response cache's file between two processes."""
    path = cache / "responses.sqlite"
    if path.is_file() and path.stat().st_size and chaos.strikes("damaged cache", 0.5):
        content = bytearray(path.read_bytes())
        for _ in range(chaos.random.randint(1, 200)):
            content[chaos.random.randrange(len(content))] = chaos.random.randrange(256)
        path.write_bytes(content)


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RunConfig]:
    registry: Registry[type[tasks.Task]] = Registry("task", {"judgedquiz": "tests.support.judged:JudgedQuiz"})
    monkeypatch.setattr(tasks, "TASKS", registry)
    source = DataSource("folder", write_quiz(tmp_path / "data", samples=SAMPLES))

    def made(name: str) -> RunConfig:
        return RunConfig(
            "parrot",
            ("judgedquiz",),
            {"judgedquiz": source},
            tmp_path / name,
            workers=0,
            judge="rules",
            batch_tokens=90,
        )

    return made


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_300_random_faults_end_with_the_bytes_of_a_quiet_run(
    seed: int, configured: Callable[[str], RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge_of(chaos: Chaos) -> Callable[..., Judge]:
        return lambda *_: StruckJudge(chaos)

    quiet, chaos = Chaos(seed, 0), Chaos(seed, FAULTS)
    monkeypatch.setattr(run, "_judge", judge_of(quiet))
    calm = evaluate(configured("calm"), model=Parrot())
    monkeypatch.setattr(run, "_judge", judge_of(chaos))
    monkeypatch.setattr(Journal, "append", torn_append(chaos))
    config, stops = configured("struck"), 0
    while True:
        changes = {"batch_tokens": chaos.random.choice((10, 40, 90, 1000)), "cache": tmp_path / "cache"}
        model = StruckParrot(chaos)
        spoil(tmp_path / "cache", chaos)
        try:
            if not (config.output / "run.json").is_file():
                evaluate(config, model=model)
            else:
                resume(config.output, model=model, changes=changes)
        except (UserError, Interrupted):
            stops += 1
            assert stops <= FAULTS
            if chaos.left and _whole(config.output):
                _forget_half(config.output, chaos)
            continue
        if not chaos.left:
            break
        _forget_half(config.output, chaos)
    assert sum(chaos.met.values()) == FAULTS
    assert set(chaos.met) == {"out of memory", "SIGTERM", "judge stopped", "torn line", "damaged cache"}, chaos.met
    for name in FILES:
        assert (config.output / name).read_bytes() == (calm.folder / name).read_bytes()


def _whole(folder: Path) -> bool:
    return (folder / "metrics.json").is_file()


def _forget_half(folder: Path, chaos: Chaos) -> None:
    """A disk that lost what was written last: the second half of either journal, somewhere inside a line."""
    for name in ("responses.jsonl", "judgements.jsonl"):
        path = folder / "judgedquiz" / name
        if path.is_file():
            os.truncate(path, chaos.random.randint(0, path.stat().st_size // 2))
