"""What comes back from an OpenAI-compatible endpoint, the key it wants, and what its errors mean for the user."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.records.redaction import redacted

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

KEY = "OPENAI_API_KEY"
_NO_KEY = "none"
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """An endpoint's words, as they came. `model`: the name it says it ran; token counts None where unknown."""

    text: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class Unreadable(Exception):
    """The endpoint answered something that is no chat completion."""


def split_spec(spec: str) -> tuple[str, str | None]:
    """MODEL[@BASE_URL] -> model and base URL, None for OpenAI's own."""
    model, at, base_url = spec.partition("@http")
    return model, f"http{base_url}" if at else None


def settings(asker: str, base_url: str | None, timeout: float, retries: int) -> dict[str, Any]:
    """Arguments of the official clients; the key comes from the environment only. Raises UserError.

    `asker`: the option that led here, for messages. A server of the user's own may need no key.
    """
    key = os.environ.get(KEY)
    if not key and base_url is None:
        raise UserError(f"{asker} needs a key. Set {KEY} in the environment, or name a server: openai:MODEL@URL.")
    return {"api_key": key or _NO_KEY, "base_url": base_url, "timeout": timeout, "max_retries": retries}


def open_async(asker: str, base_url: str | None, timeout: float) -> AsyncOpenAI:
    """A client that does not try again by itself."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(**settings(asker, base_url, timeout, retries=0))


def open_client(asker: str, base_url: str | None, timeout: float) -> OpenAI:
    """A client that tries again where the endpoint is in trouble, as it asks."""
    from openai import OpenAI

    return OpenAI(**settings(asker, base_url, timeout, retries=8))


def reply_of(content: bytes | Mapping[str, Any], model: str) -> Reply:
    """The reply in a chat completion. An empty text is a reply too; it is the reader's to refuse. Raises Unreadable."""
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


def shown(error: object) -> str:
    """An error's words without secrets, cut to a line or two."""
    return redacted(str(error))[:_SHOWN]


def refusal(asker: str, error: Exception) -> UserError | None:
    """For errors that the next request would meet again: what the user must change; None for any other."""
    import openai

    said = shown(error)
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return UserError(f"{asker}: the endpoint refused the key in {KEY}. It said: {said}")
    if isinstance(error, openai.NotFoundError):
        return UserError(f"{asker}: the endpoint has no such model, or no chat completions. It said: {said}")
    if isinstance(error, openai.BadRequestError) and error.code in ("unsupported_parameter", "unsupported_value"):
        return UserError(
            f"{asker}: the endpoint refuses a setting of the official request ({error.param}). Without it the "
            f"numbers would be those of another protocol; choose a model that takes it. It said: {said}"
        )
    if isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota":
        return UserError(f"{asker}: the account has no money left; what was replied is kept. It said: {said}")
    return None
