"""One task's open requests: from the cache where it knows the answer, from the model otherwise, into the journal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness.engine.cache import ResponseCache, cache_key, model_parts, request_parts
from harness.engine.config import RunConfig
from harness.engine.local import LocalExecutor
from harness.engine.plan import TaskPlan
from harness.engine.progress import Progress, State
from harness.errors import MediaError
from harness.media.workers import PreparePool
from harness.model import Model
from harness.records.journal import Journal, entry_of, read_journal
from harness.types import Group, Json, Missing, Request, Response


class TaskWork:
    """What of a task is still open, given its journal. `answered`, `cached`, `missing` count this process's share."""

    def __init__(self, plan: TaskPlan, journal: Path, retry_missing: bool = False) -> None:
        self.plan = plan
        self.repaired = journal.is_file() and journal.stat().st_size > 0 and not _ends_with_newline(journal)
        done = {
            entry["id"]: "missing" in entry for entry in read_journal(journal)
        }  # the last word counts, so a Missing that was retried is done
        self._done = {name for name, missing in done.items() if not (missing and retry_missing)}
        self.open = [group for group in map(self._left, plan.groups) if group.requests]
        self.answered = self.cached = self.missing = 0
        self._total = sum(len(group.requests) for group in plan.groups)
        self._started = time.perf_counter()

    def _left(self, group: Group) -> Group:
        return replace(group, requests=tuple(one for one in group.requests if one.sample_id not in self._done))

    def run(
        self,
        model: Model,
        pool: PreparePool,
        journal: Journal,
        cache: ResponseCache | None,
        config: RunConfig,
        progress: Progress,
    ) -> None:
        """Answers everything open. Raises UserError, KeyboardInterrupt; the journal then holds what was answered."""
        identity = model_parts(model.card)
        keys: dict[str, Mapping[str, Json]] = {}
        executor = LocalExecutor(model, pool, config.batch_tokens)
        self._started = time.perf_counter()

        def uncached() -> Iterator[Group]:
            for group in self.open:
                digest = _digest(cache, group)
                left = []
                for request in group.requests:
                    keys[request.sample_id] = parts = request_parts(request, group.media, digest, config.video_reader)
                    known = self._known(cache, identity, parts, request, group)
                    if known is None:
                        left.append(request)
                        continue
                    journal.append(entry_of(request.sample_id, known, 0.0, True, parts))
                    self.cached += 1
                    self._tell(progress, pool)
                if left:
                    yield replace(group, requests=tuple(left))

        for outcome in executor.run(uncached()):
            parts = keys.pop(outcome.sample_id)
            journal.append(entry_of(outcome.sample_id, outcome.result, outcome.seconds, False, parts))
            self.answered += 1
            self.missing += isinstance(outcome.result, Missing)
            if cache is not None and isinstance(outcome.result, Response) and _cachable(outcome.group, parts):
                cache.put(cache_key(identity, parts), outcome.result)
            self._tell(progress, pool)
        for note in executor.notes:
            progress.note(note)

    @staticmethod
    def _known(
        cache: ResponseCache | None,
        identity: Mapping[str, Json],
        parts: Mapping[str, Json],
        request: Request,
        group: Group,
    ) -> Response | None:
        if cache is None or not _cachable(group, parts):
            return None
        return cache.get(cache_key(identity, parts), request.sample_id)

    def _tell(self, progress: Progress, pool: PreparePool) -> None:
        seconds = max(1e-9, time.perf_counter() - self._started)
        done = len(self._done) + self.answered + self.cached
        wait_share = min(1.0, pool.wait_seconds / seconds)
        rate = (self.answered + self.cached) / seconds
        progress.update(State(self.plan.name, done, self._total, self.missing, self.cached, rate, wait_share))


def _cachable(group: Group, parts: Mapping[str, Json]) -> bool:
    """A medium that could not be read has no digest, so its answers have no key."""
    return group.media is None or parts["media"] is not None


def _digest(cache: ResponseCache | None, group: Group) -> str | None:
    if cache is None or group.media is None:
        return None
    try:
        return cache.digest(group.media)
    except MediaError:
        return None  # the worker meets the same fault and reports it


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
