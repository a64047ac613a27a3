"""Which question an answer made elsewhere belongs to: by id, and where several share one, by what was asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.scoring.choice import option_letters
from harness.task import Task
from harness.types import Json, Missing, Response, Sample
from results.predictions import Predictions, Row

SHOWN = 5
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Matched:
    """Answers by sample id, and what became of every row of the files.

    `repeated`: answers to a question that has a later one, which counts. `strangers`: answers to no question.
    """

    outcomes: Mapping[str, Response | Missing]
    rows: int
    repeated: Sequence[str]
    strangers: Sequence[str]
    unreadable: Sequence[str]

    def to_json(self) -> dict[str, Json]:
        """Counts, and the first few of each kind by name."""
        kinds = {"duplicates": self.repeated, "unmatched": self.strangers, "unreadable": self.unreadable}
        return {
            "rows": self.rows,
            "used": len(self.outcomes),
            **{
                kind: {"n": len(found), "first": [_plain(one) for one in found[:SHOWN]]}
                for kind, found in kinds.items()
            },
        }


def match(predictions: Predictions, task: Task, samples: Sequence[Sample]) -> Matched:
    """Gives each row to a sample. Of rows for one sample the last counts."""
    names = _Names(task, samples)
    outcomes: dict[str, Response | Missing] = {}
    repeated, strangers = [], []
    for row in predictions.rows:
        sample, why = names.find(row)
        if sample is None:
            strangers.append(f"{row.name} ({row.place}{why})")
            continue
        if sample.id in outcomes:
            repeated.append(f"{sample.id} ({row.place})")
        outcomes[sample.id] = _outcome(sample, row)
    return Matched(outcomes, len(predictions.rows), repeated, strangers, predictions.unreadable)


class _Names:
    """Finds samples by their own ids first, then by their other names."""

    def __init__(self, task: Task, samples: Sequence[Sample]) -> None:
        self._task, self._samples = task, samples
        self._by_id = {sample.id: sample for sample in samples}
        self._by_name: dict[str, tuple[int, list[Sample]]] | None = None
        self._used: defaultdict[tuple[str, str], int] = defaultdict(int)

    def find(self, row: Row) -> tuple[Sample | None, str]:
        """The sample, or None and why, to be put behind the row's place."""
        if row.name in self._by_id:
            return self._by_id[row.name], ""
        candidates = self._named(row.name)
        return self._asked(candidates, row) if candidates else (None, "")

    def _named(self, name: str) -> list[Sample]:
        """Those that have the name as their most telling: as an id of their own, say, before that of their image."""
        if self._by_name is None:
            self._by_name = {}
            for sample in self._samples:
                for rank, other in enumerate(dict.fromkeys(self._task.names(sample))):
                    best, sharing = self._by_name.get(other, (rank, []))
                    if rank < best or not sharing:
                        self._by_name[other] = rank, [sample]
                    elif rank == best:
                        sharing.append(sample)
        return self._by_name.get(name, (0, []))[1]

    def _asked(self, candidates: Sequence[Sample], row: Row) -> tuple[Sample | None, str]:
        """The candidate whose question stands in the prompt, the longest if several do; equal ones take turns."""
        if len(candidates) == 1:
            return candidates[0], ""
        if not row.prompt:
            return None, f": {len(candidates)} questions have this id and the row has no prompt"
        prompt = _folded(row.prompt)
        fitting = [sample for sample in candidates if (asked := _folded(sample.question)) and asked in prompt]
        if not fitting:
            return None, f": its prompt is none of the {len(candidates)} questions with this id"
        longest = max(len(_folded(sample.question)) for sample in fitting)
        equal = [sample for sample in fitting if len(_folded(sample.question)) == longest]
        key = row.name, _folded(equal[0].question)
        self._used[key] += 1
        return equal[min(self._used[key], len(equal)) - 1], ""


def _folded(text: str) -> str:
    """Without case and kinds of white space, which pipelines change on the way to a prompt."""
    return " ".join(text.casefold().split())


def _outcome(sample: Sample, row: Row) -> Response | Missing:
    """A number that answers a multiple-choice question is the place of an option."""
    answer = row.answer
    if isinstance(answer, int):
        in_range = 0 <= answer < len(sample.choices)
        answer = option_letters(len(sample.choices))[answer] if in_range else str(answer)
    return answer if isinstance(answer, Missing) else Response(sample.id, answer)


def complaints(matched: Matched) -> Iterable[str]:
    """A line for each kind of row that did not count, with the first few."""
    said = {
        "duplicates": "answers were given again later in the file; the last one counts",
        "unmatched": "answers belong to no question that is scored here",
        "unreadable": "lines are no answers",
    }
    report = matched.to_json()
    for kind, text in said.items():
        if count := report[kind]["n"]:
            more = ", .." if count > SHOWN else ""
            yield f"{count:,} {text}: {', '.join(report[kind]['first'])}{more}"


def _counted(found: Sequence[str]) -> dict[str, Json]:
    return {"n": len(found), "first": [_plain(one) for one in found[:SHOWN]]}


def _plain(text: str) -> str:
    """Short, and free of what no terminal can print."""
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
