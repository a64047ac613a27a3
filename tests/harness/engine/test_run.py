"""A run from configuration to files, and everything that can come between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import Interrupted, evaluate, load_run, plan, resume
from harness.errors import UnknownName, UserError
from harness.model import ReadyGroup
from harness.types import Response
from tests.harness.engine.conftest import Configure, files
from tests.support.fakes import Parrot, write_quiz


@pytest.mark.parametrize(("batch_tokens", "workers"), [(1, 0), (35, 1), (10**6, 2)])
def test_finished_files_do_not_depend_on_batches_or_workers(
    batch_tokens: int, workers: int, configure: Configure
) -> None:
    reference = evaluate(configure("a"), model=Parrot())
    other = evaluate(configure("b", batch_tokens=batch_tokens, workers=workers), model=Parrot())
    assert files(reference.folder) == files(other.folder)


def test_metrics_have_headline_interval_counts_and_verdict(configure: Configure) -> None:
    entry = evaluate(configure(), model=Parrot()).metrics["tasks"]["quiz"]
    low, high = entry["headline"]["ci95"]
    assert low < entry["headline"]["value"] < high
    assert (entry["n"], entry["n_scored"], entry["missing"]) == (40, 40, {})
    assert entry["paper"]["value"] == 50.0
    assert entry["paper"]["verdict"] in ("within interval",) or entry["paper"]["verdict"].startswith("outside: ")
    assert (entry["data"], entry["prompt"]) == ("folder", "plain")


def test_everything_is_written_down_and_reads_back(configure: Configure, tmp_path: Path) -> None:
    config = configure(command=("run-eval", "--seed", "0"))
    run = evaluate(config, model=Parrot())
    assert RunConfig.from_json(run.info["config"]) == config
    assert run.info["model"]["digest"] == "feathers"
    assert {"python", "packages", "device"} <= set(run.info["environment"])
    again = load_run(run.folder)
    assert [row["id"] for row in again.scores("quiz")] == [f"q{index}" for index in range(40)]
    assert {entry["id"] for entry in again.responses("quiz")} == {f"q{index}" for index in range(40)}


def test_environment_variables_are_not_recorded(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-for-this-test")
    run = evaluate(configure(), model=Parrot())
    assert not [path for path in run.folder.rglob("*") if path.is_file() and b"planted-for" in path.read_bytes()]


def test_questions_about_one_medium_are_asked_in_one_call(configure: Configure) -> None:
    model = Parrot()
    evaluate(configure(batch_tokens=40), model=model)
    assert model.calls == [4] * 10


def test_group_over_the_budget_is_split(configure: Configure) -> None:
    model = Parrot()
    evaluate(configure(batch_tokens=20), model=model)
    assert model.calls == [2] * 20


def test_broken_medium_makes_its_own_samples_missing_and_no_other(configure: Configure, tmp_path: Path) -> None:
    write_quiz(tmp_path / "data", texts={3: "broken"})
    run = evaluate(configure(max_missing=0.2), model=Parrot())
    entry = run.metrics["tasks"]["quiz"]
    assert entry["missing"] == {"unreadable": 4}
    assert [row["id"] for row in run.scores("quiz") if "missing" in row] == ["q12", "q13", "q14", "q15"]
    worst, best = entry["bounds"]
    assert worst < entry["headline"]["value"] < best


def test_headline_is_withheld_over_the_limit(configure: Configure, tmp_path: Path) -> None:
    write_quiz(tmp_path / "data", texts={3: "broken"})
    run = evaluate(configure(), model=Parrot())
    entry = run.metrics["tasks"]["quiz"]
    assert run.withheld
    assert entry["headline"]["value"] is None
    assert "10.0%" in entry["headline"]["withheld"]
    assert entry["bounds"]


@pytest.mark.parametrize("answer", ["", "a\x00b", "\ud800 alone", "é\u2028x\n\r", "z" * 10**6])
def test_any_text_survives_the_way_to_disk_and_back(answer: str, configure: Configure, tmp_path: Path) -> None:
    run = evaluate(configure(limit=4, cache=tmp_path / "cache"), model=Parrot(answer=answer))
    assert [entry["text"] for entry in run.responses("quiz")] == [answer] * 4
    again = evaluate(configure("again", limit=4, cache=tmp_path / "cache"), model=Parrot())
    assert [entry["text"] for entry in again.responses("quiz")] == [answer] * 4


class Stopping(Parrot):
    """Presses Ctrl-C after some answers."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for response in super().respond(groups):
            if self.after == 0:
                os.kill(os.getpid(), signal.SIGTERM if len(self.calls) % 2 else signal.SIGINT)
            self.after -= 1
            yield response


@pytest.mark.parametrize("after", [0, 5, 22, 39])
def test_stopped_run_says_how_to_go_on_and_then_equals_an_undisturbed_one(after: int, configure: Configure) -> None:
    calm = evaluate(configure("a"), model=Parrot())
    config = configure("b", batch_tokens=40)
    with pytest.raises(Interrupted, match=f"run-eval resume {config.output}"):
        evaluate(config, model=Stopping(after))
    model = Parrot()
    assert files(resume(config.output, model=model).folder) == files(calm.folder)
    assert sum(model.calls) <= 40 - after + 4


