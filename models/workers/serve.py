"""Serves a model over a pipe, one JSON document a line, from the interpreter in which the model lives.

    PYTHON serve.py

Needs that interpreter alone: the standard library, Python 3.8 or later. Protocol 1: the harness writes, first and once,

    {"protocol": 1, "bridge": "FILE.py", "options": {..}}

and is told {"protocol": 1, "ready": {..}}, the model's identity, when it is loaded; then, for each

    {"id": 1, "text": "..", "media": "image" | "video" | "frames" | null, "paths": ["..", ..], "max_new_tokens": 128}

it reads {"id": 1, "text": ".."}, with what is known of vision_tokens, text_tokens, output_tokens and frames, or
{"id": 1, "failure": "..", "detail": ".."}.
A bridge is a Python file with `load(options)`, which returns the identity and a function from a request to its answer.
Whatever the model's libraries print goes to standard error.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

PROTOCOL = 1
LONGEST_LINE = 1 << 20
"""Bytes of a line, its end included. Media travel as paths, so no honest line comes near."""
SHOWN = 2000
"""Characters of a failure's detail."""


def main() -> int:
    requests, answers = _own_pipes()
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != _HERE]  # a model's imports are its own
    try:
        first = json.loads(requests.readline(LONGEST_LINE))
        if first["protocol"] != PROTOCOL:
            raise ValueError(f"protocol {first['protocol']} is asked for, this is {PROTOCOL}")
        identity, answer = _bridge(first["bridge"]).load(first["options"])
    except Exception as error:
        _write(answers, failure(error))
        return 1
    _write(answers, {"protocol": PROTOCOL, "ready": identity})
    while True:
        line = requests.readline(LONGEST_LINE)
        if not line:
            return 0
        request = json.loads(line)
        try:
            said = dict(answer(request))
        except Exception as error:  # whatever a model raises costs this request
            said = failure(error)
        _write(answers, {**said, "id": request["id"]})


def failure(error):
    """What went wrong, in words; memory that ran out has one name however it was said."""
    text = str(error)
    memory = isinstance(error, MemoryError) or "out of memory" in text.lower()
    reason = "out of memory" if memory else "model error: " + type(error).__name__
    return {"failure": reason, "detail": text[:SHOWN]}


_HERE = Path(__file__).resolve().parent


def _own_pipes():
    """The pipe's two ends for this protocol alone: whoever prints from now on prints to standard error, whoever reads
    standard input reads nothing."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers


def _bridge(path):
    spec = importlib.util.spec_from_file_location("bridge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write(answers, document):
    line = json.dumps(document).encode("ascii") + b"\n"
    if len(line) > LONGEST_LINE:
        short = {"id": document.get("id"), "failure": "answer too long", "detail": f"{len(line)} bytes"}
        line = json.dumps(short).encode("ascii") + b"\n"
    answers.write(line)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
