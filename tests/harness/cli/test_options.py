"""One table of options for the command line and the YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli import Parser
from harness.cli.options import OPTIONS, add_arguments, settle
from harness.errors import UnknownName, UserError


def _settle(*argv: str) -> dict[str, Any]:
    parser = Parser(prog="run-eval run")
    add_arguments(parser)
    return settle(parser.parse(argv))


def test_names_are_split_stripped_and_kept_once() -> None:
    assert _settle("--tasks", "gqa, mlvu,gqa")["tasks"] == ("gqa", "mlvu")


def test_every_option_has_its_default_when_nothing_is_given() -> None:
    assert _settle() == {option.name: option.default for option in OPTIONS}


def test_command_line_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("tasks: [gqa, mlvu]\nseed: 3\nbatch_tokens: 99\ndry-run: true\n", encoding="utf-8")
    values = _settle("--config", str(config), "--seed", "4")
    assert values["tasks"] == ("gqa", "mlvu")
    assert (values["seed"], values["batch-tokens"], values["dry-run"]) == (4, 99, True)


def test_unknown_key_in_file_names_the_nearest(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("task: gqa\n", encoding="utf-8")
    with pytest.raises(UnknownName, match="Did you mean 'tasks'"):
        _settle("--config", str(config))


@pytest.mark.parametrize("content", ["- gqa\n", "tasks: [\n", "just words"])
def test_file_that_is_no_mapping_is_a_user_error(tmp_path: Path, content: str) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"run\.yaml"):
        _settle("--config", str(config))


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean '--tasks'"):
        _settle("--task", "gqa")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--limit", "0"), "at least 1"),
        (("--limit", "many"), "--limit many"),
        (("--workers", "-1"), "must not be negative"),
        (("--max-missing", "2"), "between 0 and 1"),
        (("--media-timeout", "0"), "above 0"),
        (("--dtype", "float8"), "Did you mean 'float"),
        (("--tasks", " , "), "names nothing"),
    ],
)
def test_bad_value_says_which_option_and_why(argv: tuple[str, ...], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        _settle(*argv)
    assert argv[0] in str(caught.value)


def test_share_reads_percent_and_fraction() -> None:
    assert _settle("--max-missing", "5%")["max-missing"] == _settle("--max-missing", "0.05")["max-missing"] == 0.05
