"""Everything that defines one run of one model: frozen, written to `run.json`, and enough to resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from harness.data.sources import DataSource
from harness.errors import UnknownName
from harness.types import Json


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One model on some tasks. None leaves a choice to the task, the preset or the machine.

    `samples`: only these ids. `batch_tokens`: rough tokens of a batch. `max_missing`: largest share (0 to 1) of Missing
    samples that still gives a headline. `cache`: folder of the response cache, None for none. `command`: as it was
    typed.
    """

    model: str
    tasks: tuple[str, ...]
    sources: Mapping[str, DataSource]
    output: Path
    prompt: str | None = None
    limit: int | None = None
    samples: tuple[str, ...] | None = None
    max_new_tokens: int | None = None
    max_frames: int | None = None
    clip_bounds: bool = False
    device: str | None = None
    dtype: str | None = None
    checkpoint: str | None = None
    batch_tokens: int = 16384
    workers: int = 1
    video_reader: str = "pyav"
    media_timeout_s: float = 120.0
    max_missing: float = 0.01
    allow_missing_files: bool = False
    seed: int = 0
    cache: Path | None = None
    command: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Json]:
        """JSON values only."""
        document = asdict(self)
        document["output"] = str(self.output)
        document["cache"] = None if self.cache is None else str(self.cache)
        for source in document["sources"].values():
            source["root"] = None if source["root"] is None else str(source["root"])
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> RunConfig:
        """The inverse of `to_json`. Raises UnknownName for a key that is no field."""
        values = dict(document)
        known = {one.name for one in fields(cls)}
        for key in values:
            if key not in known:
                raise UnknownName("key of a run's config", key, known)
        values["output"] = Path(values["output"])
        values["cache"] = None if values["cache"] is None else Path(values["cache"])
        for name in ("tasks", "command"):
            values[name] = tuple(values[name])
        values["samples"] = None if values["samples"] is None else tuple(values["samples"])
        values["sources"] = {
            task: DataSource(**{**source, "root": None if source["root"] is None else Path(source["root"])})
            for task, source in values["sources"].items()
        }
        return cls(**values)
