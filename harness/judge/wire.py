"""What a judge's requests look like to an OpenAI-compatible endpoint."""

from __future__ import annotations

from harness.endpoint.wire import shown
from harness.judge.contract import FAILED, JudgeCard
from harness.judge.judgements import parameters_of
from harness.types import Json, JudgeRequest, Missing


def asker(card: JudgeCard) -> str:
    """The option that named the judge, for messages."""
    return f"--judge {card.spec}"


def body(card: JudgeCard, request: JudgeRequest) -> dict[str, Json]:
    """The body of /chat/completions. What the official script leaves to the endpoint is left out."""
    given = {name: value for name, value in parameters_of(card, request).items() if value is not None}
    return {"model": card.model, "messages": [{"role": r, "content": text} for r, text in request.messages], **given}


def failed(error: object) -> Missing:
    """A request without a reply, and why."""
    return Missing(FAILED, shown(error))
