"""EgoSchema: five options about three minutes of first-person video. 500 of the 5,031 answers are public."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from harness.data.sources import DataSource, hub_rows, hub_videos, load_json, require
from harness.errors import NotAvailable
from harness.scoring.choice import first_letter, lmms_egoschema_letter, option_letters
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import FramePolicy, Json, Missing, Request, Response, Sample, Score, Scored, Video
from tasks.multiple_choice import unparsed
from tasks.video_files import HUB_SUFFIXES, VideoFiles
from tasks.wording import LETTER_ANSWER, lettered

QUESTIONS = "egoschema/mc.json"
VIDEOS = "egoschema/videos"
OPTIONS = 5
NO_PUBLIC_ANSWER = Missing("no public answer")
_INSTRUCTION = (
    "You know first-person videos well. Choose the best answer to the question and reply with its letter alone: A, B, "
    "C, D or E."
)
_FRAMES = FramePolicy(fps=1.0)


class EgoSchema(Task):
    """Groups are videos, one question each. A question whose answer is not public is asked and not scored: its answer
    is for upload (`run-eval export`)."""

    card: ClassVar[TaskCard] = TaskCard(
        name="egoschema",
        title="EgoSchema",
        modality="video",
        metric="accuracy, %",
        split="subset with public answers",
        full_size=500,
        hub=HubDataset("lmms-eval/egoschema", "test", ("Subset",)),
        folder=f"{QUESTIONS}\n{VIDEOS}/",
        paper={"llava-mini": 51.2},
        prompts=("llava-mini", "lmms-eval"),
        quirks={"ego_duplicate_frame": {"doubled": True}},
        notes="mc.json is a list of {q_uid, question, 'option 0' .. 'option 4', answer}: EgoSchema's questions.json "
        "joined with subset_answers.json. Questions without answer (the full set has 5,031) are answered for upload "
        "and have no score here; the server takes the whole set. The hub's copy has also been lmms-lab/egoschema.",
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """`llava-mini`: the released text but for its first line, an instruction, which is in our words."""
        if prompt == "llava-mini":
            letters = option_letters(len(sample.choices))
            options = "".join(f"{letter}: {text}\n" for letter, text in zip(letters, sample.choices, strict=False))
            asked = f"{sample.question}\nChoices:\n{options}"
            return Request(sample.id, f"{_INSTRUCTION}\n{asked}\nAnswer with one letter.", 128, _FRAMES)
        return Request(sample.id, f"{sample.question}\n{lettered(sample.choices)}\n{LETTER_ANSWER}", 128, _FRAMES)

    def prompt_note(self, prompt: str) -> str | None:
        return "the instruction before the question is in our words" if prompt == "llava-mini" else None

    def score(self, sample: Sample, response: Response) -> Score | Missing:
        """`accuracy`: the first letter A to E in the text is the right one; `unparsed`: there is none.

        `lmms_eval`: its own reading; where it would choose at random, what that gives on average.
        """
        if not sample.answer:
            return NO_PUBLIC_ANSWER
        letter = first_letter(response.text, option_letters(len(sample.choices)))
        lmms = lmms_egoschema_letter(response.text, sample.choices)
        values = {
            "accuracy": float(letter == sample.answer),
            "unparsed": float(letter is None),
            "lmms_eval": 1 / max(1, len(sample.choices)) if lmms is None else float(lmms == sample.answer),
        }
        return Score(values, {"letter": letter})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """`public answers`: accuracy where there is something to score. `answered for upload`: the other answers."""
        right = [one.result.values["accuracy"] for one in scored if isinstance(one.result, Score)]
        upload = sum(one.response is not None and not one.sample.answer for one in scored)
        public = {"public answers": {"value": 100 * fmean(right), "n": len(right)}} if right else {}
        return {**public, "unparsed": unparsed(scored), "answered for upload": upload}

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        """`official`: the released script leaves questions whose video is absent in the total, as wrong."""
        labelled = [one for one in scored if one.sample.answer]
        values = {"lmms_eval": point(MeanOf("lmms_eval"), labelled)}
        right = sum(one.result.values["accuracy"] for one in labelled if isinstance(one.result, Score))
        if labelled:
            values["official"] = 100 * right / len(labelled)
        return {name: value for name, value in values.items() if value is not None}


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, VIDEOS), EgoSchema.card)
    files = VideoFiles(root / VIDEOS)
    for row in load_json(root / QUESTIONS):
        choices = tuple(str(row[f"option {place}"]) for place in range(OPTIONS))
        yield _sample(str(row["q_uid"]), row, choices, files)


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, dataset.configs[0], source)
    files = VideoFiles(hub_videos(dataset, source) if source.media else Path(VIDEOS), HUB_SUFFIXES, deep=True)
    for row in rows:
        uid, choices = str(row["video_idx"]), tuple(str(text) for text in row["option"])
        yield _sample(uid, row, tuple(_bare(text, place) for place, text in enumerate(choices)), files)


def _bare(option: str, place: int) -> str:
    """The hub's options have their letter in front: 'A. text'."""
    return option.removeprefix(f"{option_letters(OPTIONS)[place : place + 1]}. ")


def _sample(uid: str, row: Mapping[str, Any], choices: tuple[str, ...], files: VideoFiles) -> Sample:
    broken = None if any(choices) else "the item has no options"
    answer = _letter(uid, row.get("answer"), len(choices))
    return Sample(uid, str(row["question"]), Video(uid, files.find(uid)), answer, choices, broken=broken)


def _letter(uid: str, answer: object, options: int) -> str:
    """The letter of an answer 0, 1, .. that may be written as text; "" where there is none."""
    if answer is None or str(answer).strip() in {"", "None"}:
        return ""
    if str(answer).strip() not in {str(place) for place in range(options)}:
        raise NotAvailable(
            f"egoschema: question {uid} has the answer {answer!r}, which is not 0 to {options - 1}. Join "
            "questions.json with subset_answers.json again."
        )
    return option_letters(options)[int(str(answer))]
