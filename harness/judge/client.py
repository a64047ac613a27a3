"""A judge behind any OpenAI-compatible endpoint, asked through the official client, many requests at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from harness.errors import UserError
from harness.judge.contract import JudgeCard, Reply
from harness.judge.wire import Unreadable, body, failed, open_async, refusal, reply_of
from harness.types import JudgeRequest, Missing

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TRIES = 7
"""Of one request. With the waits between them an endpoint may be away for about two minutes."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
LONGEST_RETRY_AFTER = 600.0
"""Seconds. An endpoint that asks for more is taken as one that does not answer."""
TIMEOUT = 120.0
LARGEST_REPLY = 4 * 1024 * 1024
"""Bytes of a response that are read; official replies have at most a few thousand."""

Ended: TypeAlias = tuple[JudgeRequest, Reply | Missing]


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
        self._concurrency, self._timeout, self._first_wait = max(1, concurrency), timeout, first_wait
        self._answered = False

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[Ended]:
        """As they end. No more requests are drawn than are in flight, so that a budget may stop them in time."""
        client, source = open_async(self.card.endpoint, self._timeout), iter(requests)
        pending: set[asyncio.Task[Ended]] = set()
        with asyncio.Runner() as runner:
            try:
                while True:
                    while len(pending) < self._concurrency and (request := next(source, None)) is not None:
                        pending.add(runner.get_loop().create_task(self._asked(client, request)))
                    if not pending:
                        break
                    done, pending = runner.run(_first_of(pending))
                    yield from _ended(done)
            except (KeyboardInterrupt, UserError):
                yield from _ended({task for task in pending if task.done()})
                raise
            finally:
                runner.run(_closed(client, pending))

    async def _asked(self, client: AsyncOpenAI, request: JudgeRequest) -> Ended:
        """One request to its end: a reply, or Missing after the last try. Raises UserError."""
        import openai

        wait = self._first_wait
        for left in reversed(range(TRIES)):
            try:
                reply = reply_of(await self._sent(client, request), self.card.model)
                self._answered = True
                return request, reply
            except (openai.OpenAIError, Unreadable) as error:
                if (change := refusal(self.card.spec, error)) is not None:
                    raise change from error
                asked_wait = _retry_after(error)
                if not _passing(error) or (asked_wait or 0) > LONGEST_RETRY_AFTER:
                    return request, failed(error)
                if left == 0:
                    if isinstance(error, openai.APIConnectionError) and not self._answered:
                        raise self._unreachable(error) from error
                    return request, failed(f"{TRIES} tries, the last: {error}")
                await asyncio.sleep(asked_wait if asked_wait is not None else wait * random.uniform(0.5, 1.0))
                wait = min(2 * wait, LONGEST_WAIT)
        raise AssertionError("the last try returns or raises")

    async def _sent(self, client: AsyncOpenAI, request: JudgeRequest) -> bytes:
        """The body of one response, read up to `LARGEST_REPLY`."""
        import openai

        create = client.chat.completions.with_streaming_response.create
        received = bytearray()
        try:
            async with create(**body(self.card, request)) as response:
                async for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > LARGEST_REPLY:
                        raise Unreadable(f"the response has over {LARGEST_REPLY:,} bytes")
        except (openai.OpenAIError, Unreadable):
            raise
        except Exception as error:  # the transport's own kinds, which the client does not translate inside a body
            raise Unreadable(f"the response broke off: {type(error).__name__}: {error}") from error
        return bytes(received)

    def _unreachable(self, error: Exception) -> UserError:
        where = self.card.endpoint or "the OpenAI API"
        return UserError(
            f"--judge {self.card.spec}: {where} is not reachable ({error}). Start the server or correct its URL, then "
            "give the same command again; answers and replies so far are kept."
        )


async def _first_of(tasks: set[asyncio.Task[Ended]]) -> tuple[set[asyncio.Task[Ended]], set[asyncio.Task[Ended]]]:
    return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _ended(tasks: set[asyncio.Task[Ended]]) -> Iterator[Ended]:
    """Replies first, so that a refusal met at the same time costs none of them."""
    refused = None
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            yield task.result()
        else:
            refused = task
    if refused is not None and not refused.cancelled():
        refused.result()


async def _closed(client: AsyncOpenAI, pending: set[asyncio.Task[Ended]]) -> None:
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    await client.close()


def _passing(error: Exception) -> bool:
    """Worth another try: rate limits, servers in trouble, broken or slow connections, unreadable responses."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 425, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, Unreadable))


def _retry_after(error: Exception) -> float | None:
    """Seconds that the endpoint asks to wait, from the Retry-After header; None where it does not say."""
    import openai

    if not isinstance(error, openai.APIStatusError):
        return None
    said = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        return _until(said)


def _until(date: str) -> float | None:
    """Seconds until an HTTP date."""
    import time
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
