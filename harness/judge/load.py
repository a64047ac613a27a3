"""From --judge SPEC to a judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.endpoint.wire import split_spec
from harness.errors import UnknownName, UserError
from harness.judge.contract import Judge, JudgeCard

KINDS = ("rules", "openai:MODEL[@BASE_URL]", "transformers:DIR")


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How to ask, none of which changes a reply. `batch_state`: file of the batch API's state, None to ask at once."""

    concurrency: int = 16
    batch_state: Path | None = None


def card_of(spec: str) -> JudgeCard:
    """Who a spec names, without loading it: enough to say what would be asked. Raises UserError and UnknownName."""
    kind, _, rest = spec.partition(":")
    if kind not in ("rules", "openai", "transformers"):
        raise UnknownName("judge", spec, ("rules", "openai:MODEL", "transformers:DIR"))
    model, base_url = split_spec(rest)
    return JudgeCard(spec, model or kind, base_url)


def load_judge(spec: str, settings: JudgeSettings = JudgeSettings()) -> Judge:
    """`rules`, `openai:MODEL[@BASE_URL]` or `transformers:DIR`. Raises UserError and UnknownName."""
    kind, _, rest = spec.partition(":")
    if kind == "rules" and not rest:
        from harness.judge.rules import RulesJudge

        return RulesJudge()
    if kind == "openai" and rest:
        return _openai(rest, settings)
    if kind == "transformers" and rest:
        if not Path(rest).is_dir():
            raise UserError(f"--judge {spec}: there is no folder {rest}. Name one that holds a chat model's files.")
        from harness.judge.local_chat import TransformersJudge

        return TransformersJudge(Path(rest))
    if kind in ("openai", "transformers"):
        raise UserError(f"--judge {spec}: what comes after the colon is missing: {', '.join(KINDS)}.")
    raise UnknownName("judge", spec, ("rules", "openai:MODEL", "transformers:DIR"))


def _openai(rest: str, settings: JudgeSettings) -> Judge:
    model, url = split_spec(rest)
    if not model:
        raise UserError(f"--judge openai:{rest}: the model's name is missing: openai:MODEL[@BASE_URL].")
    if settings.batch_state is not None:
        from harness.judge.batch import OpenAiBatchJudge

        return OpenAiBatchJudge(model, url, state=settings.batch_state)
    from harness.judge.client import OpenAiJudge

    return OpenAiJudge(model, url, concurrency=settings.concurrency)
