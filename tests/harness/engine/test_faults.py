"""What can go wrong around a run: full disks, files that go and come back, failing scorers, secrets in errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.config import RunConfig
from harness.engine.run import Interrupted, evaluate, resume
from harness.errors import UnknownName, UserError
from harness.model import ReadyGroup
from harness.types import Response, Sample, Score
from tests.harness.engine.conftest import Configure, files
from tests.support.cli import PROJECT
from tests.support.fakes import Parrot, Quiz, write_quiz


class Unloaded(Parrot):
    """A model that must not be asked."""

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        raise AssertionError("asked")


CROWDED = """
import json, resource, sys
import tasks
from harness.registry import Registry
tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
from harness.engine.config import RunConfig
from harness.engine.run import evaluate, resume
from harness.errors import UserError
from tests.support.fakes import Parrot

if __name__ == "__main__":
    config = RunConfig.from_json(json.loads(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        begun = (config.output / "run.json").is_file()
        resume(config.output, model=Parrot()) if begun else evaluate(config, model=Parrot())
    except UserError as error:
        print(error)
        sys.exit(2)
"""


def test_disk_that_fills_up_is_one_message_and_the_journal_stays_whole(configure: Configure, tmp_path: Path) -> None:
    calm = evaluate(configure("calm"), model=Parrot())
    config = configure("crowded")
    script = tmp_path / "crowded.py"
    script.write_text(CROWDED)
    size = (calm.folder / "quiz" / "responses.jsonl").stat().st_size
    line = size // 40
    for room in (size // 3 + line // 2, size // 2, size - line // 3):
        done = subprocess.run(
            [sys.executable, str(script), json.dumps(config.to_json()), str(room)],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (2, "")
        assert "responses.jsonl: cannot be written" in done.stdout
        content = (config.output / "quiz" / "responses.jsonl").read_bytes()
        assert room - 2 * line < len(content) <= room
        assert all(json.loads(row) for row in content.splitlines())
        assert content.endswith(b"\n")
    assert files(resume(config.output, model=Parrot()).folder) == files(calm.folder)


def test_files_that_come_back_are_asked_about_when_missing_ones_are_retried(
    configure: Configure, tmp_path: Path
) -> None:
    calm = evaluate(configure("calm", max_missing=1.0), model=Parrot())
    absent = tmp_path / "data" / "m3.txt"
    content = absent.read_bytes()
    absent.unlink()
    config = configure("gappy", allow_missing_files=True, max_missing=1.0)
    gappy = files(evaluate(config, model=Parrot()).folder)
    assert json.loads(gappy[0])["tasks"]["quiz"]["missing"] == {"file not found": 4}
    absent.write_bytes(content)
    assert files(resume(config.output, model=Unloaded()).folder) == gappy
    model = Parrot()
    assert files(resume(config.output, model=model, retry_missing=True).folder) == files(calm.folder)
    assert sum(model.calls) == 4


def test_answers_stay_when_the_files_they_are_about_have_gone(configure: Configure, tmp_path: Path) -> None:
    config = configure()
    before = files(evaluate(config, model=Parrot()).folder)
    for path in (tmp_path / "data").glob("m*.txt"):
        path.unlink()
    assert files(resume(config.output, model=Unloaded()).folder) == before


def test_unreadable_media_are_tried_again_only_when_asked(configure: Configure, tmp_path: Path) -> None:
    calm = evaluate(configure("calm", max_missing=1.0), model=Parrot())
    write_quiz(tmp_path / "data", texts={3: "broken"})
    config = configure("run", max_missing=1.0)
    evaluate(config, model=Parrot())
    write_quiz(tmp_path / "data")
    resume(config.output, model=Unloaded())
    assert files(resume(config.output, model=Parrot(), retry_missing=True).folder) == files(calm.folder)


def stopped(config: RunConfig) -> Path:
    """A run that ended after some answers."""

    class Stopping(Parrot):
        def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
            if len(self.calls) == 3:
                raise KeyboardInterrupt
            yield from super().respond(groups)

    with pytest.raises(Interrupted):
        evaluate(config, model=Stopping())
    return config.output


def test_resumed_run_may_use_other_batches_and_workers(configure: Configure) -> None:
    calm = evaluate(configure("calm"), model=Parrot())
    folder = stopped(configure("run", batch_tokens=40))
    model = Parrot()
    resume(folder, model=model, changes={"batch_tokens": 20, "workers": 1})
    assert set(model.calls) == {2}
    assert files(folder) == files(calm.folder)


def test_resumed_run_may_not_ask_other_questions(configure: Configure) -> None:
    folder = stopped(configure("run", batch_tokens=40))
    with pytest.raises(UnknownName, match="max_new_tokens"):
        resume(folder, model=Parrot(), changes={"max_new_tokens": 5})


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("prompt", "polite", "prompts are no longer"), ("max_new_tokens", 3, "prompts"), ("limit", 39, "samples and")],
)
def test_edited_configuration_that_asks_something_else_is_refused(
    field: str, value: object, says: str, configure: Configure
) -> None:
    folder = stopped(configure("run", batch_tokens=40))
    info = json.loads((folder / "run.json").read_text())
    info["config"][field] = value
    (folder / "run.json").write_text(json.dumps(info))
    with pytest.raises(UserError, match=says):
        resume(folder, model=Parrot())


def test_moved_weights_are_the_same_model(configure: Configure) -> None:
    folder = stopped(configure("run", batch_tokens=40))
    model = Parrot()
    model.card = replace(model.card, source="/elsewhere", notes=("moved",), settings={})
    assert resume(folder, model=model).metrics["tasks"]["quiz"]["n_scored"] == 40


def test_settings_that_json_has_no_kind_for_are_still_the_same_model(configure: Configure) -> None:
    class Tupled(Parrot):
        def __init__(self) -> None:
            super().__init__()
            self.card = replace(self.card, settings={"tiles": (2, 2)})

    class Stopping(Tupled):
        def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
            raise KeyboardInterrupt
            yield

    with pytest.raises(Interrupted):
        evaluate(configure(), model=Stopping())
    assert resume(configure().output, model=Tupled()).metrics["tasks"]["quiz"]["n_scored"] == 40


def test_start_that_was_killed_leaves_its_folder_free(configure: Configure) -> None:
    config = configure()
    config.output.mkdir()
    for name in (".lock", ".run.json.part"):
        (config.output / name).touch()
    assert evaluate(config, model=Parrot()).metrics["tasks"]["quiz"]["n"] == 40


def test_model_that_cannot_see_is_refused_before_a_folder_is_made(configure: Configure) -> None:
    model = Unloaded()
    model.card = replace(model.card, modalities=("video",))
    with pytest.raises(UserError, match="takes video, but quiz asks about images"):
        evaluate(configure(), model=model)
    assert not configure().output.exists()


@pytest.mark.parametrize("score", [Score({"accuracy": float("nan")}), Score({"accuracy": 1.0}, {"x": object()}), None])
def test_scorer_that_fails_costs_its_sample(
    score: Score | None, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Quiz.score

    def unsound(self: Quiz, sample: Sample, response: Response) -> Score:
        if sample.id != "q7":
            return sound(self, sample, response)
        if score is None:
            raise IndexError("no letter")
        return score

    monkeypatch.setattr(Quiz, "score", unsound)
    run = evaluate(configure(max_missing=1.0), model=Parrot())
    (reason,) = run.metrics["tasks"]["quiz"]["missing"]
    assert reason.startswith("scorer error: ")
    assert [row["id"] for row in run.scores("quiz") if "missing" in row] == ["q7"]


class Indiscreet(Parrot):
    """Repeats the key in its error."""

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        if any(ready.group.id == "m2" for ready in groups):
            raise ConnectionError(f"401 for key {os.environ['SOME_API_KEY']}")
        yield from super().respond(groups)


def test_key_in_an_error_or_on_the_command_line_reaches_no_file(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-for-this-test")
    config = configure(
        max_missing=1.0, cache=tmp_path / "cache", command=("run-eval", "--judge", "http://me:planted-too@host/v1")
    )
    run = evaluate(config, model=Indiscreet())
    assert run.metrics["tasks"]["quiz"]["missing"] == {"model error: ConnectionError": 4}
    for place in (run.folder, tmp_path / "cache"):
        for path in place.rglob("*"):
            assert not path.is_file() or b"planted-" not in path.read_bytes(), path


def test_each_session_is_written_down(configure: Configure, tmp_path: Path) -> None:
    folder = stopped(configure("run", batch_tokens=40))
    run = resume(folder, model=Parrot(), changes={"workers": 1})
    first, second = run.info["sessions"]
    assert "finished" not in first
    assert (first["workers"], second["workers"]) == (0, 1)
    assert second["speeds"]["quiz"]["answered"] == 28
    assert run.info["speeds"]["quiz"]["answered"] == 28
    assert run.info["status"] == "finished"


def test_what_a_run_was_made_from_is_written_down(configure: Configure) -> None:
    entry = evaluate(configure(), model=Parrot()).info["tasks"]["quiz"]
    assert entry["data"] == {"source": "folder"}
    assert len(entry["samples_sha256"]) == len(entry["prompts_sha256"]) == 64
    assert (entry["vision_tokens"], entry["frames"]) == (1.0, 1.0)
