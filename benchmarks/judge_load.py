"""100,000 judged samples against a local server that fails one request in twenty: nothing lost, nothing paid twice.

    python -m benchmarks.judge_load [--samples 100000] [--concurrency 64]

prints one JSON document. The server runs in a process of its own; a fault is "too many requests", a broken server, an
answer that is no JSON or a connection that ends early, and the same request is answered when it comes again. Memory is
the run's resident set once a second, the second half of the judging against the first: of each sample it keeps the
reply, by which the same question is never asked again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import tasks
from benchmarks.bars import bar
from harness.data.sources import DataSource
from harness.endpoint import asking
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run
from harness.registry import Registry
from tests.support.fakes import Parrot, write_quiz
from tests.support.judge_server import MODEL, completion

FAULTS, EVERY = ("busy", "broken", "nonsense", "cut"), 20


def serve(pipe: Connection) -> None:
    """Until told to stop: says its port first, and at last how often each request was answered, and the faults."""
    answered, faults, lock = Counter[str](), Counter[str](), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = body["messages"][0]["content"]
            number = int(text.partition(":")[0].removeprefix("q"))
            with lock:
                fault = None if number % EVERY or faults[text] else FAULTS[number // EVERY % len(FAULTS)]
                (faults if fault else answered)[text] += 1
            self.reply(fault, json.dumps(completion("yes" if number % 3 else "no")).encode())

        def reply(self, fault: str | None, content: bytes) -> None:
            self.send_response({"busy": 429, "broken": 500}.get(fault or "", 200))
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.send_header("retry-after", "0")
            self.end_headers()
            if fault == "cut":
                self.wfile.write(content[:20])
                self.close_connection = True
            else:
                self.wfile.write(b"?" * len(content) if fault == "nonsense" else content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_address[1])
    pipe.recv()
    pipe.send((len(answered), max(answered.values()), sum(faults.values())))


@contextmanager
def resident() -> Iterator[list[float]]:
    """MiB of this process, once a second, until the block ends."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(1):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append(pages * 4096 / 2**20)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def measure(samples: int, concurrency: int) -> dict[str, Any]:
    tasks.TASKS = Registry("task", {"judgedquiz": "tests.support.judged:JudgedQuiz"})
    asking.FIRST_WAIT = 0.05
    spawn = multiprocessing.get_context("spawn")
    pipe, other = spawn.Pipe()
    server = spawn.Process(target=serve, args=(other,), daemon=True)
    server.start()
    spec = f"openai:{MODEL}@http://127.0.0.1:{pipe.recv()}/v1"
    with tempfile.TemporaryDirectory() as folder:
        source = DataSource("folder", write_quiz(Path(folder) / "data", samples))
        run = Path(folder) / "run"
        evaluate(RunConfig("parrot", ("judgedquiz",), {"judgedquiz": source}, run, workers=0), model=Parrot())
        started = time.perf_counter()
        with resident() as seen:
            metrics = judge_run(run, spec, changes={"judge_concurrency": concurrency})
        seconds = time.perf_counter() - started
        with (run / "judgedquiz" / "judgements.jsonl").open() as lines:
            judged = Counter(json.loads(line)["id"] for line in lines)
    pipe.send("stop")
    answered, most, faults = pipe.recv()
    server.join()
    entry, half = metrics["tasks"]["judgedquiz"], len(seen) // 2
    growth = max(seen[half:], default=0.0) - max(seen[:half], default=0.0)
    return {
        "samples": samples,
        "seconds": round(seconds, 1),
        "samples_per_second": round(samples / seconds),
        "faults": faults,
        "peak_mib": round(max(seen, default=0.0)),
        "bars": [
            bar("samples scored", entry["n_scored"], "", least=samples),
            bar("samples with one judgement", sum(count == 1 for count in judged.values()), "", least=samples),
            bar("answers of the server to one request", most, "", most=1),
            bar("requests that the server answered", answered, "", most=samples),
            bar("faults that were met", faults, "", least=samples // EVERY),
            bar("memory of the second half over the first", growth, "MiB", most=32),
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=64)
    args = parser.parse_args()
    print(json.dumps(measure(args.samples, args.concurrency), indent=2))
