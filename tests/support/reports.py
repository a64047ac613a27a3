"""Finished runs over the same pictures and clips, whose answers are known, for tests of reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import Run, evaluate
from harness.model import ReadyGroup
from harness.types import Response
from tasks import TASKS
from tasks.samples import build
from tests.support.fakes import Parrot

TASKS_SHOWN = ("gqa", "mlvu")
HOSTILE = '</script><script>window.taken = 1</script><img src="x" onerror="window.taken = 1">\u2028\ud800'


class Told(Parrot):
    """Answers as it is told, by sample id; nothing where that is None."""

    def __init__(self, answers: Mapping[str, str | None]) -> None:
        super().__init__()
        self.card = replace(self.card, modalities=("image", "video"))
        self._answers = answers

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for ready in groups:
            for request in ready.group.requests:
                if (answer := self._answers[request.sample_id]) is not None:
                    yield Response(request.sample_id, answer, 1, 12, 2, 1)


def source(root: Path) -> DataSource:
    """The sample sets of TASKS_SHOWN."""
    build(TASKS_SHOWN, root, 0)
    return DataSource("folder", root, synthetic=True)


def finished_run(
    folder: Path,
    data: DataSource,
    said: Mapping[str, str | None],
    otherwise: str | None = None,
    names: Sequence[str] = TASKS_SHOWN,
    **settings: Any,
) -> Run:
    """What was answered by sample id; all others are `otherwise`, or right where that is None.

    `names`: of the tasks, of TASKS_SHOWN; `settings`: further ones of the run.
    """
    samples = [one for task in names for one in TASKS.load(task)().samples(data)]
    answers = {one.id: one.answer if otherwise is None else otherwise for one in samples}
    sources = dict.fromkeys(names, data)
    config = RunConfig(folder.name, tuple(names), sources, folder, workers=0, max_missing=1.0, **settings)
    return evaluate(config, model=Told({**answers, **said}))
