"""Judging answers that stand in a journal: what is asked, what is known already, and what follows from the replies."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.endpoint.prices import load_prices
from harness.engine.cache import ResponseCache, cache_key
from harness.engine.config import RunConfig
from harness.engine.plan import TaskPlan
from harness.engine.progress import Progress, Silent, State
from harness.judge.budget import LETTERS_A_TOKEN, Budget, estimate, price_of
from harness.judge.contract import Judge, JudgeCard, Reply
from harness.judge.judgements import content_of, judgement_line, read_judgements
from harness.judge.load import card_of
from harness.records.folder import RUN, RunFolder
from harness.records.journal import Journal, outcome_of, read_journal
from harness.task import NOT_JUDGED, JudgedTask
from harness.types import Json, JudgeRequest, Missing, Response, Sample, Score

ASSUMED_TOKENS = 150
"""Of an answer that is not known yet, where its length decides what judging it costs."""


@dataclass(frozen=True, slots=True)
class Judging:
    """One judged task's answers. `samples`: those with an answer, in order; `responses`: by sample id."""

    task: JudgedTask
    samples: Sequence[Sample]
    responses: Mapping[str, Response]

    def requests(self, sample: Sample) -> Sequence[JudgeRequest] | Missing:
        return self.task.judge_requests(sample, self.responses[sample.id], self.responses)

    def open(self, card: JudgeCard, known: Mapping[str, Reply | Missing]) -> Iterator[JudgeRequest]:
        """Requests without a reply so far, each content once."""
        seen = {content for content, outcome in known.items() if isinstance(outcome, Reply)}
        for sample in self.samples:
            asked = self.requests(sample)
            for first in () if isinstance(asked, Missing) else asked:
                request, _ = self._chain(first, card, known)[-1]
                content = content_of(card, request)
                if content not in seen:
                    seen.add(content)
                    yield request

    def score(self, sample: Sample, card: JudgeCard, known: Mapping[str, Reply | Missing]) -> Score | Missing:
        """The score of one answer from a judge's replies; Missing('not judged') where one is still to be asked."""
        if isinstance(asked := self.requests(sample), Missing):
            return asked
        replies: dict[str, str] = {}
        for request, outcome in self.asked(sample, card, known):
            if isinstance(outcome, Missing):
                return outcome
            replies[request.key] = outcome.text
        return self.task.score_judged(sample, self.responses[sample.id], replies)

    def asked(
        self, sample: Sample, card: JudgeCard, known: Mapping[str, Reply | Missing]
    ) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        """What a judge is asked about one answer, with its reply or Missing; nothing where it cannot be asked."""
        requests = self.requests(sample)
        for first in () if isinstance(requests, Missing) else requests:
            yield from self._chain(first, card, known)

    def _chain(
        self, first: JudgeRequest, card: JudgeCard, known: Mapping[str, Reply | Missing]
    ) -> list[tuple[JudgeRequest, Reply | Missing]]:
        """A request, what was asked again after its reply, and so on, to the last or the first without a reply."""
        chain: list[tuple[JudgeRequest, Reply | Missing]] = []
        request: JudgeRequest | None = first
        while request is not None:
            outcome = known.get(content_of(card, request), Missing(NOT_JUDGED))
            chain.append((request, outcome))
            request = self.task.asked_again(request, outcome.text) if isinstance(outcome, Reply) else None
        return chain


def judging_of(plan: TaskPlan, outcomes: Mapping[str, Response | Missing]) -> Judging:
    """A judged task's answers, from its journal."""
    assert isinstance(plan.task, JudgedTask)
    answered = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Response)}
    samples = [one for one in plan.samples if one.id in answered and one.id not in plan.unusable]
    return Judging(plan.task, samples, answered)


