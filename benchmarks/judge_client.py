"""What the harness itself costs while a judge is asked: 1,000 requests at concurrency 32 against a local server.

    python -m benchmarks.judge_client

prints one JSON document: seconds of all, and those which the server's own waiting takes at least.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.bars import bar
from harness.judge.client import OpenAiJudge
from harness.judge.contract import Reply
from harness.judge.judgements import judgement_line
from harness.records.journal import Journal
from harness.types import JudgeRequest
from tests.support.judge_server import MODEL, Answer, judge_server

REQUESTS, CONCURRENCY, SERVER_WAIT_S = 1_000, 32, 0.02


def main() -> None:
    text = "question, answer and prediction of some length. " * 20
    requests = [
        JudgeRequest(f"s{n}", "qa", (("system", text), ("user", f"{n} {text}")), ("qa", "0" * 64), "verdict", {})
        for n in range(REQUESTS)
    ]
    with tempfile.TemporaryDirectory() as folder, judge_server(lambda *_: Answer("yes", wait=SERVER_WAIT_S)) as server:
        judge = OpenAiJudge(MODEL, server.url, CONCURRENCY)
        started = time.perf_counter()
        with Journal(Path(folder) / "judgements.jsonl") as journal:
            for request, outcome in judge.replies(requests):
                assert isinstance(outcome, Reply)
                journal.append(judgement_line(judge.card, request, outcome, cached=False))
        took = time.perf_counter() - started
    waiting = REQUESTS / CONCURRENCY * SERVER_WAIT_S
    document = {
        "requests": REQUESTS,
        "concurrency": CONCURRENCY,
        "seconds": round(took, 2),
        "waited": waiting,
        "bars": [bar("1,000 judge requests, 32 at a time", took, "s", most=20)],
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
