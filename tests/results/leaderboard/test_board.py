"""What is ranked with what, and what a reader is told about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.averages import MME, PERCENTAGES, image_averages
from results.leaderboard.board import Board, Table, make_board
from results.leaderboard.cells import Cell, read_runs
from results.leaderboard.layout import Column
from results.leaderboard.rank import Placed, place
from results.leaderboard.terms import Terms
from tests.support.boards import entry_of, finished_run

COLUMN = Column("gqa", "GQA")
ELEVEN = (*PERCENTAGES, MME)


def board_of(*folders: Path, with_paper: bool = False) -> Board:
    return make_board(read_runs(folders), with_paper)


def the_table(board: Board) -> Table:
    (table,) = board.tables
    return table


def placed(table: Table, key: str) -> dict[str, Placed]:
    return {row.label: row.cells[key] for row in table.rows if key in row.cells}


def test_best_and_second_best_are_marked_and_the_third_is_not(tmp_path: Path) -> None:
    values = {"a": 61.0, "b": 70.0, "c": 65.0}
    runs = [finished_run(tmp_path / name, name, {"gqa": entry_of("gqa", value)}) for name, value in values.items()]
    ranks = {label: one.rank for label, one in placed(the_table(board_of(*runs)), "gqa").items()}
    assert ranks == {"a": None, "b": 1, "c": 2}


def test_equal_values_share_their_rank(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path / name, name, {"gqa": entry_of("gqa", 0.1 + 0.2)}) for name in "ab"]
    runs.append(finished_run(tmp_path / "c", "c", {"gqa": entry_of("gqa", 0.3)}))
    assert [one.rank for one in placed(the_table(board_of(*runs)), "gqa").values()] == [1, 1, 1]


def test_a_single_number_is_not_the_best(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "a", "a", {"gqa": entry_of("gqa", 61.0)}, {"vision_tokens": 1})
    (one,) = placed(the_table(board_of(run)), "gqa").values()
    assert (one.rank, one.front, one.reasons) == (None, False, ())


@pytest.mark.parametrize(
    ("changes", "settings", "reason"),
    [
        ({"n": 12}, {"limit": 12}, "12 of 12,578 samples of testdev_balanced"),
        ({"n": 2}, {"samples": ("x", "y")}, "2 of 12,578 samples of testdev_balanced"),
        ({"prompt": "lmms-eval"}, {}, "prompt preset lmms-eval, not llava"),
        ({"prompt_note": "another preamble"}, {}, "another preamble"),
        ({}, {"max_frames": 8}, "at most 8 frames"),
        ({}, {"clip_bounds": True}, "clips cut to their annotated bounds"),
        ({}, {"max_new_tokens": 4}, "at most 4 new tokens"),
        ({"quirks": ["twice"]}, {"quirks": ("twice",)}, "quirk twice"),
        ({"n": 12, "data": "sample"}, {"limit": 12}, "the first 12 samples (--limit)"),
        ({"n": 1, "data": "sample"}, {"samples": ("x",)}, "1 chosen samples (--samples)"),
    ],
)
def test_what_is_not_comparable_has_a_footnote_and_no_rank(
    changes: dict[str, Any], settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    sample = changes.get("data") == "sample"
    others = [finished_run(tmp_path / x, x, {"gqa": entry_of("gqa", 50.0, sample)}, {"vision_tokens": 9}) for x in "ab"]
    odd = entry_of("gqa", 99.0, sample, **changes)
    run = finished_run(tmp_path / "odd", "odd", {"gqa": odd}, {"vision_tokens": 1}, **settings)
    board = board_of(*others, run)
    found = placed(the_table(board), "gqa")
    assert found["odd"].reasons == (reason,)
    assert (found["odd"].rank, found["odd"].front) == (None, False)
    assert [found[name].rank for name in "ab"] == [1, 1]
    assert reason in board.footnotes.values()


def test_a_limit_that_cuts_nothing_is_no_deviation(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "a", "a", {"gqa": entry_of("gqa", 50.0, True)}, limit=100)
    assert placed(the_table(board_of(run)), "gqa")["a"].reasons == ()


def test_numbers_of_different_judges_are_not_ranked_together(tmp_path: Path) -> None:
    def judged(name: str, spec: str, value: float) -> Path:
        judge = {"spec": spec, "model": spec, "endpoint": None}
        return finished_run(tmp_path / name, name, {"mmvet": entry_of("mmvet", value, judge=judge)})

    runs = [judged("a", "openai:x", 30.0), judged("b", "openai:x", 40.0), judged("c", "rules", 90.0)]
    table = the_table(board_of(*runs))
    found = placed(table, "mmvet")
    assert {label: one.rank for label, one in found.items()} == {"a": 2, "b": 1, "c": None}
    assert found["c"].reasons == ("graded by rules",)
    assert table.notes == {"mmvet": "graded by openai:x"}


def test_a_second_judge_of_a_run_has_a_row_of_its_own(tmp_path: Path) -> None:
    from harness.records.folder import RunFolder

    run = finished_run(tmp_path / "a", "a", {"mmvet": entry_of("mmvet", 30.0), "gqa": entry_of("gqa", 50.0)})
    judge = {"spec": "rules", "model": "rules", "endpoint": None}
    second = {"mmvet": entry_of("mmvet", 10.0, judge=judge), "gqa": entry_of("gqa", 50.0)}
    RunFolder(run).write("metrics-rules.json", {"tasks": second})
    rows = {row.label: row.cells for row in the_table(board_of(run)).rows}
    assert {label: sorted(cells) for label, cells in rows.items()} == {
        "a": ["gqa", "mmvet"],
        "a, judged by rules": ["mmvet"],
    }
    assert rows["a, judged by rules"]["mmvet"].reasons == ("graded by rules",)


def test_sample_data_has_tables_of_its_own_and_none_of_the_papers_rows(tmp_path: Path) -> None:
    real = finished_run(tmp_path / "a", "a", {"gqa": entry_of("gqa", 50.0)})
    samples = [finished_run(tmp_path / x, x, {"gqa": entry_of("gqa", 90.0, True)}) for x in "bc"]
    published, sample = board_of(real, *samples, with_paper=True).tables
    assert [row.label for row in published.rows] == ["a"]
    assert {label: one.rank for label, one in placed(sample, "gqa").items()} == {"b": 1, "c": 1}
    assert published.printed["LLaVA-v1.5 (paper)"] == {"vision_tokens": "576", "gqa": "62.0"}
    assert sample.printed == {}
    assert all(one.paper is None and one.difference is None for one in sample.against)


def test_another_sample_set_is_not_ranked_with_the_others(tmp_path: Path) -> None:
    from harness.records.folder import RUN, RunFolder

    runs = [finished_run(tmp_path / x, x, {"gqa": entry_of("gqa", 50.0, True)}) for x in "abc"]
    info = RunFolder(runs[2]).read(RUN)
    info["tasks"]["gqa"]["samples_sha256"] = "2" * 64
    RunFolder(runs[2]).write(RUN, info)
    found = placed(the_table(board_of(*runs)), "gqa")
    assert [one.rank for one in found.values()] == [1, 1, None]
    assert found["c"].reasons == ("another sample set than the column's",)


def test_runs_of_one_model_share_a_row_and_repeated_tasks_do_not(tmp_path: Path) -> None:
    first = finished_run(tmp_path / "first", "a", {"gqa": entry_of("gqa", 50.0)})
    second = finished_run(tmp_path / "second", "a", {"pope": entry_of("pope", 80.0)})
    again = finished_run(tmp_path / "again", "a", {"gqa": entry_of("gqa", 51.0)})
    assert [row.label for row in the_table(board_of(first, second)).rows] == ["a"]
    rows = the_table(board_of(first, second, again)).rows
    assert [(row.label, sorted(row.cells)) for row in rows] == [("a (first)", ["gqa", "pope"]), ("a (again)", ["gqa"])]


def test_a_folder_of_runs_stands_for_its_runs(tmp_path: Path) -> None:
    for name in "ba":
        finished_run(tmp_path / name, name, {"gqa": entry_of("gqa", 50.0)})
    assert [row.label for row in the_table(board_of(tmp_path)).rows] == ["a", "b"]


def test_a_run_in_progress_is_a_dash_with_a_footnote(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "a", "a", {}, running=("gqa",))
    board = board_of(run)
    one = placed(the_table(board), "gqa")["a"]
    assert one.cell.value is None
    assert list(board.footnotes.values()) == ["not finished: run-eval resume goes on"]


def test_a_run_that_is_being_resumed_shows_no_older_numbers(tmp_path: Path) -> None:
    from harness.records.folder import RUN, RunFolder

    run = finished_run(tmp_path / "a", "a", {"gqa": entry_of("gqa", 50.0)})
    RunFolder(run).write(RUN, {**RunFolder(run).read(RUN), "status": "running"})
    assert placed(the_table(board_of(run)), "gqa")["a"].cell.value is None


def test_a_run_that_is_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ba":
        finished_run(tmp_path / name, name, {"gqa": entry_of("gqa", 50.0)})
    monkeypatch.chdir(tmp_path)
    board = board_of(Path("b"), tmp_path, tmp_path / "b")
    assert [row.label for row in the_table(board).rows] == ["b", "a"]


def test_a_benchmark_that_is_not_installed_here_is_shown_all_the_same(
    tmp_path: Path,
) -> None:
    entry = entry_of("pope", 80.0)
    runs = [finished_run(tmp_path / name, name, {"elsewhere": entry}) for name in "ab"]
    table = the_table(board_of(*runs))
    assert (table.title, [column.title for column in table.columns]) == ("Other benchmarks", ["elsewhere"])
    assert [one.rank for one in placed(table, "elsewhere").values()] == [1, 1]


def test_a_withheld_headline_says_why_and_hides_its_parts(tmp_path: Path) -> None:
    entry = entry_of("mlvu", None, breakdown={"tasks": {"ego": {"value": 40.0, "n": 3}}}, n_scored=2000)
    entry["headline"]["withheld"] = "8.0% of the samples are missing, more than --max-missing 1.0%"
    found = the_table(board_of(finished_run(tmp_path / "a", "a", {"mlvu": entry}))).rows[0].cells
    assert found["mlvu"].reasons == (f"withheld: {entry['headline']['withheld']}",)
    assert found["mlvu/ego"].cell.value is None


def test_averages_need_eleven_comparable_numbers(tmp_path: Path) -> None:
    values = {name: 1500.0 if name == MME else 60.0 for name in ELEVEN}
    whole = {name: entry_of(name, value) for name, value in values.items()}
    cut = {**whole, "gqa": entry_of("gqa", 99.0, n=5)}
    runs = [finished_run(tmp_path / "whole", "whole", whole), finished_run(tmp_path / "cut", "cut", cut)]
    found = {row.label: row.cells for row in the_table(board_of(*runs)).rows}
    for name, value in image_averages(values).items():
        assert found["whole"][name].cell.value == value
        assert found["cut"][name].cell.value is None
        assert found["cut"][name].reasons == ("no average without comparable values of GQA",)


def test_the_front_holds_what_no_comparable_number_beats_for_less(tmp_path: Path) -> None:
    points = {"cheap": (50.0, 1), "worse": (49.0, 2), "good": (60.0, 64), "dear": (60.0, 576)}
    runs = [
        finished_run(tmp_path / name, name, {"gqa": entry_of("gqa", value)}, {"vision_tokens": tokens})
        for name, (value, tokens) in points.items()
    ]
    table = the_table(board_of(*runs))
    assert [label for label, one in placed(table, "gqa").items() if one.front] == ["cheap", "good"]
    assert table.pareto == {"gqa": "vision_tokens"}


def test_the_front_is_against_flops_where_all_runs_have_them(tmp_path: Path) -> None:
    costs = {"a": {"vision_tokens": 9, "tflops_per_sample": 1.0}, "b": {"vision_tokens": 1, "tflops_per_sample": 2.0}}
    runs = [finished_run(tmp_path / x, x, {"gqa": entry_of("gqa", 50.0)}, cost) for x, cost in costs.items()]
    table = the_table(board_of(*runs))
    assert [one.front for one in placed(table, "gqa").values()] == [True, False]
    assert table.pareto == {"gqa": "tflops_per_sample"}


def test_against_the_paper_repeats_the_verdict_of_the_run(tmp_path: Path) -> None:
    paper = {"value": 61.3, "verdict": "outside: ours - paper = -1.3"}
    run = finished_run(tmp_path / "a", "llava-mini", {"gqa": entry_of("gqa", 60.0, paper=paper)})
    (line,) = the_table(board_of(run, with_paper=True)).against
    assert (line.paper, line.verdict) == (61.3, paper["verdict"])
    assert line.difference == pytest.approx(-1.3)


def test_a_number_that_is_not_comparable_has_no_difference(tmp_path: Path) -> None:
    paper = {"value": 37.2, "verdict": "not comparable: judge = rules"}
    run = finished_run(tmp_path / "a", "llava-mini", {"mmvet": entry_of("mmvet", 60.0, paper=paper)})
    (line,) = the_table(board_of(run, with_paper=True)).against
    assert (line.paper, line.difference, line.verdict) == (37.2, None, paper["verdict"])


def test_parts_stand_beside_the_papers_parts_without_a_verdict_of_their_own(tmp_path: Path) -> None:
    entry = entry_of("mlvu", 42.0, breakdown={"tasks": {"ego": {"value": 40.0, "n": 352}}})
    entry["paper"] = {"value": 42.8, "verdict": "within interval"}
    run = finished_run(tmp_path / "a", "llava-mini", {"mlvu": entry})
    lines = {one.column.key: one for one in the_table(board_of(run, with_paper=True)).against}
    assert lines["mlvu/ego"].paper == 37.5
    assert lines["mlvu/ego"].difference == pytest.approx(2.5)
    assert lines["mlvu/ego"].verdict == "no interval, so difference only"
    assert lines["mlvu/count"].difference is None
    assert lines["mlvu"].verdict == "within interval"


TERMS = st.builds(
    Terms,
    st.sampled_from([(), ("at most 8 frames",), ("quirk twice", "prompt preset x, not y")]),
    st.sampled_from([None, "rules", "openai:x"]),
    st.sampled_from([None, "1" * 64]),
)
CELLS = st.builds(
    Cell,
    st.just(COLUMN),
    st.just(False),
    value=st.one_of(st.none(), st.integers(0, 1000).map(lambda tenths: tenths / 10)),
    gap=st.sampled_from(["", "withheld: too much is missing"]),
    terms=TERMS,
    costs=st.dictionaries(st.sampled_from(["vision_tokens", "tflops_per_sample"]), st.floats(1, 1000)),
)


@given(st.lists(CELLS, max_size=8))
def test_a_footnoted_cell_is_never_best_nor_on_a_front(cells: list[Cell]) -> None:
    found, cost = place(cells)
    assert [one.cell for one in found] == cells
    for one in found:
        if one.reasons or one.cell.value is None:
            assert (one.rank, one.front) == (None, False)
        assert not (one.front and cost is None)
    ranked = [one for one in found if one.comparable]
    assert len({one.cell.terms for one in ranked}) <= 1
    if len(ranked) > 1:
        best = max(one.cell.value or 0.0 for one in ranked)
        assert all((one.rank == 1) == (one.cell.value == best) for one in ranked)
        assert any(one.front for one in ranked) or cost is None
