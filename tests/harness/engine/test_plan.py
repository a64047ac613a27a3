"""Which samples a run asks about, how they are grouped, and what must not change between its sessions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.data.sources import DataSource
from harness.engine import plan as plan_module
from harness.engine.config import RunConfig
from harness.engine.plan import TaskPlan, plan_tasks
from harness.errors import NotAvailable, UnknownName, UserError
from harness.task import Task
from harness.types import FramePolicy, Image, Media, Request, Sample, Video
from tests.support.fakes import Quiz
from tests.support.media import write_video

SAMPLE = Sample("a", "What is it?", Image("one", Path("one.jpg")), "cat", ("cat", "dog"), {"kind": "object"})


def digest(sample: Sample) -> str:
    return TaskPlan(Quiz(), "llava", (sample,), (), {}).digests()["samples_sha256"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"question": "Who is it?"},
        {"media": Image("two", Path("one.jpg"))},
        {"media": None},
        {"answer": "dog"},
        {"choices": ("dog", "cat")},
        {"meta": {"kind": "colour"}},
    ],
)
def test_whatever_a_score_is_made_from_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest(replace(SAMPLE, **change)) != digest(SAMPLE)


def test_place_of_the_files_does_not_change_the_digest() -> None:
    assert digest(replace(SAMPLE, media=Image("one", Path("elsewhere/one.jpg")))) == digest(SAMPLE)


class Listed(Quiz):
    """A quiz of the samples it is given."""

    def __init__(self, *samples: Sample, name: str = "quiz", frames: dict[str, FramePolicy] | None = None) -> None:
        self.listed, self.frames = samples, frames or {}
        self.card = replace(Quiz.card, name=name)  # type: ignore[misc]

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return self.listed

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, sample.question, 8, self.frames.get(sample.id, FramePolicy()))


class Absent(Listed):
    def samples(self, source: DataSource) -> Sequence[Sample]:
        raise NotAvailable(f"{self.card.name} cannot be had")


def sample(name: str, media: Media | None, broken: str | None = None) -> Sample:
    return Sample(name, "?", media, "yes", broken=broken)


def plans(*tasks: Task, **fields: Any) -> list[TaskPlan]:
    names = tuple(task.card.name for task in tasks)
    sources = {name: DataSource("folder", Path("data")) for name in names}
    return plan_tasks(tasks, RunConfig("parrot", names, sources, Path("out"), **fields))


def grouped(*samples: Sample, frames: dict[str, FramePolicy] | None = None, **fields: Any) -> list[list[str]]:
    (made,) = plans(Listed(*samples, frames=frames), **fields)
    return [[request.sample_id for request in group.requests] for group in made.groups]


def test_questions_about_one_medium_form_a_group_wherever_they_stand() -> None:
    one, two = Image("one", Path("1")), Image("two", Path("2"))
    assert grouped(sample("a", one), sample("b", two), sample("c", one)) == [["a", "c"], ["b"]]


def test_questions_without_medium_stand_alone() -> None:
    assert grouped(sample("a", None), sample("b", None)) == [["a"], ["b"]]


def test_broken_items_are_in_no_group() -> None:
    assert grouped(sample("a", None, broken="no options"), sample("b", None)) == [["b"]]


def test_requests_that_see_other_frames_of_a_video_do_not_share_it() -> None:
    video = Video("v", Path("v"))
    policies = {"b": FramePolicy(max_frames=4)}
    assert grouped(sample("a", video), sample("b", video), sample("c", video), frames=policies) == [["a", "c"], ["b"]]


@pytest.mark.parametrize(("bounds", "groups"), [(False, [["a", "b", "c"]]), (True, [["a", "c"], ["b"]])])
def test_clips_of_a_video_share_it_only_when_it_is_shown_whole(bounds: bool, groups: list[list[str]]) -> None:
    early, late = Video("v", Path("v"), 0.0, 2.0), Video("v", Path("v"), 5.0, 7.0)
    samples = (sample("a", early), sample("b", late), sample("c", early))
    assert grouped(*samples, clip_bounds=bounds) == groups


def test_a_quirk_changes_the_requests_of_the_tasks_that_have_it_and_is_off_by_default() -> None:
    odd, plain = Listed(sample("a", None), name="odd"), Listed(sample("b", None), name="plain")
    odd.card = replace(odd.card, quirks={"twice": {"doubled": True}})  # type: ignore[misc]

    def doubled(*quirks: str) -> list[bool]:
        return [one.groups[0].requests[0].frames.doubled for one in plans(odd, plain, quirks=quirks)]

    assert doubled() == [False, False]
    assert doubled("twice") == [True, False]
    with pytest.raises(UnknownName, match="Did you mean 'twice'"):
        doubled("twise")


class Brought(Listed):
    """A quiz whose questions begin with a file's text, and of which a quirk changes more than frames."""

    def adjusted(self, quirks: Collection[str], preamble: Path | None) -> Task:
        made = Brought(*self.listed)
        made.card = self.card  # type: ignore[misc]
        made.before = f"{preamble.read_text() if preamble else ''}{'!' * len(quirks)}"
        return made

    before = ""

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, self.before + sample.question)


def test_a_task_is_adjusted_to_the_run_before_it_asks(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("Well: ")
    task = Brought(sample("a", None))
    task.card = replace(task.card, quirks={"loud": {}})  # type: ignore[misc]
    (made,) = plans(task, preamble=tmp_path / "words", quirks=("loud",))
    assert made.groups[0].requests[0].text == "Well: !?"
    assert plans(task)[0].groups[0].requests[0].text == "?"


def test_ids_may_belong_to_any_of_the_tasks_but_must_belong_to_one() -> None:
    first, second = Listed(sample("a", None), name="first"), Listed(sample("b", None), sample("c", None), name="second")
    assert [[one.id for one in made.samples] for made in plans(first, second, samples=("c", "a"))] == [["a"], ["c"]]
    with pytest.raises(UserError, match=r"1 of 3 ids.*none of first, second: x"):
        plans(first, second, samples=("a", "b", "x"))
    with pytest.raises(UserError, match=r"first: none of the 1 ids"):
        plans(first, second, samples=("b",))


def test_ids_that_occur_twice_are_refused() -> None:
    with pytest.raises(UserError, match="1 sample ids occur more than once"):
        plans(Listed(sample("a", None), sample("a", None)))


def test_annotations_without_samples_are_refused() -> None:
    with pytest.raises(UserError, match="no samples"):
        plans(Listed())


def test_data_that_cannot_be_had_are_named_for_all_tasks_at_once() -> None:
    with pytest.raises(NotAvailable, match=r"(?s)first cannot be had.*third cannot be had"):
        plans(Absent(name="first"), Listed(sample("a", None), name="second"), Absent(name="third"))


def test_frames_are_counted_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = Video("film", write_video(tmp_path / "film.mp4", frames=60, fps=10))
    gone = Video("gone", tmp_path / "gone.mp4")
    samples = (sample("a", film), sample("b", film), sample("c", gone), sample("d", Image("i", tmp_path / "i.png")))
    (whole,) = plans(Listed(*samples))
    assert whole.frames("pyav") == 6
    (capped,) = plans(Listed(*samples), max_frames=4)
    assert capped.frames("pyav") == 4
    monkeypatch.setattr(plan_module, "LOOKED_INTO", 1)
    assert whole.frames("pyav") is None, "too many videos to look into"
    summary = whole.summary()
    assert (summary["videos"], summary["images"], summary["files"], summary["missing files"]) == (2, 1, 3, 2)
