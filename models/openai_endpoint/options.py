"""What can be set of a model behind a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from harness.types import Json


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """`frames`: most frames of a video. `side`: longest side of a picture in pixels; `picture_bytes`: most of one
    encoded picture; `request_bytes`: most of all pictures of a request. `detail`: as OpenAI's, where a server has it.
    `concurrency`: requests in flight; `a_minute`: most that begin within one. `max_cost`: USD that one command may
    spend. `parameters`: more of the request's JSON, null takes one out (max_tokens: null, reasoning_effort: low).
    """

    frames: int = 32
    side: int = 1024
    picture_bytes: int = 2**20
    request_bytes: int = 40 * 2**20
    detail: str = ""
    concurrency: int = 16
    a_minute: float | None = None
    max_cost: float | None = None
    parameters: Mapping[str, Json] | None = None

    def of_answers(self) -> dict[str, Json]:
        """Those that can change an answer."""
        pace = ("concurrency", "a_minute", "max_cost")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in pace}
