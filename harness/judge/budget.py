"""What judging costs: estimated before a call, counted after it, and stopped before it exceeds what may be spent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.endpoint.prices import Price, price_of_model
from harness.errors import UserError
from harness.judge.contract import JudgeCard, Reply
from harness.types import JudgeRequest

LETTERS_A_TOKEN = 3.5
"""Fewer than English has in GPT's vocabularies (about 4), so that an estimate is rather too high."""
REPLY_TOKENS = {"verdict": 12, "score": 8, "pair": 300, "grade": 3}
"""Usual lengths of a reply (specs/video_benchmarks.md section 8.5); a smaller max_tokens cuts them."""


def price_of(card: JudgeCard, prices: Mapping[str, Price]) -> Price | None:
    """Nothing for a judge without an endpoint of OpenAI's kind, None for a model that the table does not know."""
    if card.spec.partition(":")[0] != "openai":
        return Price(0.0, 0.0)
    return price_of_model(card.model, prices)


def estimate(requests: Iterable[JudgeRequest]) -> tuple[int, int, int]:
    """(calls, input tokens, output tokens) of requests, by their lengths."""
    calls = given = taken = 0
    for request in requests:
        calls += 1
        given += tokens_of(request)[0]
        taken += tokens_of(request)[1]
    return calls, given, taken


def tokens_of(request: JudgeRequest) -> tuple[int, int]:
    """(input, output) tokens that one request takes, about."""
    letters = sum(len(text) for _, text in request.messages)
    usual = REPLY_TOKENS[request.form]
    return round(letters / LETTERS_A_TOKEN), usual if request.max_tokens is None else min(usual, request.max_tokens)


@dataclass
class Budget:
    """Counts what is spent and lets requests through while the next one fits; `left_out` counts those that did not."""

    price: Price | None
    limit: float | None = None
    spent: float = 0.0
    left_out: int = 0
    _promised: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.limit is not None and self.price is None:
            raise UserError(
                "--max-cost: the price of this judge is not known. Name a table with --judge-prices FILE, a line "
                "`MODEL: [USD per million input tokens, .. output tokens]`."
            )

    def passing(self, requests: Iterable[JudgeRequest]) -> Iterator[JudgeRequest]:
        """The requests that fit, each counted with its estimate until `pay` says what it really took."""
        for request in requests:
            cost = 0.0 if self.price is None else self.price.of(*tokens_of(request))
            if self.limit is not None and self.spent + self._promised + cost > self.limit:
                self.left_out += 1
                continue
            self._promised += cost
            yield request

    def pay(self, request: JudgeRequest, reply: Reply | None) -> None:
        """A request that was let through has ended, with a reply or without."""
        if self.price is None:
            return
        self._promised -= self.price.of(*tokens_of(request))
        if reply is not None:
            given, taken = tokens_of(request)
            known = reply.input_tokens if reply.input_tokens is not None else given
            self.spent += self.price.of(known, reply.output_tokens if reply.output_tokens is not None else taken)
