"""A small OpenAI-compatible server on 127.0.0.1 with real sockets: scripted replies, faults, and the batch API."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "judge-1"


@dataclass(frozen=True)
class Answer:
    """What one call gets. `cut`: bytes that are sent of a longer announced body; `wait`: seconds before."""

    text: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: int | None = None
    wait: float = 0.0
    code: str | None = None

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": {"message": self.text or "scripted", "code": self.code}}).encode()
        return json.dumps(completion(self.text or "")).encode()


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice], "usage": usage}


Script = Callable[[Mapping[str, Any], int], Answer]
"""(request body, how often this very body came before) -> what it gets."""


@dataclass
class JudgeServer:
    """`calls`: bodies of chat completions as they came; `keys`: Authorization headers; `most`: calls at one time."""

    script: Script
    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    most: int = 0
    now: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    polls_needed: int = 1
    batch_end: str = "completed"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, body: dict[str, Any]) -> Answer:
        with self.lock:
            before = self.calls.count(body)
            self.calls.append(body)
            self.now += 1
            self.most = max(self.most, self.now)
        answer = self.script(body, before)
        time.sleep(answer.wait)
        with self.lock:
            self.now -= 1
        return answer

    def batch(self, asked: dict[str, Any]) -> dict[str, Any]:
        identity = f"batch_{len(self.batches)}"
        self.batches[identity] = {
            "id": identity,
            "object": "batch",
            "created_at": 0,
            "status": "in_progress",
            "polls": 0,
            **asked,
        }
        return self.batches[identity]

    def polled(self, identity: str) -> dict[str, Any]:
        batch = self.batches[identity]
        batch["polls"] += 1
        if batch["polls"] >= self.polls_needed and batch["status"] == "in_progress":
            batch["status"] = self.batch_end
            if self.batch_end == "completed":
                self._complete(batch)
        return batch

    def _complete(self, batch: dict[str, Any]) -> None:
        done, refused = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            row = json.loads(line)
            answer = self.asked(row["body"])
            response = {"status_code": answer.status, "body": json.loads(answer.body())}
            (done if answer.status == 200 else refused).append({"custom_id": row["custom_id"], "response": response})
        for name, rows in (("output_file_id", done), ("error_file_id", refused)):
            if rows:
                batch[name] = f"{batch['id']}-{name}"
                self.files[batch[name]] = "\n".join(map(json.dumps, rows)).encode()


@contextmanager
def judge_server(script: Script | str) -> Iterator[JudgeServer]:
    """Serves until the block ends. A script that is a text is every call's reply."""
    always = Answer(script) if isinstance(script, str) else None
    server = JudgeServer((lambda _, __: always) if always is not None else script)  # type: ignore[arg-type, return-value]
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def _handler(server: JudgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Tests read what was asked from `JudgeServer`."""

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            server.keys.add(self.headers["Authorization"])
            match self.path:
                case "/v1/chat/completions":
                    self._answer(server.asked(json.loads(content)))
                case "/v1/files":
                    identity = f"file_{len(server.files)}"
                    server.files[identity] = _uploaded(content, self.headers["Content-Type"])
                    self._json({"id": identity, "object": "file", "bytes": 0, "created_at": 0, "filename": "f"})
                case "/v1/batches":
                    self._json(server.batch(json.loads(content)))
                case _:
                    self._answer(Answer("no such path", status=404))

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].split("/")[2:]
            match path:
                case ["batches"]:
                    self._json({"object": "list", "data": list(server.batches.values()), "has_more": False})
                case ["batches", identity]:
                    self._json(server.polled(identity))
                case ["files", identity, "content"]:
                    self._answer(Answer(raw=server.files[identity]))
                case _:
                    self._answer(Answer("no such path", status=404))

        def _json(self, document: Mapping[str, Any]) -> None:
            self._answer(Answer(raw=json.dumps(document).encode()))

        def _answer(self, answer: Answer) -> None:
            body = answer.body()
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: answer.cut])
            except ConnectionError:  # the client gave up first, as some tests want
                self.close_connection = True
            self.close_connection |= answer.cut is not None

    return Handler


def _uploaded(content: bytes, kind: str) -> bytes:
    """The file's part of a multipart form."""
    edge = b"--" + kind.partition("boundary=")[2].encode()
    part = next(part for part in content.split(edge) if b'name="file"' in part)
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
