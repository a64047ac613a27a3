"""From tasks to units of work: which samples, which requests, grouped by the medium they ask about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.data.sources import missing_files
from harness.engine.config import RunConfig
from harness.errors import UnknownName, UserError
from harness.task import Task
from harness.types import Group, Image, Json, Media, Missing, Request, Sample, Video

SHOWN = 3


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

    def digest(self) -> str:
        """sha256 over samples and requests: what must not have changed when a run is resumed."""
        rows = [
            [one.id, one.question, one.media and one.media.id, one.answer, list(one.choices), dict(one.meta)]
            for one in self.samples
        ]
        asked = [asdict(request) for group in self.groups for request in group.requests]
        return hashlib.sha256(json.dumps([rows, asked], sort_keys=True).encode()).hexdigest()

    def summary(self) -> dict[str, Json]:
        """Counts for --dry-run; nothing is decoded."""
        media = self.media()
        files = [item.source for item in media if isinstance(item.source, Path)]
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


def plan_task(task: Task, config: RunConfig) -> TaskPlan:
    """One task's plan. Raises UserError and its kinds: unknown prompt or ids, absent files, duplicate ids."""
    card = task.card
    prompt = config.prompt or card.prompts[0]
    if prompt not in card.prompts:
        raise UnknownName(f"prompt preset of {card.name}", prompt, card.prompts)
    samples = _chosen(task.samples(config.sources[card.name]), card.name, config)
    unusable = {sample.id: Missing(sample.broken) for sample in samples if sample.broken}
    unusable |= _absent(card.name, [sample for sample in samples if not sample.broken], config)
    members: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.id not in unusable:
            members.setdefault(sample.media.id if sample.media else f"text:{sample.id}", []).append(sample)
    groups = tuple(
        Group(some[0].media, tuple(_adjusted(task.request(sample, prompt), config) for sample in some))
        for some in members.values()
    )
    return TaskPlan(task, prompt, samples, groups, unusable)


def _chosen(samples: Sequence[Sample], task: str, config: RunConfig) -> tuple[Sample, ...]:
    """The samples to run, in official order."""
    by_id = {sample.id: sample for sample in samples}
    if len(by_id) < len(samples):
        raise UserError(f"{task}: {len(samples) - len(by_id)} sample ids occur more than once in the annotations.")
    if not samples:
        raise UserError(f"{task}: the annotations hold no samples.")
    if config.samples is not None:
        unknown = [name for name in config.samples if name not in by_id]
        if len(unknown) == len(config.samples) or (unknown and len(config.tasks) == 1):
            raise UserError(
                f"{task}: {len(unknown)} of {len(config.samples)} ids of --samples do not exist, e.g. {unknown[0]}. "
                f"The first of this task is {samples[0].id}."
            )
        samples = [sample for sample in samples if sample.id in set(config.samples)]
    return tuple(samples[: config.limit])


def _absent(task: str, samples: Sequence[Sample], config: RunConfig) -> dict[str, Missing]:
    """Samples whose files are not there. Raises UserError unless the user accepts that."""
    paths = {
        sample.id: sample.media.source
        for sample in samples
        if sample.media is not None and isinstance(sample.media.source, Path)
    }
    missing = missing_files(paths.values())
    if missing and not config.allow_missing_files:
        shown = ", ".join(str(path) for path in missing[:SHOWN])
        raise UserError(
            f"{task}: {len(missing)} of {len(set(paths.values()))} media files are missing: {shown}"
            f"{', ..' if len(missing) > SHOWN else ''}. Complete the download, or pass --allow-missing-files to count "
            "their samples as Missing."
        )
    gone = set(missing)
    return {name: Missing("file not found", str(path)) for name, path in paths.items() if path in gone}


def _adjusted(request: Request, config: RunConfig) -> Request:
    """The request under the user's own limits."""
    frames = request.frames
    if config.max_frames is not None:
        frames = replace(frames, max_frames=config.max_frames)
    if config.clip_bounds:
        frames = replace(frames, clip_bounds=True)
    return replace(request, frames=frames, max_new_tokens=config.max_new_tokens or request.max_new_tokens)
