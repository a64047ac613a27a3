"""Two runs of small benchmarks set against each other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.cli import CHANGE_SOMETHING, DONE, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, judge_run
from harness.errors import UserError
from harness.records.folder import METRICS, RUN, RunFolder
from harness.registry import Registry
from results.compare.make import compare
from results.compare.text import harmless, lines_of
from tests.support.fakes import Parrot, write_quiz

Make = Callable[..., Path]
HOSTILE = "\x1b[31m<script>alert(1)</script>\ud800" + " word" * 200


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a finished run of the quiz. `answer`: what the model always says; None: what its digest lets it say."""
    registry = Registry[type[tasks.Task]](
        "task", {"quiz": "tests.support.fakes:Quiz", "judgedquiz": "tests.support.judged:JudgedQuiz"}
    )
    monkeypatch.setattr(tasks, "TASKS", registry)
    write_quiz(tmp_path / "data")

    def made(name: str, answer: str | None = None, root: str = "data", **fields: Any) -> Path:
        names = fields.pop("tasks", ("quiz",))
        sources = {task: DataSource("folder", tmp_path / root) for task in names}
        config = RunConfig("parrot", names, sources, tmp_path / name, workers=0, max_missing=1.0)
        evaluate(replace(config, **fields), model=Parrot(name, answer))
        return tmp_path / name

    return made


def test_a_run_beside_itself_differs_by_nothing(make: Make) -> None:
    a, b = make("a", "1"), make("b", "1")
    for other in (a, b):
        document = compare(a, other)
        quiz = document["tasks"]["quiz"]
        assert (quiz["difference"], quiz["ci95"], quiz["p"], quiz["p_holm"]) == (0.0, (0.0, 0.0), 1.0, 1.0)
        assert (quiz["lost"], quiz["won"], quiz["pairs"], quiz["clusters"]) == (0, 0, 40, 10)
        assert not any(quiz["flipped"].values())
        assert "no sample scored otherwise" in "\n".join(lines_of(document))


def test_flipped_samples_come_with_prompt_reference_and_both_answers(make: Make) -> None:
    quiz = compare(make("a", "1"), make("b", "0"))["tasks"]["quiz"]
    assert (quiz["lost"], quiz["won"], quiz["difference"]) == (20, 20, 0.0)
    first = quiz["flipped"]["wrong to right"][0]
    assert first == {
        "id": "q0",
        "change": "wrong to right",
        "prompt": "plain: question 0",
        "reference": "0",
        "a": {"text": "1", "value": 0.0},
        "b": {"text": "0", "value": 1.0},
    }
    assert [one["id"] for one in quiz["flipped"]["right to wrong"]] == [f"q{k}" for k in range(1, 40, 2)]


def test_a_and_b_are_the_headlines_of_the_runs_where_nothing_is_missing(make: Make) -> None:
    a, b = make("a"), make("b")
    quiz = compare(a, b)["tasks"]["quiz"]
    values = [RunFolder(run).read(METRICS)["tasks"]["quiz"]["headline"]["value"] for run in (a, b)]
    assert [quiz["a"], quiz["b"]] == values
    assert quiz["difference"] == pytest.approx(values[1] - values[0])


def test_pairs_with_a_missing_side_are_left_out_and_counted(make: Make, tmp_path: Path) -> None:
    a = make("a", "1")
    write_quiz(tmp_path / "data", texts={3: "broken"})
    document = compare(a, make("b", "1", max_missing=0.01))
    quiz = document["tasks"]["quiz"]
    assert quiz["missing"] == {"a": 0, "b": 4, "either": 4}
    assert quiz["pairs"] == 36
    said = " ".join("\n".join(lines_of(document)).split())
    assert "4 samples left out, missing in A 0, in B 4" in said
    assert "Quiz: B has no headline of its own: 10.0% of the samples are missing" in said


@pytest.mark.parametrize(
    ("changes", "found", "said"),
    [
        ({"prompt": "polite"}, 2, ["prompt: preset plain against polite", "prompt: other words for 40 of 40 samples"]),
        ({"max_new_tokens": 3}, 1, ["max_new_tokens 8 against 3 for 40 of 40 samples"]),
        ({"max_frames": 4}, 1, ["frame policy: max_frames none against 4 for 40 of 40 samples"]),
        ({"clip_bounds": True}, 1, ["frame policy: clip_bounds False against True for 40 of 40 samples"]),
        ({"limit": 12}, 1, ["data: 40 samples (folder, sha256", "against 12 samples (folder, --limit 12, sha256"]),
    ],
)
def test_what_differs_is_refused_by_name_and_forced_with_a_word(
    make: Make, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], found: int, said: list[str]
) -> None:
    argv = ["compare", str(make("a", "1")), str(make("b", "0", **changes))]
    assert main(argv) == CHANGE_SOMETHING
    out, err = capsys.readouterr()
    assert out == ""
    assert all(one in err for one in said)
    assert "--force" in err
    lines = [line for line in err.splitlines() if line.startswith("  quiz: ")]
    assert len(lines) == found
    assert main([*argv, "--force", "--json"]) == DONE
    out, err = capsys.readouterr()
    assert all(one in err for one in said)
    document = json.loads(out)
    assert len(document["ignored"]["quiz"]) == found
    assert document["tasks"]["quiz"]["pairs"] == changes.get("limit", 40)


def test_other_samples_are_other_data(make: Make, tmp_path: Path) -> None:
    a = make("a", "1")
    write_quiz(tmp_path / "smaller", samples=16)
    with pytest.raises(UserError, match=r"data: 40 samples .* against 16 samples"):
        compare(a, make("b", "1", root="smaller"))


