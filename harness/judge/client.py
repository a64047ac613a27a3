"""A judge behind any OpenAI-compatible endpoint, asked through the official client, many requests at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from harness.endpoint.asking import FIRST_WAIT, TIMEOUT, Endpoint, NoReply
from harness.judge.contract import JudgeCard, Reply
from harness.judge.wire import asker, body, failed
from harness.types import JudgeRequest, Missing


class OpenAiJudge:
    """`concurrency`: requests in flight. `first_wait`: seconds before the first repetition, doubled each time."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        concurrency: int = 16,
        timeout: float = TIMEOUT,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        self.card = JudgeCard(f"openai:{model}" + (f"@{base_url}" if base_url else ""), model, base_url)
        self._endpoint: Endpoint[JudgeRequest] = Endpoint(
            asker(self.card), model, base_url, partial(body, self.card), concurrency, timeout, first_wait
        )

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        """As they end. No more requests are drawn than are in flight, so that a budget may stop them in time."""
        for request, reply in self._endpoint.replies(requests):
            yield request, failed(reply.why) if isinstance(reply, NoReply) else reply
