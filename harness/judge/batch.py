"""Judging through an endpoint's batch API: half the price, within a day, and a process that may die meanwhile.

What was submitted stands in a state file before it is submitted, so that the same command goes on where one was killed
and asks nothing twice.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.endpoint.wire import Unreadable, open_client, refusal, reply_of
from harness.errors import UserError
from harness.judge.contract import JudgeCard, Reply
from harness.judge.judgements import content_of
from harness.judge.wire import asker, body, failed
from harness.records.folder import RunFolder
from harness.types import JudgeRequest, Missing

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import Batch

MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000
"""Of one batch: the API's limits are 50,000 requests and 200 MB."""
ENDED = {"completed", "failed", "expired", "cancelled"}
TIMEOUT = 600.0
MARK = "run_eval_batch"
State: TypeAlias = dict[str, Any]
"""One batch: "id" at the endpoint, None before it is known; "contents" of its requests."""


class OpenAiBatchJudge:
    """`state`: the file of what is submitted; gone when all is read. `poll`: seconds between two looks."""

    def __init__(self, model: str, base_url: str | None, state: Path, poll: float = 30.0) -> None:
        self.card = JudgeCard(f"openai:{model}" + (f"@{base_url}" if base_url else ""), model, base_url)
        self._state, self._poll = state, poll
        self._left_open: set[str] = set()

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        """Batch by batch, as they end. A batch is forgotten once all of its replies were taken."""
        import openai

        asked = {content_of(self.card, request): request for request in requests}
        client = open_client(asker(self.card), self.card.endpoint, TIMEOUT)
        try:
            batches = self._read()
            submitted = {content for batch in batches.values() for content in batch["contents"]}
            for part in self._parts([content for content in asked if content not in submitted], asked):
                batches[uuid.uuid4().hex] = {"id": None, "contents": part}
            self._write(batches)
            for mark, batch in batches.items():
                batch["id"] = batch["id"] or self._submitted(client, mark) or self._submit(client, mark, batch, asked)
                self._write(batches)
            for mark, batch in list(batches.items()):
                found = self._results(client, self._ended(client, batch["id"]))
                for content in batch["contents"]:
                    if content in asked:
                        yield asked[content], found.get(content, failed(f"batch {batch['id']} ended without a reply"))
                del batches[mark]
                self._write(batches)
        except openai.OpenAIError as error:
            raise refusal(asker(self.card), error) or UserError(
                f"--judge-batch: the batch API failed: {failed(error).detail} What was submitted stands in "
                f"{self._state}; the same command goes on."
            ) from error
        finally:
            client.close()

    def _parts(self, contents: Sequence[str], asked: Mapping[str, JudgeRequest]) -> Iterator[list[str]]:
        """Contents within the API's limits of one batch."""
        part: list[str] = []
        size = 0
        for content in contents:
            line = len(self._line(content, asked[content]))
            if part and (len(part) == MOST_REQUESTS or size + line > MOST_BYTES):
                yield part
                part, size = [], 0
            part.append(content)
            size += line
        if part:
            yield part

    def _line(self, content: str, request: JudgeRequest) -> bytes:
        row = {"custom_id": content, "method": "POST", "url": "/v1/chat/completions", "body": body(self.card, request)}
        return json.dumps(row).encode() + b"\n"

    def _submitted(self, client: OpenAI, mark: str) -> str | None:
        """The batch with this mark, where a process was killed between submitting it and writing down its id."""
        if mark not in self._left_open:
            return None
        marked = (one.id for one in client.batches.list(limit=100) if (one.metadata or {}).get(MARK) == mark)
        return next(marked, None)

    def _submit(self, client: OpenAI, mark: str, batch: State, asked: Mapping[str, JudgeRequest]) -> str:
        lines = b"".join(self._line(content, asked[content]) for content in batch["contents"] if content in asked)
        sent = client.files.create(file=("requests.jsonl", lines), purpose="batch")
        made = client.batches.create(
            input_file_id=sent.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={MARK: mark}
        )
        return made.id

    def _ended(self, client: OpenAI, identity: str) -> Batch:
        while (batch := client.batches.retrieve(identity)).status not in ENDED:
            time.sleep(self._poll)
        return batch

    def _results(self, client: OpenAI, batch: Batch) -> dict[str, Reply | Missing]:
        """Replies of a batch by content."""
        found: dict[str, Reply | Missing] = {}
        for file in (batch.error_file_id, batch.output_file_id):
            for line in client.files.content(file).text.splitlines() if file else ():
                content, outcome = self._read_line(line)
                found[content] = outcome
        return found

    def _read_line(self, line: str) -> tuple[str, Reply | Missing]:
        row: dict[str, Any] = json.loads(line)
        response = row.get("response") or {}
        if response.get("status_code") != 200:
            return row["custom_id"], failed(row.get("error") or response.get("body"))
        try:
            return row["custom_id"], reply_of(response["body"], self.card.model)
        except Unreadable as error:
            return row["custom_id"], failed(error)

    def _read(self) -> dict[str, State]:
        """What an earlier process submitted, by its marks. Raises UserError for a file of another judge."""
        if not self._state.is_file():
            return {}
        state = RunFolder(self._state.parent).read(self._state.name)
        if state["judge"] != self.card.spec:
            raise UserError(f"{self._state}: holds batches of {state['judge']}. Finish those with that --judge first.")
        batches: dict[str, State] = state["batches"]
        self._left_open = {mark for mark, batch in batches.items() if batch["id"] is None}
        return batches

    def _write(self, batches: Mapping[str, State]) -> None:
        if batches:
            document = {"judge": self.card.spec, "batches": dict(batches)}
            RunFolder(self._state.parent).write(self._state.name, document)
        else:
            self._state.unlink(missing_ok=True)
