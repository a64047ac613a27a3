"""Packages of other people: the example is installed, found, checked and run; a broken one harms nobody."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from tests.support.cli import environment
from tests.support.golden import PROJECT

EXAMPLE = PROJECT / "tests" / "example_plugin"
ADAPTERS = sorted(path for path in (PROJECT / "models").rglob("*.py") if "(Model):" in path.read_text(encoding="utf-8"))
MOST_LINES, MOST_LINES_OF_A_FAMILY = 100, 170
FAMILIES = {"llava/adapter.py", "transformers_native/adapter.py"}
"""Adapters that batch and share for a whole family of models, by two ways that must agree."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed into a folder of its own."""
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example")
    site = tmp_path_factory.mktemp("site")
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"]
    done = subprocess.run([sys.executable, *install, str(site), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def _run_eval(site: Path, home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    surroundings = environment(home)
    surroundings["PYTHONPATH"] = os.pathsep.join([str(site), surroundings["PYTHONPATH"]])
    command = [sys.executable, "-m", "harness.cli", *argv]
    return subprocess.run(command, cwd=home, env=surroundings, capture_output=True, text=True, timeout=120)


def test_installed_package_is_found_and_runs(site: Path, tmp_path: Path) -> None:
    models = json.loads(_run_eval(site, tmp_path, "models", "--json").stdout)
    assert [one["how"] for one in models if one["name"] == "mean-colour"] == ["plug-in"]
    assert json.loads(_run_eval(site, tmp_path, "tasks", "colours", "--json").stdout)["title"] == "Colours"
    folder = tmp_path / "data" / "colours"
    folder.mkdir(parents=True)
    rows = []
    for colour, said in (("red", "red"), ("green", "green"), ("blue", "blue"), ("maroon", "blue")):
        PIL.Image.new("RGB", (32, 24), colour).save(folder / f"{colour}.png")
        rows.append({"id": colour, "image": f"{colour}.png", "answer": said})
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = _run_eval(
        site, tmp_path, "--model", "mean-colour", "--tasks", "colours", "--data-root", str(tmp_path / "data"), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tasks"]["colours"]["headline"]["value"] == 75.0


def test_installed_adapter_passes_the_kit_by_its_name_and_by_its_module(site: Path, tmp_path: Path) -> None:
    for name in ("mean-colour", "colours.adapter:load"):
        done = _run_eval(site, tmp_path, "check-model", name, "--json")
        assert done.returncode == 0, done.stdout + done.stderr


def test_package_that_cannot_be_imported_is_named_and_harms_nobody(site: Path, tmp_path: Path) -> None:
    about = tmp_path / "site" / "broken-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[harness.models]\nmirage = nowhere.at_all:PRESET\nodd = math:pi\n[harness.tasks]\nfata = nowhere.at_all:Task\n"
    )
    models = json.loads(_run_eval(about.parent, tmp_path, "models", "--json").stdout)
    said = {one["name"]: one.get("description", "") for one in models}
    assert "of the package broken, cannot be used: ModuleNotFoundError" in said["mirage"]
    assert "math:pi is no Preset" in said["odd"]
    listed = _run_eval(about.parent, tmp_path, "tasks", "--json")
    assert {"gqa", "mlvu"} <= {one["name"] for one in json.loads(listed.stdout)}
    assert "task 'fata' (nowhere.at_all:Task) cannot be imported" in listed.stderr
    for name in ("mirage", "odd"):
        done = _run_eval(about.parent, tmp_path, "--model", name, "--tasks", "gqa", "--data", "sample")
        assert done.returncode == 2, done.stderr
        assert "math:pi is a float" in done.stderr or "No module named 'nowhere'" in done.stderr


def _lines(path: Path) -> int:
    """Lines of code: neither blank nor comment nor docstring."""
    source = path.read_text(encoding="utf-8")
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    texts = [
        node.body[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    ]
    inside = {number for text in texts for number in range(text.lineno, (text.end_lineno or 0) + 1)}
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip()[:1] not in ("", "#") and number not in inside)


def test_example_adapter_is_under_a_hundred_lines_with_everything() -> None:
    assert len((EXAMPLE / "colours" / "adapter.py").read_text(encoding="utf-8").splitlines()) < MOST_LINES


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: str(path.relative_to(PROJECT / "models")))
def test_adapter_keeps_to_its_lines(path: Path) -> None:
    family = str(path.relative_to(PROJECT / "models")) in FAMILIES
    assert _lines(path) <= (MOST_LINES_OF_A_FAMILY if family else MOST_LINES)
