"""What any `run-eval` command does before it does its work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.cli import COMMANDS, main

HEAVY = ("torch", "transformers", "numpy", "pandas", "datasets", "av", "decord", "yaml", "rich")


def _loaded_after(*argv: str) -> set[str]:
    code = f"import sys; from harness.cli import main; main({list(argv)!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    assert not _loaded_after("--help") & set(HEAVY)


@pytest.mark.parametrize("command", ["tasks", "models"])
def test_listing_imports_no_framework(command: str) -> None:
    assert not _loaded_after(command) & {"torch", "transformers", "datasets", "pandas", "av", "decord"}


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"run-eval {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["taks"], "Did you mean 'tasks'"),
        (["--modle", "x"], "Did you mean '--model'"),
        (["tasks", "gqq"], "Did you mean 'gqa'"),
        (["models", "llava-mimi"], "Did you mean 'llava-mini'"),
        (["run", "--limit"], "expected one argument"),
    ],
)
def test_user_error_is_one_message_and_exit_code_2(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