def test_torn_last_line_is_repaired_and_said(configure: Configure) -> None:
    calm = evaluate(configure("a"), model=Parrot())
    config = configure("b")
    evaluate(config, model=Parrot())
    journal = config.output / "quiz" / "responses.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    notes: list[str] = []

    class Listening:
        def update(self, state: object) -> None:
            return

        def note(self, text: str) -> None:
            notes.append(text)

    model = Parrot()
    resume(config.output, progress=Listening(), model=model)
    assert model.calls == [1]
    assert any("middle of a line" in text for text in notes)
    assert files(config.output) == files(calm.folder)


def test_finished_run_needs_no_model_to_be_finished_again(configure: Configure) -> None:
    config = configure()
    before = files(evaluate(config, model=Parrot()).folder)
    assert files(resume(config.output).folder) == before


def test_run_is_never_written_over(configure: Configure, tmp_path: Path) -> None:
    config = configure()
    evaluate(config, model=Parrot())
    with pytest.raises(UserError, match="run-eval resume"):
        evaluate(config, model=Parrot())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(UserError, match="not empty"):
        evaluate(configure("full"), model=Parrot())


def test_second_process_on_a_run_is_refused(configure: Configure) -> None:
    config = configure()
    run = evaluate(config, model=Parrot())
    hold = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(run.folder / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process"):
            resume(run.folder)
        other.communicate("\n")


def test_resume_refuses_other_data_or_another_model(configure: Configure, tmp_path: Path) -> None:
    config = configure()
    with pytest.raises(Interrupted):
        evaluate(config, model=Stopping(3))
    with pytest.raises(UserError, match="no longer the one"):
        resume(config.output, model=Parrot(digest="other feathers"))
    write_quiz(tmp_path / "data", samples=44)
    with pytest.raises(UserError, match="no longer those"):
        resume(config.output, model=Parrot())


def test_no_run_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        load_run(tmp_path)


def test_limit_takes_the_first_and_samples_the_named(configure: Configure) -> None:
    (limited,) = plan(configure(limit=3))
    assert [sample.id for sample in limited.samples] == ["q0", "q1", "q2"]
    (named,) = plan(configure(samples=("q9", "q2")))
    assert [sample.id for sample in named.samples] == ["q2", "q9"]
    with pytest.raises(UserError, match="q99"):
        plan(configure(samples=("q2", "q99")))


def test_users_limits_reach_every_request(configure: Configure) -> None:
    (one,) = plan(configure(max_new_tokens=3, max_frames=7, clip_bounds=True, prompt="polite"))
    request = one.groups[0].requests[0]
    assert request.text.startswith("polite")
    assert (request.max_new_tokens, request.frames.max_frames, request.frames.clip_bounds) == (3, 7, True)
    with pytest.raises(UnknownName, match="Did you mean 'polite'"):
        plan(configure(prompt="polit"))


def test_absent_media_are_counted_before_anything_runs(configure: Configure, tmp_path: Path) -> None:
    for number in (1, 4):
        (tmp_path / "data" / f"m{number}.txt").unlink()
    with pytest.raises(UserError, match=r"2 of 10 media files are missing.*m1\.txt"):
        evaluate(configure(), model=Parrot())
    assert not (tmp_path / "run").exists()
    run = evaluate(configure(allow_missing_files=True, max_missing=1.0), model=Parrot())
    assert run.metrics["tasks"]["quiz"]["missing"] == {"file not found": 8}


def test_unwritable_output_is_a_user_error(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        evaluate(configure("file/run"), model=Parrot())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limit": 20}, "20 of 40 samples"),
        ({"prompt": "polite"}, "prompt preset polite"),
        ({"max_frames": 4}, "at most 4 frames"),
        ({"model": "macaw"}, "no value for macaw"),
    ],
)
def test_verdict_names_what_makes_a_number_not_comparable(
    change: dict[str, object], says: str, configure: Configure
) -> None:
    verdict = evaluate(configure(**change), model=Parrot()).metrics["tasks"]["quiz"]["paper"]["verdict"]
    assert verdict.startswith("not comparable: ")
    assert says in verdict


def test_sample_data_never_stand_beside_the_paper(configure: Configure, tmp_path: Path) -> None:
    config = configure(sources={"quiz": DataSource("folder", tmp_path / "data", synthetic=True)})
    entry = evaluate(config, model=Parrot()).metrics["tasks"]["quiz"]
    assert "sample data" in entry["paper"]["verdict"]
    assert entry["data"] == "sample"


def test_decord_that_is_not_installed_is_said_before_anything_runs(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engine.run.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install decord"):
        evaluate(replace(configure(), video_reader="decord"), model=Parrot())
