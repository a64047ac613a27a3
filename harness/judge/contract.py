"""The contract of a judge: requests go in, replies come out as they end, each with what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.endpoint.wire import Reply as Reply
from harness.types import Json, JudgeRequest, Missing

FAILED = "judge failed"
"""The reason of a request that got no reply."""


@dataclass(frozen=True, slots=True)
class JudgeCard:
    """Who judges. `spec`: as given to --judge, without any key. `endpoint`: base URL, None for a local judge.

    `parameters`: settings that override those of a request. Judgements of different cards are never mixed.
    """

    spec: str
    model: str
    endpoint: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)


class Judge(Protocol):
    """Asks; keeps nothing. Storing, reuse and budget belong to the engine."""

    card: JudgeCard

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        """Yields each request with its reply as it ends, in any order; Missing(reason) after the last retry.

        Raises UserError for what the user must change (no key, unknown model, endpoint refused).
        """
