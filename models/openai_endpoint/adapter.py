"""A server's model behind the harness's `Model` contract: one chat completion a question, many at a time."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.endpoint.asking import Endpoint, NoReply
from harness.endpoint.prices import Price, load_prices, price_of_model
from harness.endpoint.wire import Reply, refusal, shown
from harness.errors import MediaError, UserError
from harness.media.chunks import Chunk
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Failure, Group, Json, Request, Response
from models import Preset
from models.openai_endpoint.options import EndpointOptions
from models.openai_endpoint.pictures import PicturePreparer, mime

VERSION = "endpoint-1"
CALL_TOKENS = 64
"""By which the engine fills calls: at the usual --batch-tokens, 512 requests."""
LOST_IN_A_ROW = 50
_PICTURES = re.compile(r"image|picture|multi-?modal|vision|content.{0,20}(type|format|string)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its pictures as data URLs."""

    request: Request
    urls: tuple[str, ...]


class EndpointAdapter(Model):
    """One chat completion a question, many at a time."""

    sharing = False

    def __init__(self, preset: Preset, model: str, base_url: str | None, options: EndpointOptions, reader: str) -> None:
        self._model, self._options, self._spec = model, options, f"--model {preset.name}"
        self._preparer = PicturePreparer(options.frames, options.side, options.picture_bytes, reader)
        self._endpoint: Endpoint[Asked] = Endpoint(
            self._spec,
            model,
            base_url,
            self._body,
            concurrency=options.concurrency,
            a_minute=options.a_minute,
            refused=self._refused,
        )
        self._price: Price | None = price_of_model(model, load_prices())
        self._input = self._output = self._lost = 0
        self._saw = False
        if options.max_cost is not None and self._price is None:
            raise UserError(f"max_cost: the price of {model} is not known (harness/endpoint/prices.yaml).")
        self.card = ModelCard(
            name=preset.name,
            digest=hashlib.sha256(f"{base_url}\n{model}".encode()).hexdigest(),
            dtype="the server's",
            version=VERSION,
            modalities=preset.modalities,
            settings={"model": model, "endpoint": base_url, **options.of_answers()},
            source=f"openai:{model}" + (f"@{base_url}" if base_url else ""),
            notes=("the weights behind a server have no digest here; text tokens are the server's count, pictures in",),
        )

    def preparer(self) -> PicturePreparer:
        return self._preparer

    def cost_tokens(self, group: Group) -> int:
        return CALL_TOKENS * len(group.requests)

    def notes(self) -> Sequence[str]:
        if not self._input + self._output:
            return ()
        used = f"{self.card.source}: {self._input:,} tokens in, {self._output:,} out"
        return (used + ("" if self._price is None else f", about {self._spent():.2f} USD"),)

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response | Failure]:
        failures: list[Failure] = []
        for asked, reply in self._endpoint.replies(self._asked(groups, failures)):
            yield self._answer(asked, reply)
            while failures:
                yield failures.pop()
        yield from failures

    def _asked(self, groups: Sequence[ReadyGroup], failures: list[Failure]) -> Iterator[Asked]:
        """Requests in order; what cannot be sent goes to `failures`. Raises UserError where the budget is spent."""
        for ready in groups:
            try:
                urls = tuple(_url(chunk) for chunk in ready.chunks)
            except MediaError as error:
                failures += [Failure(one.sample_id, error.reason, error.detail) for one in ready.group.requests]
                continue
            if (size := sum(map(len, urls))) > self._options.request_bytes:
                why = f"{len(urls)} pictures take {size:,} bytes; request_bytes allows {self._options.request_bytes:,}"
                failures += [Failure(one.sample_id, "request too large", why) for one in ready.group.requests]
                continue
            for request in ready.group.requests:
                if self._options.max_cost is not None and self._spent() >= self._options.max_cost:
                    raise UserError(
                        f"{self._spec}: {self._spent():.2f} USD are spent, max_cost allows {self._options.max_cost}. "
                        "What was answered is kept; `run-eval resume` goes on with as much again."
                    )
                yield Asked(request, urls)

    def _body(self, asked: Asked) -> dict[str, Json]:
        extra = {"detail": self._options.detail} if self._options.detail else {}
        parts: list[Json] = [{"type": "image_url", "image_url": {"url": url, **extra}} for url in asked.urls]
        parts.append({"type": "text", "text": asked.request.text})
        content = parts if asked.urls else asked.request.text
        given: dict[str, Any] = {"temperature": 0, "max_tokens": asked.request.max_new_tokens}
        given |= self._options.parameters or {}
        given = {name: value for name, value in given.items() if value is not None}
        return {"model": self._model, "messages": [{"role": "user", "content": content}], **given}

    def _answer(self, asked: Asked, reply: Reply | NoReply) -> Response | Failure:
        request = asked.request
        if isinstance(reply, NoReply):
            self._lost += 1
            if self._lost >= LOST_IN_A_ROW:
                raise UserError(
                    f"{self._spec}: {self._lost} requests in a row had no reply, the last: {reply.why} What was "
                    "answered is kept; mend the server, then `run-eval resume --retry-missing`."
                )
            return Failure(request.sample_id, "no reply from the endpoint", reply.why)
        self._lost = 0
        self._saw = self._saw or bool(asked.urls)
        given, taken = reply.input_tokens or 0, reply.output_tokens or 0
        self._input, self._output = self._input + given, self._output + taken
        other = (f"answered by {reply.model}",) if reply.model != self._model else ()
        return Response(
            request.sample_id,
            reply.text.strip(),
            text_tokens=given,
            output_tokens=taken,
            frames=len(asked.urls),
            notes=other,
        )

    def _refused(self, asker: str, error: Exception) -> UserError | None:
        """As for any asker; and a server that never took a picture and says it takes none."""
        import openai

        about_content = isinstance(error, openai.APIStatusError) and error.status_code in (400, 415, 422)
        if about_content and not self._saw and _PICTURES.search(str(error)):
            return UserError(f"{asker}: the server refuses pictures; serve a model that sees. It said: {shown(error)}")
        return refusal(asker, error)

    def _spent(self) -> float:
        return 0.0 if self._price is None else self._price.of(self._input, self._output)


def _url(chunk: Chunk) -> str:
    content = chunk.tobytes()
    return f"data:{mime(content)};base64,{base64.b64encode(content).decode()}"
