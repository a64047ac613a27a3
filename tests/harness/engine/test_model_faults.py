"""Models that fail: each failure costs what it must, and a model that fails on everything ends the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from harness.engine.run import evaluate, load_run, resume
from harness.errors import UserError
from harness.model import ReadyGroup
from harness.types import Response
from tests.harness.engine.conftest import Configure, files
from tests.support.fakes import Parrot


class Cramped(Parrot):
    """Has memory for `room` questions at a time."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        if sum(len(ready.group.requests) for ready in groups) > self.room:
            for ready in groups:
                next(iter(ready.chunks))
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        yield from super().respond(groups)


@pytest.mark.parametrize("room", [1, 3, 7])
def test_out_of_memory_halves_batches_until_they_fit(room: int, configure: Configure) -> None:
    calm = evaluate(configure("a"), model=Parrot())
    model = Cramped(room)
    tight = evaluate(configure("b"), model=model)
    assert files(calm.folder) == files(tight.folder)
    assert max(model.calls) <= room


def test_question_that_never_fits_is_missing(configure: Configure) -> None:
    run = evaluate(configure(limit=2, max_missing=1.0), model=Cramped(0))
    assert run.metrics["tasks"]["quiz"]["missing"] == {"out of memory": 2}


class Moody(Parrot):
    """Fails on questions about some media."""

    def __init__(self, *media: str) -> None:
        super().__init__()
        self.media = media

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for ready in groups:
            if ready.group.id in self.media:
                raise ValueError("not today")
            yield from super().respond([ready])


def test_model_error_costs_its_group_alone(configure: Configure) -> None:
    run = evaluate(configure(max_missing=1.0), model=Moody("m2", "m5"))
    assert run.metrics["tasks"]["quiz"]["missing"] == {"model error: ValueError": 8}


def test_model_that_fails_on_everything_stops_the_run_and_keeps_what_it_had(configure: Configure) -> None:
    config = configure(batch_tokens=40)
    with pytest.raises(UserError, match="not today"):
        evaluate(config, model=Moody(*(f"m{number}" for number in range(1, 10))))
    done = [entry for entry in load_run(config.output).responses("quiz") if "text" in entry]
    assert len(done) == 4
    resumed = resume(config.output, model=Parrot(), retry_missing=True)
    assert resumed.metrics["tasks"]["quiz"]["n_scored"] == 40


class Forgetful(Parrot):
    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        yield from list(super().respond(groups))[1:]


def test_request_without_answer_is_missing(configure: Configure) -> None:
    run = evaluate(configure(batch_tokens=40, max_missing=1.0), model=Forgetful())
    assert run.metrics["tasks"]["quiz"]["missing"] == {"no answer from the model": 10}