def ask(
    judging: Judging,
    judge: Judge,
    path: Path,
    cache: ResponseCache | None,
    budget: Budget,
    progress: Progress | None = None,
) -> dict[str, Json]:
    """Asks what is open and appends every reply to `path` before anything is read from it. Returns counts for run.json.

    Raises UserError, KeyboardInterrupt; `path` then holds what was replied.
    """
    card, name, progress = judge.card, judging.task.card.name, progress or Silent()
    started = time.perf_counter()
    known = read_judgements(path, card.spec)
    tried: set[str] = set()
    asked = cached = failed = 0
    with Journal(path) as journal:
        if journal.repaired:
            progress.note(f"{path}: the last line was not whole; its request is asked again")
        while left := [one for one in judging.open(card, known) if content_of(card, one) not in tried]:
            total = asked + cached + len(left)
            unknown = []
            for request in left:
                tried.add(content := content_of(card, request))
                found = None if cache is None else cache.get(_key(content), request.sample_id)
                if found is None:
                    unknown.append(request)
                    continue
                known[content] = Reply(found.text, card.model, found.text_tokens, found.output_tokens)
                journal.append(judgement_line(card, request, known[content], cached=True))
                cached += 1
            for request, outcome in judge.replies(budget.passing(unknown)):
                content = content_of(card, request)
                journal.append(judgement_line(card, request, outcome, cached=False))
                known[content] = outcome
                budget.pay(request, outcome if isinstance(outcome, Reply) else None)
                failed += isinstance(outcome, Missing)
                if cache is not None and isinstance(outcome, Reply):
                    cache.put(_key(content), _remembered(request, outcome))
                asked += 1
                rate = asked / max(time.perf_counter() - started, 1e-9)
                progress.update(State(f"{name} judge", asked + cached, total, failed, cached, rate, None, "replies"))
    if budget.left_out:
        progress.note(f"{name}: {budget.left_out:,} requests do not fit --max-cost; resume with a larger one")
    return {"asked": asked, "cached": cached, "failed": failed, "left_out": budget.left_out}


def _key(content: str) -> str:
    return cache_key({"judgement": True}, {"content": content})


def _remembered(request: JudgeRequest, reply: Reply) -> Response:
    """A reply in the response cache's form; its input tokens stand as text tokens."""
    given, taken = reply.input_tokens or 0, reply.output_tokens or 0
    return Response(request.sample_id, reply.text, text_tokens=given, output_tokens=taken)


def forecast(path: Path, spec: str, changes: Mapping[str, object]) -> dict[str, dict[str, Json]]:
    """By judged task of a run: calls, tokens and USD that a judge would still take, estimated from lengths."""
    from harness.engine.run import plan

    folder = RunFolder(path)
    config = replace(RunConfig.from_json(folder.read(RUN)["config"]), **changes)  # type: ignore[arg-type]
    rows: dict[str, dict[str, Json]] = {}
    for one in plan(config):
        if isinstance(one.task, JudgedTask):
            outcomes = {entry["id"]: outcome_of(entry) for entry in read_journal(folder.journal(one.name))}
            known = read_judgements(folder.judgements(one.name), spec)
            rows[one.name] = _cost(judging_of(one, outcomes), spec, known, config)
    return rows


def forecast_unanswered(plan: TaskPlan, config: RunConfig) -> dict[str, Json]:
    """The same for a judged task that nobody has answered yet, as if every answer were long: an upper estimate.

    An answer is taken to have ASSUMED_TOKENS, or the benchmark's limit where that is less. What is asked again after
    a reply that cannot be read is not in it. Raises UserError and UnknownName for what is no judge.
    """
    assert config.judge is not None
    outcomes: dict[str, Response | Missing] = {}
    for request in (one for group in plan.groups for one in group.requests):
        letters = round(min(ASSUMED_TOKENS, request.max_new_tokens) * LETTERS_A_TOKEN)
        outcomes[request.sample_id] = Response(request.sample_id, request.sample_id.ljust(letters, "."))
    return _cost(judging_of(plan, outcomes), config.judge, {}, config)


def _cost(judging: Judging, spec: str, known: Mapping[str, Reply | Missing], config: RunConfig) -> dict[str, Json]:
    card = card_of(spec)
    price = price_of(card, load_prices(config.judge_prices))
    calls, given, taken = estimate(judging.open(card, known))
    usd = None if price is None else round(price.of(given, taken), 4)
    return {"calls": calls, "input_tokens": given, "output_tokens": taken, "usd": usd}
