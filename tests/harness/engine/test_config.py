"""A configuration is whole, sensible, and survives the way through run.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.errors import UnknownName, UserError

HERE = Path("/data")


def config(**fields: Any) -> RunConfig:
    return RunConfig(**{"model": "m", "tasks": ("a",), "sources": {"a": DataSource("hub")}, "output": HERE, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"samples": ("1", "2,3"), "limit": 3, "prompt": "p", "device": "cuda:1", "dtype": "float16"},
        {
            "cache": HERE / "cache",
            "preamble": HERE / "qa.py",
            "checkpoint": "org/model",
            "command": ("run-eval", "--seed", "1"),
        },
        {"sources": {"a": DataSource("folder", HERE, True)}},
        {"sources": {"a": DataSource("hub", repo="org/set", revision="v1")}},
    ],
)
def test_configuration_survives_the_way_through_json(fields: dict[str, Any]) -> None:
    assert RunConfig.from_json(json.loads(json.dumps(config(**fields).to_json()))) == config(**fields)


def test_run_can_be_resumed_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    made = config(checkpoint="weights", cache=Path("cache"), sources={"a": DataSource("folder", Path("data"))})
    document = made.to_json()
    places = (document["checkpoint"], document["cache"], document["sources"]["a"]["root"])
    assert places == tuple(str(tmp_path / name) for name in ("weights", "cache", "data"))


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'batch_tokens'"):
        RunConfig.from_json({**config().to_json(), "batch_token": 3})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tasks": ()}, "at least one"),
        ({"tasks": ("a", "a")}, "each once"),
        ({"tasks": ("a", "b")}, "samples of b"),
        ({"batch_tokens": 0}, "batch_tokens: must be at least 1"),
        ({"workers": -1}, "workers"),
        ({"limit": 0}, "limit"),
        ({"media_timeout_s": 0.0}, "media_timeout_s"),
        ({"max_missing": 1.5}, "between 0 and 1"),
    ],
)
def test_values_that_make_no_sense_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        config(**fields)
