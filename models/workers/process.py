"""The harness's end of the pipe: a worker's process, started when needed and killed when it cannot be trusted."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from harness.types import Json
from models.workers.serve import LONGEST_LINE, PROTOCOL

SERVE = Path(__file__).with_name("serve.py")
TAIL_BYTES = 2000


class WorkerFault(Exception):
    """The worker's process is lost, and with it what it was asked. `reason` groups equal faults."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Worker:
    """A model behind `serve.py` in another interpreter. `load_s`, `answer_s`: seconds before it is given up.

    After a fault the next request finds a new process with the model loaded again.
    """

    def __init__(self, python: str, bridge: Path, options: Mapping[str, Json], load_s: float, answer_s: float) -> None:
        self._command = [python, str(SERVE)]
        self._load = {"protocol": PROTOCOL, "bridge": str(bridge), "options": options}
        self._load_s, self._answer_s = load_s, answer_s
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0

    def start(self) -> Mapping[str, Json]:
        """A new process with the model loaded; its identity. Raises WorkerFault, OSError without such a program."""
        self.stop()
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the harness's to handle, and killing reaches the model's own children
        )
        assert process.stdin is not None
        assert process.stderr is not None
        os.set_blocking(process.stdin.fileno(), False)
        self._process, self._received = process, b""
        self._tail = _Tail(process.stderr)
        self._end = weakref.finalize(self, _kill, process)
        reply = self._exchange(self._load, self._load_s)
        if "failure" in reply:
            raise self._fault(str(reply["failure"]), str(reply.get("detail", "")))
        if reply.get("protocol") != PROTOCOL or not isinstance(reply.get("ready"), dict):
            raise self._fault("garbage from the worker", f"no greeting of protocol {PROTOCOL}: {str(reply)[:200]}")
        return dict(reply["ready"])

    def ask(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        """The reply to one request: `text` or `failure`. Raises WorkerFault; the process is then gone."""
        if self._process is None:
            self.start()
        self._asked += 1
        reply = self._exchange({**request, "id": self._asked}, self._answer_s)
        if reply.get("id") != self._asked or not isinstance(reply.get("text", reply.get("failure")), str):
            raise self._fault("garbage from the worker", str(reply)[:200])
        return reply

    def stop(self) -> None:
        """Ends the process, if there is one, with all of its children."""
        if self._process is not None:
            self._end()
            self._process = None

    def _exchange(self, document: Mapping[str, Json], limit_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        try:
            self._write(json.dumps(document).encode() + b"\n", deadline)
            found = json.loads(self._line(deadline))
        except TimeoutError:
            raise self._fault("timed out", f"no answer in {limit_s:g} s") from None
        except (EOFError, BrokenPipeError):
            raise self._died() from None
        except ValueError as error:
            raise self._fault("garbage from the worker", str(error)) from error
        if not isinstance(found, dict):
            raise self._fault("garbage from the worker", str(found)[:200])
        return found

    def _write(self, line: bytes, deadline: float) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if len(line) > LONGEST_LINE:
            raise ValueError(f"a request of {len(line)} bytes is longer than a line may be")
        pipe = self._process.stdin.fileno()
        while line:
            if not select.select([], [pipe], [], max(0.0, deadline - time.monotonic()))[1]:
                raise TimeoutError
            line = line[os.write(pipe, line) :]

    def _line(self, deadline: float) -> bytes:
        """The next line. Raises TimeoutError, EOFError, ValueError for one without end."""
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._received:
            if len(self._received) > LONGEST_LINE:
                raise ValueError(f"a line longer than {LONGEST_LINE} bytes")
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            if not (more := os.read(pipe, 1 << 16)):
                raise EOFError
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _fault(self, reason: str, detail: str) -> WorkerFault:
        self.stop()
        said = self._tail.text()
        return WorkerFault(reason, f"{detail}; it last said: {said}" if said else detail)

    def _died(self) -> WorkerFault:
        """The pipe is closed. The kernel ends who takes the last memory by signal 9."""
        assert self._process is not None
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return self._fault("worker died", "it closed the pipe")
        said = self._tail.text().lower()
        if code == -signal.SIGKILL:
            return self._fault("out of memory", "killed by signal 9, as the kernel does when memory runs out")
        memory = "memoryerror" in said or "out of memory" in said
        return self._fault("out of memory" if memory else "worker died", f"exit code {code}")


class _Tail:
    """The last bytes of a stream, read by a thread so that the writer never waits."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        while more := os.read(stream.fileno(), 1 << 16):
            self._kept = (self._kept + more)[-TAIL_BYTES:]
        stream.close()

    def text(self) -> str:
        """What was said last; call it after the writer's end."""
        self._thread.join(1)
        return self._kept.decode("utf-8", "replace").strip()


def _kill(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except OSError:
            continue  # bytes that the worker never took
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.poll()
    process.wait()
