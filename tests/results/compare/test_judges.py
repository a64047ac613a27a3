"""Two judges of the same answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run
from harness.types import Image, Missing, Sample, Score, Scored
from results.compare.judges import grades
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.judge_server import MODEL, judge_server


def scored(*values: dict[str, float] | None) -> list[Scored]:
    return [
        Scored(
            Sample(f"s{n}", "q", Image("m", b""), "red"), None, Missing("judge failed") if one is None else Score(one)
        )
        for n, one in enumerate(values)
    ]


def test_verdicts_have_plain_kappa_and_scores_quadratic() -> None:
    a = scored({"accuracy": 1, "score": 5}, {"accuracy": 0, "score": 1}, {"accuracy": 1, "score": 4}, None)
    b = scored({"accuracy": 1, "score": 4}, {"accuracy": 0, "score": 1}, {"accuracy": 0, "score": 2}, {"accuracy": 1})
    found = grades(a, b)
    assert found["accuracy"] == {
        "n": 3,
        "equal": pytest.approx(2 / 3),
        "near": None,
        "kappa": pytest.approx(0.4),  # seen 2/3, by chance 4/9
        "weights": "none",
        "means": [pytest.approx(2 / 3), pytest.approx(1 / 3)],
    }
    assert found["score"]["equal"] == pytest.approx(1 / 3)
    assert found["score"]["near"] == pytest.approx(2 / 3)
    assert found["score"]["weights"] == "quadratic"


def test_grades_between_0_and_1_are_compared_in_tenths() -> None:
    found = grades(scored({"grade": 0.3}, {"grade": 0.5}), scored({"grade": 0.4}, {"grade": 0.5}))
    assert (found["grade"]["equal"], found["grade"]["near"]) == (0.5, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graded by the rules, not yet by another judge."""
    root = tmp_path_factory.mktemp("judges")
    build(["msvdqa"], root / "data", 0)
    sources = {"msvdqa": DataSource("folder", root / "data", synthetic=True)}
    evaluate(RunConfig("parrot", ("msvdqa",), sources, root / "run", workers=0, judge="rules"), model=Red())
    return root / "run"


class Red(Parrot):
    """Says that everything is red, clips too."""

    def __init__(self) -> None:
        super().__init__()
        self.card = replace(self.card, modalities=("image", "video"))

    def say(self, seen: bytes, text: str) -> str:
        return "red"


def test_a_judge_without_replies_is_refused_with_those_that_have_some(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(run), "--judges", "rules", "openai:other"]) == CHANGE_SOMETHING
    said = capsys.readouterr().err
    assert "no replies of openai:other" in said
    assert "rules" in said


def test_two_judges_of_one_run_differ_by_what_they_said(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with judge_server("{'pred': 'yes', 'score': 5}") as server:
        spec = f"openai:{MODEL}@{server.url}"
        judge_run(run, spec)
        asked = len(server.calls)
        assert main(["compare", str(run), "--judges", "rules", spec, "--json"]) == DONE
        assert len(server.calls) == asked
    task = json.loads(capsys.readouterr().out)["tasks"]["msvdqa"]
    assert task["shift"]["b"] == 100.0
    assert task["shift"]["difference"] == pytest.approx(100.0 - task["shift"]["a"])
    assert task["grades"]["accuracy"]["equal"] == pytest.approx(task["shift"]["a"] / 100)
    assert task["grades"]["accuracy"]["kappa"] == pytest.approx(0.0)
    assert main(["compare", str(run), "--judges", "rules", spec]) == DONE
    assert "kappa 0.00" in capsys.readouterr().out


def test_judges_are_compared_on_one_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(run), str(run), "--judges", "rules", "rules"]) == CHANGE_SOMETHING
    assert "of one run" in capsys.readouterr().err
