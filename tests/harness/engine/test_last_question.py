"""A call that runs out of memory over its last question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.engine.run import evaluate
from harness.model import ReadyGroup
from harness.types import Response
from tests.harness.engine.conftest import Configure, files
from tests.support.fakes import Parrot


class Crowded(Parrot):
    """Has memory for the last question of a call only where it is the only one."""

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        answers = list(super().respond(groups))
        yield from answers[: max(1, len(answers) - 1)]
        if len(answers) > 1:
            raise MemoryError


def test_question_left_over_by_a_call_is_tried_by_itself_before_it_is_missing(configure: Configure) -> None:
    crowded = evaluate(configure("b"), model=Crowded())
    assert crowded.metrics["tasks"]["quiz"]["missing"] == {}
    assert files(crowded.folder) == files(evaluate(configure("a"), model=Parrot()).folder)