def test_data_that_changed_since_the_run_are_noticed(make: Make, tmp_path: Path) -> None:
    a, b = make("a", "1"), make("b", "0")
    write_quiz(tmp_path / "data", samples=44)
    with pytest.raises(UserError, match="the samples and prompts of A are no longer those that the run was made with"):
        compare(a, b)
    write_quiz(tmp_path / "data", samples=8)
    with pytest.raises(UserError, match="32 of its 40 samples of quiz are no longer among the benchmark's"):
        compare(a, b, force=True)


def test_other_media_bytes_are_other_data(make: Make, tmp_path: Path) -> None:
    a = make("a", "1", cache=tmp_path / "cache")
    write_quiz(tmp_path / "data", texts={3: "another picture"})
    with pytest.raises(UserError, match="data: other media bytes under 4 of 40 samples"):
        compare(a, make("b", "1", cache=tmp_path / "cache"))


def test_quirks_are_named(make: Make) -> None:
    a, b = make("a", "1"), make("b", "1")
    metrics = RunFolder(b).read(METRICS)
    metrics["tasks"]["quiz"]["quirks"] = ["twice"]
    RunFolder(b).write(METRICS, metrics)
    with pytest.raises(UserError, match="quirks: none against twice"):
        compare(a, b)


def test_judges_are_named_and_so_are_the_prompts_they_were_asked_by(make: Make) -> None:
    a, b, c = (make(name, "1", tasks=("judgedquiz",)) for name in "abc")
    unjudged = compare(a, c)["tasks"]["judgedquiz"]
    assert (unjudged["pairs"], unjudged["difference"], unjudged["missing"]["either"]) == (0, None, 40)
    for run in (a, b):
        judge_run(run, "rules")
    assert compare(a, b)["tasks"]["judgedquiz"]["difference"] is None  # the rules write no plain yes or no
    with pytest.raises(UserError, match="judge: rules against none"):
        compare(a, c)
    path = RunFolder(b).judgements("judgedquiz")
    path.write_text(re.sub('"sha256":"0+"', f'"sha256":"{"1" * 64}"', path.read_text()))
    with pytest.raises(UserError, match="judge: prompt quiz 000000000000 against 111111111111"):
        compare(a, b)
    path.write_text(re.sub('"model":"rules","input', '"model":"rules-2","input', path.read_text()))
    with pytest.raises(UserError, match="judge: replies of rules against rules-2"):
        compare(a, b)


def test_a_run_of_other_tasks_or_an_unfinished_one_is_refused(make: Make) -> None:
    a, b = make("a", "1"), make("b", "1", tasks=("judgedquiz",))
    with pytest.raises(UserError, match=r"nothing to compare: .* has quiz, .* has judgedquiz"):
        compare(a, b)
    both = make("both", "1", tasks=("judgedquiz", "quiz"))
    document = compare(a, both)
    assert (list(document["tasks"]), document["only_a"], document["only_b"]) == (["quiz"], [], ["judgedquiz"])
    (b / METRICS).unlink()
    with pytest.raises(UserError, match=METRICS):
        compare(a, b)
    RunFolder(a).scores("quiz").unlink()
    with pytest.raises(UserError, match="the scores of quiz cannot be read"):
        compare(a, both)


def test_a_quirk_of_a_task_that_only_one_run_has_does_no_harm(make: Make) -> None:
    a, b = make("a", "1"), make("b", "1")
    info = RunFolder(b).read(RUN)
    info["config"]["quirks"] = ["of_another_task"]
    RunFolder(b).write(RUN, info)
    assert compare(a, b)["tasks"]["quiz"]["difference"] == 0.0


def test_the_same_command_prints_the_same(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["compare", str(make("a")), str(make("b")), "--json"]
    printed = []
    for _ in range(2):
        assert main(argv) == DONE
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_lines_fit_a_hundred_columns_and_obey_no_answer(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make("a", "1"), make("b", HOSTILE)
    assert main(["compare", str(a), str(b), "--flipped", "2"]) == DONE
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"\x1b[31m<script>" in out
    shown = [line for line in out.splitlines() if not line.startswith(("A: ", "B: "))]
    assert max(map(len, shown)) <= 100
    assert out.count("  right to wrong: q") == 2
    assert main(["compare", str(a), str(b), "--json"]) == DONE
    assert len(json.loads(capsys.readouterr().out)["tasks"]["quiz"]["flipped"]["right to wrong"]) == 20


def test_the_widest_numbers_fit_a_hundred_columns() -> None:
    one: dict[str, Any] = {
        **{"title": "A benchmark with quite a long title", "a": 1999.94, "b": -1000.0, "difference": -1999.9},
        **{"ci95": [-1999.9, 1999.9], "p": 0.5, "p_holm": 0.0001, "test": "bootstrap", "detectable": 1999.9},
        **{"pairs": 214354, "clusters": 81434, "missing": {"a": 0, "b": 214353, "either": 214353}},
        **{"withheld": {"a": None, "b": "99.9% of the samples are missing, more than --max-missing 1.0%" * 2}},
        **{"unpaired": {"a": 1, "b": 0}, "flipped": {}},
    }
    side = {"model": "m", "run": "r"}
    document = {"a": side, "b": side, "tasks": {"task_of_long_name": one, "u": one}, "only_a": ["x"] * 40, "only_b": []}
    assert max(map(len, lines_of(document))) <= 100


def test_harmless_keeps_what_can_be_read() -> None:
    assert harmless("naïve 日本\t\x07\u202e") == r"naïve 日本\t\x07\u202e"
