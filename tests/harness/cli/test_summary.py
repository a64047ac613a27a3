"""What is printed after a run, from run folders made without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.summary import document_of, print_runs, why_withheld
from harness.records.folder import METRICS, RUN, RunFolder
from harness.records.run import Run, load_run
from results.averages import MME, PERCENTAGES, image_averages

ELEVEN = (*PERCENTAGES, MME)


def run_of(
    folder: Path,
    headlines: dict[str, float | None],
    data: str = "folder",
    bounds: list[float | None] | None = None,
) -> Run:
    """A finished run with these headlines and nothing else."""
    entry: dict[str, Any] = {"n": 1, "n_scored": 1, "missing": {"not judged": 1}, "bounds": bounds, "data": data}
    tasks = {
        name: {
            **entry,
            "headline": {"value": value, "unit": "%", "ci95": None} | ({"withheld": "x"} if value is None else {}),
            "paper": {"value": None, "verdict": "not comparable: made up"},
        }
        for name, value in headlines.items()
    }
    RunFolder(folder).write(RUN, {"tasks": {name: {"vision_tokens": 1} for name in tasks}})
    RunFolder(folder).write(METRICS, {"tasks": tasks})
    return load_run(folder)


def printed(run: Run, capsys: pytest.CaptureFixture[str]) -> str:
    print_runs({"parrot": run})
    return capsys.readouterr().out


def test_both_averages_are_printed_and_in_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    headlines = {**dict.fromkeys(PERCENTAGES, 60.0), MME: 1500.0}
    run = run_of(tmp_path, dict(headlines))
    assert "avg_paper 54.6 (MME as a fraction, as in Table 1), avg_mme_percent 61.4\n" in printed(run, capsys)
    expected = {**image_averages(headlines), "missing": [], "data": "folder"}
    assert document_of({"parrot": run}) == {**run.metrics, "averages": expected}
    both = document_of({"parrot": run, "echo": run})
    assert [one["averages"] for one in both["runs"].values()] == [expected, expected]
    json.dumps(both, allow_nan=False)


def test_cut_prompts_and_waiting_for_media_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, {"gqa": 50.0, "pope": 50.0})
    cut = {"prompt cut by # tokens (tokenizer_model_max_length)": 1200}
    info = {
        "tasks": {"gqa": {"vision_tokens": 1, "notes": cut}, "pope": {"vision_tokens": 1, "notes": {}}},
        "speeds": {"gqa": {"prefetch_wait_share": 0.04}, "pope": {"prefetch_wait_share": 0.42}},
    }
    RunFolder(run.folder).write(RUN, info)
    said = " ".join(printed(load_run(run.folder), capsys).split())
    assert "gqa: prompt cut by # tokens (tokenizer_model_max_length), in 1,200 answers." in said
    assert "pope: the model waited for media 42% of the time" in said
    assert "gqa: the model waited" not in said


@pytest.mark.parametrize("absent", ELEVEN)
def test_an_average_with_a_withheld_column_is_a_dash_and_names_it(
    absent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, {name: None if name == absent else 50.0 for name in ELEVEN})
    assert f"avg_paper - (MME as a fraction, as in Table 1), avg_mme_percent -; no headline of {absent}\n" in printed(
        run, capsys
    )
    averages = document_of({"parrot": run})["averages"]
    assert averages == {"avg_paper": None, "avg_mme_percent": None, "missing": [absent], "data": "folder"}


@pytest.mark.parametrize("bounds", [None, [None, None], [0.0, None]])
def test_a_withheld_headline_that_could_be_anything_is_said_without_bounds(
    bounds: list[float | None] | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, {"gqa": None}, bounds=bounds)
    assert "gqa: headline withheld, x: not judged (1).\n" in printed(run, capsys)


def test_averages_of_sample_data_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, dict.fromkeys(ELEVEN, 50.0), data="sample")
    assert "; sample data\n" in printed(run, capsys)
    assert document_of({"parrot": run})["averages"]["data"] == "sample"


@pytest.mark.parametrize("tasks", [("gqa",), ("gqa", "mlvu"), ("mlvu",)])
def test_fewer_than_two_of_the_eleven_have_no_average(
    tasks: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, dict.fromkeys(tasks, 50.0))
    assert "avg_" not in printed(run, capsys)
    assert document_of({"parrot": run}) == run.metrics


def test_a_scale_of_five_points_has_two_decimals_and_a_prompt_that_differs_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, {"gqa": 2.944, "mlvu": 61.04})
    entries = run.metrics["tasks"]
    entries["gqa"]["headline"] |= {"unit": "points of 5", "ci95": [2.911, 2.977]}
    entries["mlvu"]["prompt_note"] = "in other words"
    RunFolder(tmp_path).write(METRICS, {"tasks": entries})
    lines = printed(load_run(tmp_path), capsys)
    assert "2.94 " in lines
    assert "2.91 to 2.98" in lines
    assert "61.0 %" in lines
    assert "mlvu: in other words.\n" in lines


def test_answers_without_public_labels_point_to_the_upload_where_there_is_one() -> None:
    entry = {"missing": {"no public label": 2}, "bounds": None, "headline": {"withheld": "x"}}
    assert why_withheld("vqav2", entry).endswith("run-eval export RUN --task vqav2")
    assert "export" not in why_withheld("gqa", entry)
    assert "export" not in why_withheld("vqav2", {**entry, "missing": {"not answered": 2}})


def test_costs_have_columns_only_in_a_profiled_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, {"gqa": 60.0})
    assert "TFLOPs" not in printed(run, capsys)
    cost = {"tflops_per_sample": 1.96123, "ms_per_sample": None, "mib_per_image": 0.622, "notes": ["no time, since"]}
    RunFolder(tmp_path).write(RUN, {"tasks": {"gqa": {"vision_tokens": 1, "cost": cost}}})
    out = printed(load_run(tmp_path), capsys)
    for shown in ("TFLOPs", "MiB/image", "1.961", "0.622", "gqa: no time, since."):
        assert shown in out
