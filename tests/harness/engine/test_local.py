"""The executor: one failure costs what it must and nothing else, and the next batch is under way while one runs."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.engine import prepared
from harness.engine.budget import CALLS_BEFORE_GROWTH, Budget
from harness.engine.local import FAILURES_IN_A_ROW, LEAST_AHEAD, LocalExecutor, Outcome, out_of_memory
from harness.errors import UserError
from harness.media.chunks import Chunk
from harness.media.workers import PreparePool
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Missing, Request, Response, Video
from tests.support.fakes import Parrot

CHUNK_BYTES = 10_000


@dataclass(frozen=True)
class Reel:
    """Media of as many chunks as their id's last word says; `log` gets a line a medium."""

    log: Path

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        with self.log.open("a") as file:
            file.write(f"{media.id}\n")
        for index in range(int(media.id.split()[-1])):
            yield np.full(CHUNK_BYTES, index, np.uint8)


def groups(*media: Media, questions: int = 1) -> list[Group]:
    return [
        Group(medium, tuple(Request(f"{medium.id}/{index}", "What?") for index in range(questions))) for medium in media
    ]


def images(count: int, chunks: int = 1) -> list[Media]:
    return [Image(f"picture {index} {chunks}", Path("x")) for index in range(count)]


def run(
    model: Parrot,
    work: Sequence[Group],
    tmp_path: Path,
    batch_tokens: int = 10**6,
    workers: int = 0,
    ahead: int = 10**8,
) -> dict[str, Outcome]:
    with PreparePool(Reel(tmp_path / "log"), workers, 60.0, ahead) as pool:
        outcomes = list(LocalExecutor(model, pool, batch_tokens).run(work))
    by_id = {one.sample_id: one for one in outcomes}
    assert len(by_id) == len(outcomes), "each request ends once"
    assert set(by_id) == {request.sample_id for group in work for request in group.requests}
    return by_id


def texts(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: one.result.text for name, one in outcomes.items() if isinstance(one.result, Response)}


class Cramped(Parrot):
    """Reads everything, then has memory for one group only."""

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        answers = list(super().respond(groups))
        if len(groups) > 1:
            raise RuntimeError("CUDA out of memory")
        yield from answers


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
def test_media_prepared_again_do_not_wait_for_workers_that_wait_for_them(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "KEPT_BYTES", CHUNK_BYTES)
    work = groups(*images(12, chunks=20))
    calm = run(Parrot(), work, tmp_path)
    cramped = run(Cramped(), work, tmp_path, batch_tokens=40, workers=workers, ahead=2 * CHUNK_BYTES)
    assert texts(cramped) == texts(calm)
    assert len(texts(calm)) == 12


def test_kept_media_are_prepared_once_however_often_they_are_read(tmp_path: Path) -> None:
    run(Cramped(), groups(*images(8)), tmp_path)
    assert sorted((tmp_path / "log").read_text().split("\n")[:-1]) == sorted(one.id for one in images(8))


class Forgetting(Cramped):
    """Checks that nothing of a failed call is alive in the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.activations: weakref.ref[object] = weakref.ref(set())
        self.retries = 0

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        assert self.activations() is None
        self.retries += 1
        activations = np.zeros(10)
        self.activations = weakref.ref(activations)
        yield from super().respond(groups)
        assert activations is not None


def test_memory_of_a_failed_call_is_free_before_the_next(tmp_path: Path) -> None:
    model = Forgetting()
    assert len(texts(run(model, groups(*images(8)), tmp_path))) == 8
    assert model.retries > 8


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("not enough memory: you tried to allocate 1 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        MemoryError(),
    ],
)
def test_every_way_to_run_out_of_memory_is_known(error: Exception) -> None:
    assert out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory"), KeyError("x")])
def test_other_errors_are_not_taken_for_a_lack_of_memory(error: Exception) -> None:
    assert not out_of_memory(error)


def test_budget_halves_and_grows_back_to_what_was_wished() -> None:
    budget = Budget(1000)
    budget.shrink(700)
    budget.shrink(350)
    assert (budget.tokens, budget.low) == (175, 175)
    for _ in range(3 * CALLS_BEFORE_GROWTH):
        budget.fits()
    assert (budget.tokens, budget.low) == (1000, 175)


def test_budget_never_reaches_nothing() -> None:
    budget = Budget(5)
    for _ in range(10):
        budget.shrink(5)
    assert budget.tokens == 1


class Poisoned(Parrot):
    """Breaks at one group and never works again, as a device does after an illegal access."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at, self.broken = at, False

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for ready in groups:
            self.broken |= ready.group.id == self.at
            if self.broken:
                raise RuntimeError("CUDA error: device-side assert triggered")
            yield from super().respond([ready])


