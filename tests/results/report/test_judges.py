"""Two judges of one run in a report: how their grades lie to each other, and both replies at every sample."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run, load_run
from results.leaderboard.cells import read_runs
from results.report.items import items_of
from results.report.judges import judges_section
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.judge_server import MODEL, judge_server


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graded by the rules, then by a judge who finds everything half right."""
    root = tmp_path_factory.mktemp("judged")
    build(["mmvet"], root / "data", 0)
    sources = {"mmvet": DataSource("folder", root / "data", synthetic=True)}
    evaluate(RunConfig("parrot", ("mmvet",), sources, root / "run", workers=0), model=Parrot(answer="red"))
    judge_run(root / "run", "rules")
    with pytest.MonkeyPatch.context() as patch, judge_server("0.5") as server:
        patch.setenv("OPENAI_API_KEY", "any")
        judge_run(root / "run", f"openai:{MODEL}@{server.url}")
    return root / "run"


def test_the_second_judges_mean_grade_stands_over_each_grade_of_the_first(run: Path) -> None:
    text = "\n".join(judges_section(read_runs([run])))
    (values,) = re.findall(r'data-series="grade" data-values="([^"]+)"', text)
    points = [tuple(map(float, pair.split(","))) for pair in values.split(";")]
    rows = [json.loads(line) for line in (run / "mmvet" / "scores.jsonl").read_text().splitlines()]
    assert [grade for grade, _ in points] == sorted({row["values"]["grade"] for row in rows if "values" in row})
    assert {mean for _, mean in points} == {0.5}
    alike = sum(row["values"]["grade"] == 0.5 for row in rows if "values" in row)
    assert f"{100 * alike / len(rows):.1f} % alike" in text


def test_a_sample_has_both_replies_and_says_that_they_differ(run: Path) -> None:
    for one in items_of(load_run(run), "mmvet"):
        assert [reply.judge.partition(":")[0] for reply in one.replies] == ["rules", "openai"]
        assert one.replies[1].text == "0.5"
        assert one.disputed == (one.values["grade"] != 0.5)


def test_a_run_with_one_judge_has_nothing_to_compare(run: Path, tmp_path: Path) -> None:
    for path in run.rglob("*"):
        if path.is_file() and not re.match(r"(scores|metrics)-", path.name):
            target = tmp_path / path.relative_to(run)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    assert list(judges_section(read_runs([tmp_path]))) == []
