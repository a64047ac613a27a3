"""Questions and answers in two files of one order, as Video-LLaVA's zero-shot archives hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.sources import load_json
from harness.errors import UserError


@dataclass(frozen=True, slots=True)
class Layout:
    """`folder`/{test_q.json,test_a.json} and the videos in `folder`/`videos`, named `prefix` + video_name."""

    folder: str
    videos: str
    prefix: str = ""

    @property
    def questions(self) -> str:
        return f"{self.folder}/test_q.json"

    @property
    def answers(self) -> str:
        return f"{self.folder}/test_a.json"

    @property
    def video_folder(self) -> str:
        return f"{self.folder}/{self.videos}"

    def described(self) -> str:
        """One path a line."""
        return f"{self.questions}\n{self.answers}\n{self.video_folder}/{self.prefix}<video_name>.{{mp4,avi,mov,mkv}}"


def question_pairs(questions: Path, answers: Path) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each question with the answer at its place. Raises UserError where the two files are not of one order.

    The released scripts pair by place alone, so that a file of another split or order goes unnoticed.
    """
    asked, answered = json_objects(questions), json_objects(answers)
    if len(asked) != len(answered):
        raise UserError(
            f"{questions} holds {len(asked):,} questions and {answers.name} beside it {len(answered):,} answers. They "
            "belong together by place: take both from the same download."
        )
    for place, (question, answer) in enumerate(zip(asked, answered, strict=True)):
        ids = question.get("question_id"), answer.get("question_id")
        if None not in ids and str(ids[0]) != str(ids[1]):
            raise UserError(
                f"{questions}: entry {place} has the question_id {ids[0]!r}, but the entry of {answers.name} at its "
                f"place has {ids[1]!r}. They belong together by place: take both from the same download."
            )
        yield question, answer


def json_objects(path: Path) -> list[dict[str, Any]]:
    """A JSON list of objects. Raises UserError."""
    rows = load_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: must be a list of JSON objects. Download it again.")
    return rows
