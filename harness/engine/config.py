"""Everything that defines one run of one model: frozen, written to `run.json`, and enough to resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from harness.data.sources import DataSource
from harness.errors import UnknownName, UserError
from harness.types import Json

_ALWAYS = ("model", "tasks", "sources", "output", "cache", "samples")
_LEAST = {
    "limit": 1,
    "max_new_tokens": 1,
    "max_frames": 1,
    "batch_tokens": 1,
    "workers": 0,
    "media_timeout_s": 0.001,
    "replicas": 1,
    "judge_concurrency": 1,
    "max_cost": 0,
    "seed": 0,
}


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One model on some tasks. None leaves a choice to the task, the preset or the machine.

    `options`: what the model's adapter lets be set. `samples`: only these ids. `preamble`: where the user's copy of
    a prompt text lies. `quirks`: names from the tasks' cards. `batch_tokens`: rough tokens of a batch. `workers`:
    processes that decode, of each replica. `executor`: "local" or "ray", at `address`. `replicas`: of the model; None:
    one in this process, or as many as the cluster has room for. `max_missing`: largest share (0 to 1) of Missing
    samples that still gives a headline. `judge`: who grades open answers; `max_cost`: USD that this may take.
    `sharing`: questions about one medium share what does not depend on them. `compiled`: the language model is compiled
    first. `profile`: note what a sample costs. `cache`: folder of the response cache, None for none. `command`: as it
    was typed. Raises UserError for values that make no sense.
    """

    model: str
    tasks: tuple[str, ...]
    sources: Mapping[str, DataSource]
    output: Path
    prompt: str | None = None
    preamble: Path | None = None
    limit: int | None = None
    samples: tuple[str, ...] | None = None
    max_new_tokens: int | None = None
    max_frames: int | None = None
    clip_bounds: bool = False
    quirks: tuple[str, ...] = ()
    device: str | None = None
    dtype: str | None = None
    checkpoint: str | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    batch_tokens: int = 32768
    workers: int = 1
    executor: str = "local"
    address: str | None = None
    replicas: int | None = None
    video_reader: str = "pyav"
    media_timeout_s: float = 120.0
    max_missing: float = 0.01
    allow_missing_files: bool = False
    seed: int = 0
    sharing: bool = True
    compiled: bool = False
    profile: bool = False
    cache: Path | None = None
    judge: str | None = None
    judge_concurrency: int = 16
    judge_batch: bool = False
    judge_prices: Path | None = None
    max_cost: float | None = None
    command: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise UserError(f"tasks: name at least one, and each once; got {', '.join(self.tasks) or 'none'}.")
        if sourceless := [name for name in self.tasks if name not in self.sources]:
            raise UserError(f"sources: nothing says where the samples of {', '.join(sourceless)} come from.")
        for name, least in _LEAST.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise UserError(f"{name}: must be at least {least}, not {value}.")
        if not 0 <= self.max_missing <= 1:
            raise UserError(f"max_missing: a share between 0 and 1, not {self.max_missing}.")

    def to_json(self) -> dict[str, Json]:
        """JSON values only."""
        document = asdict(self)
        document["output"] = str(self.output)
        document["preamble"] = None if self.preamble is None else str(self.preamble.absolute())
        document["judge_prices"] = None if self.judge_prices is None else str(self.judge_prices.absolute())
        document["cache"] = None if self.cache is None else str(self.cache.absolute())
        if self.checkpoint is not None and Path(self.checkpoint).is_dir():
            document["checkpoint"] = str(Path(self.checkpoint).absolute())  # resumed from any folder
        for source in document["sources"].values():
            source["root"] = None if source["root"] is None else str(source["root"].absolute())
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> RunConfig:
        """The inverse of `to_json`. Raises UnknownName for a key that is no field, UserError where one is absent."""
        values = dict(document)
        if absent := [name for name in _ALWAYS if name not in values]:
            raise UserError(f"a run's config lacks {', '.join(absent)}: it is none that this harness wrote.")
        known = {one.name for one in fields(cls)}
        for key in values:
            if key not in known:
                raise UnknownName("key of a run's config", key, known)
        values["output"] = Path(values["output"])
        values["preamble"] = None if values.get("preamble") is None else Path(values["preamble"])
        values["judge_prices"] = None if values.get("judge_prices") is None else Path(values["judge_prices"])
        values["cache"] = None if values["cache"] is None else Path(values["cache"])
        for name in ("tasks", "command", "quirks"):
            values[name] = tuple(values.get(name, ()))
        values["samples"] = None if values["samples"] is None else tuple(values["samples"])
        values["sources"] = {
            task: DataSource(**{**source, "root": None if source["root"] is None else Path(source["root"])})
            for task, source in values["sources"].items()
        }
        return cls(**values)
