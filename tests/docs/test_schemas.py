"""docs/schemas describes what runs leave on disk: real runs are valid, and no field is undescribed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import tasks
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run
from harness.records.folder import RUN
from harness.registry import Registry
from tests.support.cli import PROJECT, run_eval
from tests.support.fakes import Parrot, write_quiz

SCHEMAS = PROJECT / "docs" / "schemas"
NAMES = ("run", "metrics", "response", "score", "judgement")


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


def faults(name: str, document: Any) -> list[str]:
    """What is wrong with a document, with the place."""
    found = Draft202012Validator(schema(name)).iter_errors(document)
    return [f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in found]


def documents(run: Path) -> Iterator[tuple[str, Any]]:
    """Every document and every line of a run, with the name of its schema."""
    yield "run", json.loads((run / RUN).read_text())
    for path in run.glob("metrics*.json"):
        yield "metrics", json.loads(path.read_text())
    for name, pattern in (("response", "responses"), ("score", "scores"), ("judgement", "judgements")):
        for path in run.glob(f"*/{pattern}*.jsonl"):
            yield from ((name, json.loads(line)) for line in path.read_text().splitlines())


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and videos, scored by rule and by a judge, through the command line."""
    home = tmp_path_factory.mktemp("schemas")
    options = ("--data", "sample", "--limit", "3", "--judge", "rules", "--output", str(home / "run"))
    done = run_eval("--model", "llava-mini-tiny", "--tasks", "gqa,msvdqa", *options, home=home, cwd=home)
    assert done.returncode == 0, done.stderr
    return home / "run"


@pytest.fixture
def quiz_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a medium that cannot be read, more missing than is allowed, and a judged task that nobody judged."""
    names = {"quiz": "tests.support.fakes:Quiz", "judgedquiz": "tests.support.judged:JudgedQuiz"}
    monkeypatch.setattr(tasks, "TASKS", Registry[type[tasks.Task]]("task", names))
    source = DataSource("folder", write_quiz(tmp_path / "data", samples=12, texts={1: "broken"}))
    config = RunConfig("parrot", tuple(names), dict.fromkeys(names, source), tmp_path / "run", workers=0)
    evaluate(config, model=Parrot())
    return tmp_path / "run"


def test_a_run_of_pictures_videos_and_a_judge_is_valid(tiny_run: Path) -> None:
    found = list(documents(tiny_run))
    assert {name for name, _ in found} == set(NAMES)
    assert [fault for name, document in found for fault in faults(name, document)] == []


def test_a_run_with_missing_and_withheld_numbers_is_valid(quiz_run: Path) -> None:
    found = list(documents(quiz_run))
    assert any("missing" in document for name, document in found if name == "response")
    assert any("missing" in document for name, document in found if name == "score")
    assert [fault for name, document in found for fault in faults(name, document)] == []


def test_a_run_after_judging_is_valid(quiz_run: Path) -> None:
    judge_run(quiz_run, "rules")
    assert [fault for name, document in documents(quiz_run) for fault in faults(name, document)] == []


def test_a_run_that_was_stopped_is_valid(quiz_run: Path) -> None:
    document = json.loads((quiz_run / RUN).read_text())
    stopped = {key: value for key, value in document.items() if key not in ("finished", "speeds")}
    del stopped["sessions"][0]["speeds"], stopped["sessions"][0]["finished"]
    assert faults("run", {**stopped, "status": "running"}) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_field_is_undescribed(name: str) -> None:
    parts = list(_parts(schema(name), name))
    assert len(parts) > 5
    assert [place for place, part in parts if not part.get("description", "").strip().endswith(".")] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_object_says_whether_it_takes_further_fields(name: str) -> None:
    objects = [(place, part) for place, part in _parts(schema(name), name) if "object" in _types(part)]
    assert objects
    assert [place for place, part in objects if "additionalProperties" not in part] == []


def test_the_schema_of_a_configuration_has_exactly_its_fields() -> None:
    described = schema("run")["properties"]["config"]["properties"]
    assert set(described) == {one.name for one in fields(RunConfig)}


def test_a_document_with_an_unknown_a_wrong_or_an_absent_field_is_refused(tiny_run: Path) -> None:
    for name, document in dict(documents(tiny_run)).items():
        required = schema(name)["required"]
        assert faults(name, {**document, "unheard of": 1})
        for key in required:
            assert faults(name, {other: value for other, value in document.items() if other != key})
            wrong = copy.deepcopy(document)
            wrong[key] = [[]]  # which no field takes
            assert faults(name, wrong)


def test_a_response_is_an_answer_or_missing_and_never_both(tiny_run: Path) -> None:
    line = next(document for name, document in documents(tiny_run) if name == "response")
    assert faults("response", {**line, "missing": {"reason": "x", "detail": ""}})
    assert faults("response", {key: value for key, value in line.items() if key != "text"})


def _parts(part: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and every schema in it, with its place."""
    yield place, part
    for key, inner in part.get("properties", {}).items():
        yield from _parts(inner, f"{place}/{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            yield from _parts(part[key], f"{place}/{key}")
    for number, inner in enumerate(part.get("oneOf", ())):
        yield from _parts(inner, f"{place}/oneOf{number}")


def _types(part: dict[str, Any]) -> list[str]:
    types = part.get("type", [])
    return [types] if isinstance(types, str) else types