def until_stopped(model: Parrot, work: list[Group], tmp_path: Path) -> Iterator[Outcome | str]:
    """The outcomes, then the words of the error that ended it, if one did."""
    with PreparePool(Reel(tmp_path / "log"), 0, 60.0, 10**8) as pool:
        try:
            yield from LocalExecutor(model, pool, 30).run(work)
        except UserError as error:
            yield str(error)


def test_group_that_breaks_the_device_does_not_make_the_others_missing(tmp_path: Path) -> None:
    *told, message = until_stopped(Poisoned("picture 5 1"), groups(*images(20)), tmp_path)
    assert isinstance(message, str)
    assert f"{FAILURES_IN_A_ROW} groups in a row" in message
    assert "device-side assert" in message
    assert [type(one.result) for one in told if isinstance(one, Outcome)] == [Response] * 5 + [Missing]


def test_failures_that_are_too_few_to_stop_a_run_are_missing(tmp_path: Path) -> None:
    told = run(Poisoned("picture 5 1"), groups(*images(9)), tmp_path, batch_tokens=30)
    missing = {one.group.id for one in told.values() if isinstance(one.result, Missing)}
    assert missing == {f"picture {index} 1" for index in (5, 6, 7, 8)}


class Strict(Parrot):
    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        raise UserError("the key was refused; set another.")


def test_what_the_user_must_change_ends_the_run_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the key was refused"):
        run(Strict(), groups(*images(3)), tmp_path)


class Counting(PreparePool):
    """A pool that counts what was submitted."""

    submitted = 0

    def submit(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        self.submitted += 1
        return super().submit(media, frames)


class Watching(Parrot):
    """Notes how many media were under way at each call."""

    def __init__(self, pool: Counting) -> None:
        super().__init__()
        self.pool, self.under_way = pool, list[int]()

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        self.under_way.append(self.pool.submitted)
        yield from super().respond(groups)


def watched(work: list[Group], batch_tokens: int, tmp_path: Path) -> list[int]:
    with Counting(Reel(tmp_path / "log"), 0, 60.0, 10**8) as pool:
        model = Watching(pool)
        list(LocalExecutor(model, pool, batch_tokens).run(work))
    assert set(model.calls) == {batch_tokens // 10}
    return model.under_way


def test_a_whole_next_batch_of_pictures_is_under_way_during_a_call(tmp_path: Path) -> None:
    assert watched(groups(*images(80)), 200, tmp_path)[:2] == [40, 60]


def test_few_videos_are_under_way_beyond_a_batch(tmp_path: Path) -> None:
    videos = [Video(f"film {index} 1", Path("x")) for index in range(80)]
    assert watched(groups(*videos), 200, tmp_path)[:2] == [20 + LEAST_AHEAD, 40 + LEAST_AHEAD]


def test_text_without_medium_is_answered(tmp_path: Path) -> None:
    work = [Group(None, (Request("only words", "Why?"),)), *groups(*images(2), questions=3)]
    assert len(texts(run(Parrot(), work, tmp_path))) == 7
