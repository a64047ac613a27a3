"""From tasks to units of work: which samples, which requests, grouped by the medium they ask about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from harness.data.sources import missing_files
from harness.engine.config import RunConfig
from harness.errors import MediaError, NotAvailable, UnknownName, UserError
from harness.task import Task
from harness.types import FramePolicy, Group, Image, Json, Media, Missing, Request, Sample, Video

SHOWN = 3
LOOKED_INTO = 200
"""Videos whose frames are counted in advance, which reads each file once."""


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task's work. `unusable`: samples that are Missing before anything runs, with their reasons."""

    task: Task
    prompt: str
    samples: tuple[Sample, ...]
    groups: tuple[Group, ...]
    unusable: Mapping[str, Missing]

    @property
    def name(self) -> str:
        return self.task.card.name

    def media(self) -> list[Media]:
        return [group.media for group in self.groups if group.media is not None]

    def digests(self) -> dict[str, str]:
        """sha256 over samples and over prompts: what must not have changed when a run is resumed."""
        samples = (
            [one.id, one.question, one.answer, one.choices, one.meta, one.media and one.media.id, one.broken]
            for one in self.samples
        )
        prompts = (
            [one.sample_id, one.text, one.max_new_tokens, _policy(one.frames)]
            for group in self.groups
            for one in group.requests
        )
        return {"samples_sha256": _sha256(samples), "prompts_sha256": _sha256(prompts)}

    def frames(self, reader: str) -> int | None:
        """Video frames that would be shown; None where it takes too long to look into so many videos.

        A video that cannot be read counts nothing.
        """
        videos = [group for group in self.groups if isinstance(group.media, Video)]
        return sum(_frames(group, reader) for group in videos) if len(videos) <= LOOKED_INTO else None

    def summary(self) -> dict[str, Json]:
        """Counts for --dry-run and run.json; nothing is opened."""
        media = self.media()
        files = list(dict.fromkeys(item.source for item in media if isinstance(item.source, Path)))
        return {
            "prompt": self.prompt,
            "samples": len(self.samples),
            "requests": sum(len(group.requests) for group in self.groups),
            "groups": len(self.groups),
            "images": sum(isinstance(item, Image) for item in media),
            "videos": sum(isinstance(item, Video) for item in media),
            "unusable": len(self.unusable),
            "files": len(files),
            "first files": [str(path) for path in files[:SHOWN]],
            "missing files": len(missing_files(files)),
        }


def plan_tasks(tasks: Sequence[Task], config: RunConfig) -> list[TaskPlan]:
    """The tasks' plans. Raises UserError and its kinds: data that cannot be read (of all tasks at once), an unknown
    prompt or quirk, unknown or duplicate ids."""
    for task in tasks:
        if config.prompt is not None and config.prompt not in task.card.prompts:
            raise UnknownName(f"prompt preset of {task.card.name}", config.prompt, task.card.prompts)
    quirks = [quirk for task in tasks for quirk in task.card.quirks]
    for quirk in config.quirks:
        if quirk not in quirks:
            raise UnknownName(f"quirk of {', '.join(task.card.name for task in tasks)}", quirk, quirks)
    tasks = [task.adjusted(config.quirks, config.preamble) for task in tasks]
    read: list[Sequence[Sample]] = []
    absent: list[str] = []
    for task in tasks:
        try:
            read.append(task.samples(config.sources[task.card.name]))
        except NotAvailable as error:
            absent.append(str(error))
    if absent:
        raise NotAvailable("\n".join(dict.fromkeys(absent)))
    _check_ids([task.card.name for task in tasks], read, config)
    return [_plan(task, samples, config) for task, samples in zip(tasks, read, strict=True)]


def require_files(name: str, groups: Iterable[Group]) -> None:
    """Raises UserError where media files of these groups are not there: how many, and which."""
    files = {media.source for group in groups if (media := group.media) and isinstance(media.source, Path)}
    if missing := missing_files(sorted(files)):
        shown = ", ".join(str(path) for path in missing[:SHOWN])
        raise UserError(
            f"{name}: {len(missing)} of {len(files)} media files are missing: {shown}"
            f"{', ..' if len(missing) > SHOWN else ''}. Complete the download, or pass --allow-missing-files to count "
            "their samples as Missing."
        )


def _check_ids(names: Sequence[str], read: Sequence[Sequence[Sample]], config: RunConfig) -> None:
    wanted = set(config.samples or ())
    for name, samples in zip(names, read, strict=True):
        ids = {sample.id for sample in samples}
        if len(ids) < len(samples):
            raise UserError(f"{name}: {len(samples) - len(ids)} sample ids occur more than once in the annotations.")
        if not samples:
            raise UserError(f"{name}: the annotations hold no samples.")
        if config.samples is not None and ids.isdisjoint(config.samples):
            raise UserError(
                f"{name}: none of the {len(config.samples)} ids of --samples exists, e.g. {config.samples[0]}. "
                f"The first of this task is {samples[0].id}."
            )
        wanted -= ids
    if wanted:
        raise UserError(
            f"{len(wanted)} of {len(config.samples or ())} ids of --samples exist in none of {', '.join(names)}: "
            f"{', '.join(sorted(wanted)[:SHOWN])}. An id of {names[0]} looks like {read[0][0].id}."
        )


def _plan(task: Task, samples: Sequence[Sample], config: RunConfig) -> TaskPlan:
    if config.samples is not None:
        wanted = set(config.samples)
        samples = [sample for sample in samples if sample.id in wanted]
    samples = tuple(samples[: config.limit])
    prompt = config.prompt or task.card.prompts[0]
    members: dict[object, list[Request]] = {}
    media: dict[object, Media | None] = {}
    for sample in samples:
        if not sample.broken:
            request = _adjusted(task.request(sample, prompt), task, config)
            key = _group_key(sample, request)
            members.setdefault(key, []).append(request)
            media.setdefault(key, sample.media)
    groups = tuple(Group(media[key], tuple(requests)) for key, requests in members.items())
    unusable = {sample.id: Missing(sample.broken) for sample in samples if sample.broken}
    return TaskPlan(task, prompt, samples, groups, unusable)


def _group_key(sample: Sample, request: Request) -> object:
    """Equal for requests to which one preparation of one medium is shown."""
    media = sample.media
    if media is None:
        return "text", sample.id
    clip = (media.start_s, media.end_s) if isinstance(media, Video) and request.frames.clip_bounds else None
    return media.id, request.frames, clip


def _adjusted(request: Request, task: Task, config: RunConfig) -> Request:
    """The request under the user's own limits and the quirks asked for."""
    frames = request.frames
    for quirk in task.card.quirks.keys() & set(config.quirks):
        frames = replace(frames, **task.card.quirks[quirk])
    if config.max_frames is not None:
        frames = replace(frames, max_frames=config.max_frames)
    if config.clip_bounds:
        frames = replace(frames, clip_bounds=True)
    return replace(request, frames=frames, max_new_tokens=config.max_new_tokens or request.max_new_tokens)


def _frames(group: Group, reader: str) -> int:
    from harness.media.video import count_frames

    assert isinstance(group.media, Video)
    try:
        return count_frames(group.media, group.requests[0].frames, reader)
    except MediaError:
        return 0


def _sha256(rows: Iterable[Json]) -> str:
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return total.hexdigest()


@lru_cache
def _policy(frames: FramePolicy) -> dict[str, Json]:
    return asdict(frames)
