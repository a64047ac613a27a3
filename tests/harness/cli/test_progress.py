"""What a person sees while a run works: a bar at a terminal, plain lines elsewhere, no colours where unwanted."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import progress
from harness.cli.progress import TerminalProgress
from harness.engine.progress import State
from tests.support.cli import environment

HALF = State("gqa", 50, 100, missing=3, cached=0, rate=0.01, wait_share=0.25)
WHOLE = State("gqa", 100, 100, missing=3, cached=0, rate=12.5, wait_share=None)
COLOUR = re.compile(r"\x1b\[[\d;]*3\d[;\dm]")
AT_TERMINAL = """
from harness.cli.progress import TerminalProgress
from harness.engine.progress import State
with TerminalProgress("par[r]ot") as shown:
    shown.update(State("gqa", 50, 100, 3, 0, 12.5, 0.25))
    shown.update(State("gqa", 100, 100, 3, 0, 12.5, 0.25))
    shown.note("a path [/with] brackets")
"""


def test_a_line_has_rate_wait_missing_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    with TerminalProgress("parrot") as shown:
        shown.update(HALF)
        shown.update(WHOLE)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "parrot gqa: 50/100, 0.0 samples/s, media wait 25%, 3 missing, 1:23:20 left",
        "parrot gqa: 100/100, 12.5 samples/s, 3 missing",
    ]


def test_lines_come_now_and_then_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("parrot") as shown:
        for done in range(1, 101):
            shown.update(State("gqa", done, 100, 0, 0, 12.5, None))
    assert capsys.readouterr().err == "parrot gqa: 100/100, 12.5 samples/s\n"


def seen_at_a_terminal(home: Path, **settings: str) -> str:
    """What AT_TERMINAL writes to a terminal of 120 columns."""
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", closefd=True) as screen:
        command = [sys.executable, "-c", AT_TERMINAL]
        env = {**environment(home), "TERM": "xterm-256color", "COLUMNS": "120", **settings}
        env = {name: value for name, value in env.items() if value}
        subprocess.run(command, env=env, stderr=follower, check=True, timeout=60)
        os.close(follower)
        found = b""
        try:
            while piece := screen.read1(65536):  # type: ignore[attr-defined]
                found += piece
        except OSError:  # the end of a terminal whose other side has gone
            pass
    return found.decode()


def test_a_terminal_gets_a_bar_in_colour_with_the_same_facts(tmp_path: Path) -> None:
    seen = seen_at_a_terminal(tmp_path, NO_COLOR="")
    assert COLOUR.search(seen)
    for words in (
        "par[r]ot gqa",
        "100/100",
        "12.5 samples/s",
        "media wait 25%",
        "3 missing",
        "a path [/with] brackets",
    ):
        assert words in seen


def test_no_color_is_honoured(tmp_path: Path) -> None:
    seen = seen_at_a_terminal(tmp_path, NO_COLOR="1")
    assert "100/100" in seen
    assert not COLOUR.search(seen)


def test_a_terminal_that_cannot_draw_gets_lines(tmp_path: Path) -> None:
    seen = seen_at_a_terminal(tmp_path, TERM="dumb")
    assert "\x1b" not in seen
    assert "par[r]ot gqa: 100/100, 12.5 samples/s, media wait 25%, 3 missing" in seen
    assert "a path [/with] brackets" in seen
