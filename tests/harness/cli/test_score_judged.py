"""`run-eval score --judge`: answers made elsewhere are judged, and what was replied is kept beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import DONE, WITHHELD, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.judge.judgements import judges_in
from harness.task import NOT_JUDGED
from tasks import TASKS
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.folders import write_json
from tests.support.judge_server import MODEL, judge_server


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_answers_to_a_judged_benchmark_say_that_they_need_a_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(["mmvet"], tmp_path / "data", 0)
    names = [one.id for one in TASKS.load("mmvet")().samples(DataSource("folder", tmp_path / "data"))]
    write_json(tmp_path / "mmvet.json", {f"v1_{name}": "a cat" for name in names})
    argv = ["score", "--task", "mmvet", "--data-root", str(tmp_path / "data"), "--json"]
    assert main([*argv, "--predictions", str(tmp_path / "mmvet.json")]) == WITHHELD
    out, err = capsys.readouterr()
    entry = json.loads(out)["tasks"]["mmvet"]
    assert entry["predictions"]["used"] == len(names)
    assert entry["missing"] == {NOT_JUDGED: len(names)}
    assert "--judge" in err


@pytest.fixture
def mmvet(tmp_path: Path) -> tuple[list[str], list[str]]:
    """Sample ids of MM-Vet, and the command that scores a file of right answers to them, all but the first."""
    build(["mmvet"], tmp_path / "data", 0)
    samples = TASKS.load("mmvet")().samples(DataSource("folder", tmp_path / "data"))
    answers = {f"v1_{one.id}": one.answer.split("<")[0] for one in samples[1:]}
    write_json(tmp_path / "mmvet.json", {f"v1_{samples[0].id}": "zzz", **answers})
    argv = ["score", "--task", "mmvet", "--data-root", str(tmp_path / "data"), "--json", "--no-cache"]
    return [one.id for one in samples], [*argv, "--predictions", str(tmp_path / "mmvet.json")]


def test_a_judge_scores_answers_made_elsewhere_and_its_replies_stand_beside_them(
    mmvet: tuple[list[str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, argv = mmvet
    assert main([*argv, "--judge", "rules"]) == DONE
    entry = json.loads(capsys.readouterr().out)["tasks"]["mmvet"]
    assert (entry["n"], entry["n_scored"]) == (len(names), len(names))
    assert 0 < entry["headline"]["value"] < 100
    assert entry["judge"] == {"spec": "rules", "model": "rules", "endpoint": None}
    kept = [json.loads(line) for line in (tmp_path / "mmvet.json.judgements.jsonl").read_text().splitlines()]
    assert {line["id"] for line in kept} <= set(names)
    assert kept[0]["id"] == names[0]
    assert float(kept[0]["reply"]) == 0.0


def test_scoring_again_asks_nothing_and_another_judge_is_asked_beside_the_first(
    mmvet: tuple[list[str], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-key")
    _, argv = mmvet
    with judge_server("0.5") as server:
        spec = f"openai:{MODEL}@{server.url}"
        assert main([*argv, "--judge", spec]) == DONE
        first, calls = capsys.readouterr().out, len(server.calls)
        assert main([*argv, "--judge", spec]) == DONE
        assert capsys.readouterr().out == first
        assert len(server.calls) == calls > 0
        assert json.loads(first)["tasks"]["mmvet"]["headline"]["value"] == 50.0
        assert main([*argv, "--judge", "rules"]) == DONE
        assert json.loads(capsys.readouterr().out)["tasks"]["mmvet"]["headline"]["value"] != 50.0
        assert len(server.calls) == calls
    assert judges_in(tmp_path / "mmvet.json.judgements.jsonl") == [spec, "rules"]


def test_what_does_not_fit_the_limit_is_left_out_and_said(
    mmvet: tuple[list[str], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-key")
    _, argv = mmvet
    (tmp_path / "prices.yaml").write_text(f"{MODEL}: [1000.0, 1000.0]\n")
    with judge_server("0.5") as server:
        spec = ["--judge", f"openai:{MODEL}@{server.url}", "--judge-prices", str(tmp_path / "prices.yaml")]
        assert main([*argv, *spec, "--max-cost", "0"]) == WITHHELD
        assert server.calls == []
    assert "do not fit --max-cost" in capsys.readouterr().err


def msvdqa(root: Path) -> None:
    folder = root / "MSVD_Zero_Shot_QA"
    write_json(
        folder / "test_q.json", [{"video_name": "a", "question": "who?", "question_id": part} for part in (1, 2)]
    )
    write_json(folder / "test_a.json", [{"answer": "woman"}, {"answer": "man"}])


@pytest.mark.parametrize("task", ["llavabench", "msvdqa"])
def test_answers_to_other_judged_benchmarks_are_judged_without_their_media(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    root, answers = tmp_path / "data", tmp_path / "answers.json"
    if task == "msvdqa":
        msvdqa(root)
    else:
        build([task], root, 0)
    names = [one.id for one in TASKS.load(task)().samples(DataSource("folder", root, media=False))]
    write_json(answers, dict.fromkeys(names, "a woman"))
    argv = ["score", "--task", task, "--data-root", str(root), "--json", "--no-cache", "--judge", "rules"]
    assert main([*argv, "--predictions", str(answers)]) == DONE
    entry = json.loads(capsys.readouterr().out)["tasks"][task]
    assert (entry["n"], entry["n_scored"]) == (len(names), len(names))
    assert 0 < entry["headline"]["value"] < 100


def test_a_runs_own_judgements_serve_its_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(["mmvet"], tmp_path / "data", 0)
    sources = {"mmvet": DataSource("folder", tmp_path / "data", synthetic=True)}
    config = RunConfig("parrot", ("mmvet",), sources, tmp_path / "run", limit=6, judge="rules")
    run = evaluate(config, model=Parrot())
    replies = (tmp_path / "run" / "mmvet" / "judgements.jsonl").read_bytes()
    argv = ["score", "--task", "mmvet", "--json", "--predictions", str(run.folder)]
    assert main([*argv, "--judge", "rules"]) == DONE
    entry = json.loads(capsys.readouterr().out)["tasks"]["mmvet"]
    assert entry.pop("predictions")["used"] == 6
    assert entry == run.metrics["tasks"]["mmvet"]
    assert (tmp_path / "run" / "mmvet" / "judgements.jsonl").read_bytes() == replies


def test_help_says_where_replies_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    assert "judgements.jsonl" in capsys.readouterr().out
