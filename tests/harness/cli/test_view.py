"""`run-eval view` as a user meets it."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main
from tests.support.boards import entry_of, finished_run
from tests.support.cli import command, environment


def test_it_says_where_it_serves_and_leaves_nothing_behind_on_ctrl_c(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", "llava-mini", {"gqa": entry_of("gqa", 60.0)})
    shown = subprocess.Popen(
        command("view", str(run), "--port", "0"),
        cwd=tmp_path,
        env={**environment(tmp_path), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert shown.stdout is not None
    assert shown.stderr is not None
    try:
        line = shown.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/index\.html\n", line), shown.stderr.read()
        with urllib.request.urlopen(line.strip(), timeout=10) as page:
            assert b"60.0" in page.read()
        shown.send_signal(signal.SIGINT)
        assert shown.wait(timeout=30) == DONE
        assert "Traceback" not in shown.stderr.read()
    finally:
        shown.kill()
        shown.wait()
    assert not list(tmp_path.glob("run-eval-view-*"))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nowhere"], "no run folder"),
        (["run", "--port", "x"], "--port"),
        (["run", "--port", "99999"], "99999"),
        (["run", "--media-limit", "few"], "--media-limit"),
    ],
)
def test_a_fault_is_one_message_and_exit_code_2(
    argv: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_run(tmp_path / "run", "llava-mini", {"gqa": entry_of("gqa", 60.0)})
    monkeypatch.chdir(tmp_path)
    assert main(["view", *argv]) == CHANGE_SOMETHING
    assert says in capsys.readouterr().err
