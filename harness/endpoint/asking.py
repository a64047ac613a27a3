"""Many requests to one endpoint at a time, each tried again while there is hope."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from harness.endpoint.wire import Reply, Unreadable, open_async, refusal, reply_of, shown
from harness.errors import UserError
from harness.types import Json

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TRIES = 7
"""Of one request. With the waits between them an endpoint may be away for about two minutes."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
LONGEST_RETRY_AFTER = 600.0
"""Seconds. An endpoint that asks for more is taken as one that does not answer."""
TIMEOUT = 120.0
LARGEST_REPLY = 4 * 1024 * 1024
"""Bytes of a response that are read; usual replies have at most a few thousand."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class NoReply:
    """Why a request got none, after its last try."""

    why: str


Ended: TypeAlias = tuple[Item, Reply | NoReply]


class Endpoint(Generic[Item]):
    """`asker`: the option that named it, for messages. `body`: the JSON of /chat/completions for an item.

    `concurrency`: requests in flight. `a_minute`: most requests that begin within one, None for no limit. `refused`:
    turns an error that every further request would meet into what the user must change. `first_wait`: seconds before
    the first repetition, doubled each time.
    """

    def __init__(
        self,
        asker: str,
        model: str,
        base_url: str | None,
        body: Callable[[Item], Mapping[str, Json]],
        concurrency: int = 16,
        timeout: float = TIMEOUT,
        first_wait: float | None = None,
        a_minute: float | None = None,
        refused: Callable[[str, Exception], UserError | None] = refusal,
    ) -> None:
        self._asker, self._model, self._base_url, self._body, self._refused = asker, model, base_url, body, refused
        self._concurrency, self._timeout, self._first_wait = max(1, concurrency), timeout, first_wait or FIRST_WAIT
        self._pause = 60.0 / a_minute if a_minute else 0.0
        self._next = 0.0
        self.answered = False

    def replies(self, items: Iterable[Item]) -> Iterator[Ended[Item]]:
        """As they end. No more items are drawn than are in flight, so that a budget may stop them in time.

        Raises UserError for what the user must change (no key, unknown model, endpoint refused or not there).
        """
        client, source = open_async(self._asker, self._base_url, self._timeout), iter(items)
        pending: set[asyncio.Task[Ended[Item]]] = set()
        with asyncio.Runner() as runner:
            try:
                while True:
                    while len(pending) < self._concurrency and (item := next(source, None)) is not None:
                        pending.add(runner.get_loop().create_task(self._asked(client, item)))
                    if not pending:
                        break
                    done, pending = runner.run(_first_of(pending))
                    yield from _ended(done)
            except (KeyboardInterrupt, UserError):
                yield from _ended({task for task in pending if task.done()})
                raise
            finally:
                runner.run(_closed(client, pending))

    async def _asked(self, client: AsyncOpenAI, item: Item) -> Ended[Item]:
        """One request to its end: a reply, or why there is none after the last try. Raises UserError."""
        import openai

        wait = self._first_wait
        for left in reversed(range(TRIES)):
            await self._turn()
            try:
                reply = reply_of(await self._sent(client, item), self._model)
                self.answered = True
                return item, reply
            except (openai.OpenAIError, Unreadable) as error:
                if (change := self._refused(self._asker, error)) is not None:
                    raise change from error
                asked_wait = _retry_after(error)
                if not _passing(error) or (asked_wait or 0) > LONGEST_RETRY_AFTER:
                    return item, NoReply(shown(error))
                if left == 0:
                    if isinstance(error, openai.APIConnectionError) and not self.answered:
                        raise self._unreachable(error) from error
                    return item, NoReply(shown(f"{TRIES} tries, the last: {error}"))
                await asyncio.sleep(asked_wait if asked_wait is not None else wait * random.uniform(0.5, 1.0))
                wait = min(2 * wait, LONGEST_WAIT)
        raise AssertionError("the last try returns or raises")

    async def _turn(self) -> None:
        """Waits until another request may begin."""
        now = time.monotonic()
        self._next, mine = max(self._next, now) + self._pause, max(self._next, now)
        if mine > now:
            await asyncio.sleep(mine - now)

    async def _sent(self, client: AsyncOpenAI, item: Item) -> bytes:
        """The body of one response, read up to `LARGEST_REPLY`."""
        import openai

        create = client.chat.completions.with_streaming_response.create
        received = bytearray()
        try:
            async with create(**self._body(item)) as response:
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
        where = self._base_url or "the OpenAI API"
        return UserError(
            f"{self._asker}: {where} is not reachable ({error}). Start the server or correct its URL, then "
            "give the same command again; answers and replies so far are kept."
        )


async def _first_of(
    tasks: set[asyncio.Task[Ended[Item]]],
) -> tuple[set[asyncio.Task[Ended[Item]]], set[asyncio.Task[Ended[Item]]]]:
    return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _ended(tasks: set[asyncio.Task[Ended[Item]]]) -> Iterator[Ended[Item]]:
    """Replies first, so that a refusal met at the same time costs none of them."""
    refused = None
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            yield task.result()
        else:
            refused = task
    if refused is not None and not refused.cancelled():
        refused.result()


async def _closed(client: AsyncOpenAI, pending: set[asyncio.Task[Ended[Item]]]) -> None:
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
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
