"""What goes to an OpenAI-compatible endpoint and what comes back: key, request body, reply."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.judge.contract import FAILED, JudgeCard, Reply
from harness.judge.judgements import parameters_of
from harness.records.redaction import redacted
from harness.types import Json, JudgeRequest, Missing

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

KEY = "OPENAI_API_KEY"
_NO_KEY = "none"
_SHOWN = 300


class Unreadable(Exception):
    """The endpoint answered something that is no chat completion."""


def settings(base_url: str | None, timeout: float, retries: int) -> dict[str, Any]:
    """Arguments of the official clients; the key comes from the environment only. Raises UserError.

    A server of the user's own may need no key.
    """
    key = os.environ.get(KEY)
    if not key and base_url is None:
        raise UserError(
            f"--judge openai: needs a key. Set {KEY} in the environment, or name a server: openai:MODEL@URL."
        )
    return {"api_key": key or _NO_KEY, "base_url": base_url, "timeout": timeout, "max_retries": retries}


def open_async(base_url: str | None, timeout: float) -> AsyncOpenAI:
    """A client that does not try again by itself."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(**settings(base_url, timeout, retries=0))


def open_client(base_url: str | None, timeout: float) -> OpenAI:
    """A client that tries again where the endpoint is in trouble, as it asks."""
    from openai import OpenAI

    return OpenAI(**settings(base_url, timeout, retries=8))


def body(card: JudgeCard, request: JudgeRequest) -> dict[str, Json]:
    """The body of /chat/completions. What the official script leaves to the endpoint is left out."""
    given = {name: value for name, value in parameters_of(card, request).items() if value is not None}
    return {"model": card.model, "messages": [{"role": r, "content": text} for r, text in request.messages], **given}


def reply_of(content: bytes | Mapping[str, Any], model: str) -> Reply:
    """The reply in a chat completion. An empty text is a reply too; it is the parsers' to refuse. Raises Unreadable."""
    try:
        found = json.loads(content) if isinstance(content, bytes) else content
        text = found["choices"][0]["message"]["content"]
        if not isinstance(text, str):
            raise TypeError("its content is no text")
        usage = found.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        given, taken = (count if isinstance(count, int) else None for count in counts)
        return Reply(text, str(found.get("model") or model), given, taken)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"no chat completion: {type(error).__name__}: {error}") from error


def failed(error: object) -> Missing:
    """A request without a reply, and why."""
    return Missing(FAILED, redacted(str(error))[:_SHOWN])


def refusal(spec: str, error: Exception) -> UserError | None:
    """For errors that the next request would meet again: what the user must change; None for any other."""
    import openai

    said = redacted(str(error))[:_SHOWN]
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return UserError(f"--judge {spec}: the endpoint refused the key in {KEY}. It said: {said}")
    if isinstance(error, openai.NotFoundError):
        return UserError(f"--judge {spec}: the endpoint has no such model, or no chat completions. It said: {said}")
    if isinstance(error, openai.BadRequestError) and error.code in ("unsupported_parameter", "unsupported_value"):
        return UserError(
            f"--judge {spec}: the endpoint refuses a setting of the official request ({error.param}). Without it the "
            f"numbers would be those of another protocol; choose a model that takes it. It said: {said}"
        )
    if isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota":
        return UserError(f"--judge {spec}: the account has no money left; what was replied is kept. It said: {said}")
    return None
