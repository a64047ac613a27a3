"""The page of promises: each names a test that there is; and what no module of ours may do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.golden import PROJECT

PAGE = PROJECT / "docs" / "reliability.md"
PACKAGES = ("harness", "tasks", "models", "results")
FORBIDDEN = {"eval", "exec", "pickle", "marshal", "shelve", "os.system", "os.popen"}
FORBIDDEN |= {"yaml.load", "yaml.unsafe_load", "UnsafeLoader"}
"""Calls and imports by name."""


def promises() -> Iterator[tuple[str, str]]:
    """(what happens, the test's id) of every row."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|") and len(cells) == 3 and cells[2] != "test" and not set(line) <= set("|-"):
            yield cells[0], cells[2].strip("`| ")


def test_the_page_has_promises() -> None:
    assert len(list(promises())) > 40


@pytest.mark.parametrize(("what", "test"), list(promises()))
def test_each_promise_names_a_test_that_there_is(what: str, test: str) -> None:
    path, _, name = test.partition("::")
    assert path.startswith("tests/"), what
    assert name.startswith("test_"), what
    source = (PROJECT / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{what}: {test} is not there"


def _named(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported, functions that are called, and shells that are asked for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call):
            callee = ast.unparse(node.func)
            yield callee if callee != "yaml.load" or not any(word.arg == "Loader" for word in node.keywords) else ""
            yield from (word.value.attr for word in node.keywords if isinstance(word.value, ast.Attribute))
            yield from ("shell" for word in node.keywords if word.arg == "shell" and ast.unparse(word.value) != "False")
            if callee == "torch.load":
                safe = any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
                yield from () if safe else ("torch.load without weights_only",)


def _offences(source: str) -> set[str]:
    wrong = FORBIDDEN | {"shell", "torch.load without weights_only"}
    return wrong & set(_named(ast.parse(source)))


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("eval(text)", "eval"),
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("import os\nos.system(text)", "os.system"),
        ("subprocess.run(text, shell=True)", "shell"),
        ("torch.load(path)", "torch.load without weights_only"),
        ("yaml.load(text)", "yaml.load"),
        ("yaml.load(text, Loader=yaml.UnsafeLoader)", "UnsafeLoader"),
    ],
)
def test_what_is_forbidden_is_found(source: str, offence: str) -> None:
    assert _offences(source) == {offence}


def test_nothing_here_runs_foreign_text() -> None:
    found: dict[Path, set[str]] = {}
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            if offences := _offences(path.read_text(encoding="utf-8")):
                found[path.relative_to(PROJECT)] = offences
    assert found == {}
