"""One task's open requests: from the cache where it knows the answer, from the model otherwise, into the journal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.data.sources import missing_files
from harness.engine.cache import ResponseCache, cache_key, model_parts, request_parts
from harness.engine.config import RunConfig
from harness.engine.executor import Executor
from harness.engine.plan import TaskPlan, require_files
from harness.engine.progress import Progress, State
from harness.errors import MediaError
from harness.records.journal import Journal, entry_of, read_journal
from harness.types import Group, Json, Missing, Request, Response

TELL_SECONDS = 0.1
"""At most so often is progress told; a bar cannot be drawn ten thousand times a second."""


class TaskWork:
    """What of a task is still open, given its journal. `answered`, `cached`, `missing` count this process's share.

    `open`: groups to ask about. `absent`: groups whose file is not there. Raises UserError for absent files unless
    `config.allow_missing_files`.
    """

    def __init__(self, plan: TaskPlan, journal: Path, config: RunConfig, retry_missing: bool = False) -> None:
        self.plan, self._config = plan, config
        ended = {entry["id"]: "missing" in entry for entry in read_journal(journal)}  # the last word counts
        self._done = {name for name, missing in ended.items() if not (missing and retry_missing)}
        left = [group for group in map(self._left, plan.groups) if group is not None]
        if not config.allow_missing_files:
            require_files(plan.name, left)
        gone = set(missing_files(_files(left)))
        self.open = [group for group in left if group.media is None or group.media.source not in gone]
        self.absent = [group for group in left if group.media is not None and group.media.source in gone]
        self.answered = self.cached = self.missing = 0
        self._total = sum(len(group.requests) for group in plan.groups)
        self._started = self._told = time.perf_counter()

    def _left(self, group: Group) -> Group | None:
        if self._done.isdisjoint(one.sample_id for one in group.requests):
            return group
        left = tuple(one for one in group.requests if one.sample_id not in self._done)
        return replace(group, requests=left) if left else None

    def write_off(self, journal: Journal) -> None:
        """Samples without their file are Missing."""
        for group in self.absent:
            for request in group.requests:
                parts = request_parts(request, group.media, None, self._config.video_reader)
                lost = Missing("file not found", str(group.media and group.media.source))
                journal.append(entry_of(request.sample_id, lost, 0.0, False, parts))
                self.missing += 1

    def run(self, executor: Executor, journal: Journal, cache: ResponseCache | None, progress: Progress) -> None:
        """Answers everything open. Raises UserError, KeyboardInterrupt; the journal then holds what was answered."""
        identity = model_parts(executor.card)
        keys: dict[str, Mapping[str, Json]] = {}
        self._started = time.perf_counter()

        def uncached() -> Iterator[Group]:
            for group in executor.order(self.open):
                digest = _digest(cache, group)
                left = []
                for request in group.requests:
                    parts = request_parts(request, group.media, digest, self._config.video_reader)
                    known = self._known(cache, identity, parts, request, group)
                    if known is None:
                        keys[request.sample_id] = parts
                        left.append(request)
                        continue
                    journal.append(entry_of(request.sample_id, known, 0.0, True, parts))
                    self.cached += 1
                    self._tell(progress, executor)
                if left:
                    yield replace(group, requests=tuple(left))

        for outcome in executor.run(uncached(), len(self.open)):
            parts = keys.pop(outcome.sample_id)
            journal.append(entry_of(outcome.sample_id, outcome.result, outcome.seconds, False, parts))
            if isinstance(outcome.result, Missing):
                self.missing += 1
            else:
                self.answered += 1
                if cache is not None and _cachable(outcome.group, parts):
                    cache.put(cache_key(identity, parts), outcome.result)
            self._tell(progress, executor)
        self._tell(progress, executor, last=True)
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

    def _tell(self, progress: Progress, executor: Executor, last: bool = False) -> None:
        now = time.perf_counter()
        if now - self._told < TELL_SECONDS and not last:
            return
        self._told = now
        seconds = max(1e-9, now - self._started)
        ended = self.answered + self.cached + self.missing
        wait_share = min(1.0, executor.wait_seconds / seconds)
        progress.update(
            State(
                self.plan.name,
                len(self._done) + ended,
                self._total,
                self.missing,
                self.cached,
                ended / seconds,
                wait_share,
            )
        )


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


def _files(groups: Sequence[Group]) -> Iterator[Path]:
    return (media.source for group in groups if (media := group.media) and isinstance(media.source, Path))
