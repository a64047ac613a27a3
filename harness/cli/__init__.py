"""The command line: `run-eval [COMMAND] ...`; without a command it runs an evaluation.

Only the command that is asked for is imported, so `run-eval --help` starts at once. Standard output carries results
(one JSON document and nothing else under --json); progress, notes and errors go to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.errors import UnknownName, UserError

COMMANDS = {
    "run": "evaluate models on tasks (the default command)",
    "resume": "finish a run that was interrupted",
    "judge": "have a run's answers graded by a judge",
    "judge-drift": "judge frozen answers anew and set the replies beside those of before",
    "score": "score answers that were made elsewhere",
    "leaderboard": "put runs side by side, and beside the paper's tables",
    "profile": "what models cost, without their weights: FLOPs, memory, latency",
    "paper-check": "recompute the paper's efficiency numbers and say which of them fit",
    "report": "write runs as a folder of pages, with every sample, that opens from disk",
    "view": "the same, served to your browser; follows a run in progress",
    "compare": "set two runs against each other, sample by sample",
    "export": "write a run's answers as the file that a benchmark's server takes",
    "tasks": "list the benchmarks, or show one's card",
    "models": "list the models, or show one's card",
    "check-model": "check that a model adapter keeps its contract",
    "data": "check, plan or build benchmark data",
    "cache": "explain why two runs do or do not share cached responses",
}
DONE, CHANGE_SOMETHING, WITHHELD, INTERRUPTED = 0, 2, 3, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are UserErrors with the nearest name, like every other message."""

    def __init__(self, prog: str, description: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawTextHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. See `{self.prog} --help`.")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parses all of argv. Raises UnknownName for an option that does not exist, UserError for other faults."""
        args, unknown = self.parse_known_args(list(argv))
        for word in unknown:
            if word.startswith("-"):
                raise UnknownName("option", word.partition("=")[0], self._option_string_actions)
            raise UserError(f"'{word}' is one argument too many. See `{self.prog} --help`.")
        return args


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "run-eval: the benchmark harness for efficient large multimodal models\n\n"
        "  run-eval --model llava-mini --tasks gqa,mlvu               evaluate, from the hub\n"
        "  run-eval --model llava-mini-tiny --tasks gqa --data sample  try it now, offline\n\n"
        f"commands (run-eval COMMAND --help):\n{commands}\n\n"
        "options of an evaluation: run-eval run --help"
    )


def dispatch(argv: Sequence[str]) -> int:
    """Runs one command. Raises UserError; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return DONE
    if argv[0] == "--version":
        from harness.version import version

        print(f"run-eval {version()}")
        return DONE
    name, rest = ("run", argv) if argv[0].startswith("-") else (argv[0], argv[1:])
    if name not in COMMANDS:
        raise UnknownName("command", name, COMMANDS)
    command = importlib.import_module(f"harness.cli.{name.replace('-', '_')}")
    parser = Parser(f"run-eval {name}", command.__doc__)
    command.add_arguments(parser)
    code: int = command.execute(parser.parse(rest), list(argv))
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `run-eval`. Exit codes: 0 done, 2 change something, 3 headline withheld, 130 interrupted."""
    try:
        return dispatch(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        print(f"run-eval: {error}", file=sys.stderr)
        return CHANGE_SOMETHING
    except BrokenPipeError:  # `run-eval tasks | head`: the reader has gone, which is no error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt as stop:
        print(f"\nrun-eval: {stop or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
