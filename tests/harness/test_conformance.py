"""The kit passes adapters that keep their contract, and each check fails one that does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.conformance import CHECKS, Subject, conformance, verdict
from harness.model import Model
from models import load_model
from tests.support import adapters
from tests.support.adapters import Answers, Carded, Honest, Odd, Prepares


def _text(said: list, number: int) -> list:
    return [dataclasses.replace(one, text=f"{one.text} {number}") for one in said]


BROKEN: dict[str, tuple[str, Callable[[], Model], str]] = {
    "no digest": ("card", lambda: Carded(digest=""), "card.digest is ''"),
    "another modality": ("card", lambda: Carded(modalities=("image", "smell")), "there are image and video"),
    "settings beyond JSON": ("card", lambda: Carded(settings={"ids": {1, 2}}), "does not go through JSON"),
    "a card that changes": ("card", adapters.NewName, "changed while the model answered"),
    "a preparer that cannot travel": ("preparer", lambda: Prepares(lambda media, frames: iter(())), "pickle"),
    "a preparer that imports torch": ("preparer", lambda: Prepares(Odd("imports torch")), "imports torch"),
    "a preparer that differs": ("preparer", lambda: Prepares(Odd("differs")), "chunks differ"),
    "a preparer that yields nothing": ("preparer", lambda: Prepares(Odd("yields nothing")), "no chunk at all"),
    "answers left out": ("once", lambda: Answers(lambda said, groups, calls: said[:-1]), "answers a request"),
    "answers given twice": ("once", lambda: Answers(lambda said, groups, calls: [*said, said[0]]), ": 2"),
    "answers to others": (
        "once",
        lambda: Answers(lambda said, groups, calls: [*said, dataclasses.replace(said[0], sample_id="who")]),
        "nobody asked",
    ),
    "moods": ("determinism", lambda: Answers(lambda said, groups, calls: _text(said, calls)), "the second time"),
    "batches that matter": (
        "batches",
        lambda: Answers(lambda said, groups, calls: _text(said, len(groups))),
        "alone and all in one call differ in text",
    ),
    "order that matters": (
        "batches",
        lambda: Answers(lambda said, groups, calls: _text(said, int(said[-1].sample_id < said[0].sample_id))),
        "backwards",
    ),
    "sharing that changes answers": ("sharing", adapters.Sharing, "with sharing"),
    "no vision tokens": (
        "tokens",
        lambda: Answers(lambda said, groups, calls: [dataclasses.replace(one, vision_tokens=0) for one in said]),
        "vision_tokens is 0",
    ),
    "text tokens at random": (
        "tokens",
        lambda: Answers(lambda said, groups, calls: [dataclasses.replace(one, text_tokens=7) for one in said]),
        "a longer question",
    ),
    "token counts that are not told": (
        "tokens",
        lambda: Answers(lambda said, groups, calls: [dataclasses.replace(one, text_tokens=0) for one in said]),
        "does not tell",
    ),
    "too many tokens": ("tokens", adapters.Talkative, "max_new_tokens 1"),
    "more tokens than asked for": (
        "tokens",
        lambda: Answers(lambda said, groups, calls: [dataclasses.replace(one, output_tokens=99) for one in said]),
        "99 output tokens",
    ),
    "frames where there is nothing to see": ("text-only", adapters.Sighted, "1 frames"),
    "no answer without a picture": (
        "text-only",
        lambda: Answers(lambda said, groups, calls: [one for one in said if one.frames]),
        "has no answer",
    ),
    "faults that are hidden": ("bad-media", lambda: Prepares(Odd("hides faults")), "and is answered"),
    "faults of another kind": ("bad-media", lambda: Prepares(Odd("raises ValueError")), "preparation failed"),
    "a call given up that ties": ("cancellation", adapters.Tied, "still busy"),
    "no generator": ("cancellation", adapters.Listed, "no generator"),
    "no costs": ("costs", adapters.Free, "0 for one question"),
    "costs that open files": ("costs", adapters.Looks, "file not found"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_check_fails_an_adapter_that_breaks_it_and_says_how(name: str, tmp_path: Path) -> None:
    check, make, reason = BROKEN[name]
    found = verdict(check, Subject(make(), tmp_path, None))
    assert not found.passed
    assert reason in found.reason


def test_every_check_is_broken_once() -> None:
    assert {check for check, _, _ in BROKEN.values()} == set(CHECKS)


def test_honest_adapter_passes_all() -> None:
    model = Honest()
    verdicts = conformance(model, dataclasses.asdict(model.card))
    assert [one.check for one in verdicts if not one.passed] == []
    assert [one.check for one in verdicts] == list(CHECKS)


def test_card_that_another_process_makes_otherwise_fails(tmp_path: Path) -> None:
    model = Honest(("image",))
    elsewhere = {**dataclasses.asdict(model.card), "digest": "1" * 64}
    found = verdict("card", Subject(model, tmp_path, elsewhere))
    assert not found.passed
    assert "in another process" in found.reason


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llava-mini-tiny", "llava-v1.5-tiny"])
def test_our_models_pass(name: str) -> None:
    model = load_model(name, device="cpu", dtype="float32")
    assert [one for one in conformance(model) if not one.passed] == []


def test_command_says_each_check_and_exits_by_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    name = "tests.support.adapters:load"
    assert main(["check-model", name, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["passed"]
    assert [one["check"] for one in document["checks"]] == list(CHECKS)
    assert main(["check-model", name, "--model-options", "where=elsewhere"]) == 2
    assert "in another process" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.such.module:load", "cannot be imported"),
        ("tests.support.adapters:Small", "does not load"),
        ("llava-mini-tyni", "Did you mean 'llava-mini-tiny'"),
    ],
)
def test_what_cannot_be_checked_is_one_message(
    name: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    assert main(["check-model", name]) == 2
    assert message in capsys.readouterr().err
