"""The words of the harness as small frozen values: media, samples, requests, responses, scores.

Nothing here imports torch, so worker processes and `run-eval --help` start at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

Json: TypeAlias = Any
"""A value that `json.dumps` writes without a helper."""


@runtime_checkable
class Source(Protocol):
    """Where a medium's bytes lie when it is not a file of its own (a row of a table, base64 in a TSV).

    Small and picklable: it travels to worker processes, which read.
    """

    def read(self) -> bytes:
        """The encoded bytes. Raises MediaError."""

    def __str__(self) -> str:
        """A name for messages, e.g. 'GQA testdev_balanced_images row 17'."""


@dataclass(frozen=True, slots=True)
class Image:
    """One still picture, not yet read. Samples whose media have the same `id` form a group."""

    id: str
    source: Path | Source


@dataclass(frozen=True, slots=True)
class Video:
    """One video file, or a folder of frames (`folder_fps` frames a second, names sorted). Not yet read."""

    id: str
    source: Path
    start_s: float | None = None
    end_s: float | None = None
    folder_fps: float | None = None


Media: TypeAlias = Image | Video


@dataclass(frozen=True, slots=True)
class FramePolicy:
    """Which frames of a video a model sees: `fps` frames a second by segment centres, at most `max_frames`.

    `clip_bounds`: only start_s..end_s of the video (`--clip bounds`) instead of all of it. `doubled`: a picture or
    frame that would be shown once, as a whole, is shown as two equal parts, a quirk of two released scripts.
    Source: the sampling rule of the released evaluation code, specs/video_benchmarks.md section 1.
    """

    fps: float = 1.0
    max_frames: int | None = None
    clip_bounds: bool = False
    doubled: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a benchmark. `meta` holds what scoring and breakdowns need, JSON values only.

    `media` None: a text-only item. `broken`: the item itself is unusable (no media named, wrong types);
    the sample becomes Missing with that reason and never reaches the model.
    """

    id: str
    question: str
    media: Media | None
    answer: str
    choices: tuple[str, ...] = ()
    meta: Mapping[str, Json] = field(default_factory=dict)
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked: the user's text without chat template or image placeholder, and generation settings."""

    sample_id: str
    text: str
    max_new_tokens: int = 128
    frames: FramePolicy = FramePolicy()


@dataclass(frozen=True, slots=True)
class Group:
    """One medium (or none) and every question asked about it: the unit of work."""

    media: Media | None
    requests: tuple[Request, ...]

    @property
    def id(self) -> str:
        return self.media.id if self.media is not None else f"text:{self.requests[0].sample_id}"


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer to one request. Token counts are of this request; timings live in the journal, not in scores.

    `vision_tokens`: tokens of the medium that enter the language model. `text_tokens`: prompt tokens without them
    (0: the model does not tell what its prompts take). `frames`: pictures or video frames the model saw. `notes`:
    anything a reader must know, e.g. a prompt that was cut.
    """

    sample_id: str
    text: str
    vision_tokens: int = 0
    text_tokens: int = 0
    output_tokens: int = 0
    frames: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A model's word that one request has no answer, and why; the sample becomes Missing with that reason."""

    sample_id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """Named numbers of one sample (`values`) and what they were read from (`detail`, e.g. the parsed answer)."""

    values: Mapping[str, float]
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """No score, and why. Never 0, -1 or "" (DESIGN rule 2). Equal reasons are counted together."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """One question to a judge about an answer. `key` tells the requests of one sample apart ("correctness", ..).

    `messages`: (role, text) as sent. `prompt`: name and sha256 of the template they were filled from. `temperature`,
    `max_tokens`: the official ones, None where the official script leaves the endpoint's default. `form`: the reply the
    prompt asks for, and `facts`: what its fields were filled with; both serve the built-in `rules` judge.
    """

    sample_id: str
    key: str
    messages: tuple[tuple[str, str], ...]
    prompt: tuple[str, str]
    form: Literal["verdict", "score", "pair", "grade"]
    facts: Mapping[str, str]
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A sample with its response, if any, and its result."""

    sample: Sample
    response: Response | None
    result: Score | Missing
