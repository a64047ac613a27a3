"""Asking a judge: every content once, nothing that is known, and again what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from harness.engine.cache import ResponseCache
from harness.engine.judging import Judging, ask
from harness.judge.budget import Budget
from harness.judge.contract import FAILED, JudgeCard, Reply
from harness.judge.judgements import outcome_of_line, read_judgements
from harness.records.journal import read_lines
from harness.task import NOT_JUDGED
from harness.types import JudgeRequest, Missing, Response, Sample, Score
from tests.support.judged import JudgedQuiz

CARD = JudgeCard("openai:m", "m")


class Scripted:
    """Replies by sample, in turn; None fails. Counts what it was asked."""

    card = CARD

    def __init__(self, script: Mapping[str, list[str | None]]) -> None:
        self._script = {name: list(texts) for name, texts in script.items()}
        self.asked: list[str] = []

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        for request in requests:
            self.asked.append(request.sample_id)
            text = self._script[request.sample_id].pop(0)
            yield request, Missing(FAILED) if text is None else Reply(text, "m", 5, 1)


class Alike(JudgedQuiz):
    """Asks the same about every sample."""

    def judge_requests(
        self, sample: Sample, response: Response, responses: Mapping[str, Response]
    ) -> list[JudgeRequest]:
        found = super().judge_requests(sample, response, responses)
        assert not isinstance(found, Missing)
        return [replace(one, messages=(("user", "right?"),)) for one in found]


def judging(count: int, task: JudgedQuiz | None = None) -> Judging:
    samples = [Sample(f"q{number}", "?", None, "1") for number in range(count)]
    return Judging(task or JudgedQuiz(), samples, {one.id: Response(one.id, "1") for one in samples})


def results(of: Judging, path: Path) -> list[float | str]:
    known = read_judgements(path, CARD.spec)
    scores = [of.score(sample, CARD, known) for sample in of.samples]
    return [one.values["accuracy"] if isinstance(one, Score) else one.reason for one in scores]


def test_equal_contents_are_asked_once_and_serve_every_sample(tmp_path: Path) -> None:
    alike, judge = judging(3, Alike()), Scripted({"q0": ["yes"]})
    assert ask(alike, judge, tmp_path / "j", None, Budget(None))["asked"] == 1
    assert judge.asked == ["q0"]
    assert results(alike, tmp_path / "j") == [1.0, 1.0, 1.0]


def test_what_failed_is_asked_again_by_the_next_call_and_not_by_the_same(tmp_path: Path) -> None:
    two, judge = judging(2), Scripted({"q0": [None, "no"], "q1": ["yes"]})
    assert ask(two, judge, tmp_path / "j", None, Budget(None))["failed"] == 1
    assert judge.asked == ["q0", "q1"]
    assert results(two, tmp_path / "j") == [FAILED, 1.0]
    ask(two, judge, tmp_path / "j", None, Budget(None))
    assert judge.asked == ["q0", "q1", "q0"]
    assert results(two, tmp_path / "j") == [0.0, 1.0]


def test_an_unclear_reply_is_followed_by_the_second_question_in_the_same_call(tmp_path: Path) -> None:
    two, judge = judging(2), Scripted({"q0": ["what?", "yes"], "q1": ["what?", "what?"]})
    assert ask(two, judge, tmp_path / "j", None, Budget(None))["asked"] == 4
    assert results(two, tmp_path / "j") == [1.0, "unreadable reply"]
    keys = [(line["id"], line["key"]) for line in read_lines(tmp_path / "j", outcome_of_line)]
    assert sorted(keys) == [("q0", "again"), ("q0", "first"), ("q1", "again"), ("q1", "first")]


def test_replies_in_the_cache_make_no_call_in_another_run(tmp_path: Path) -> None:
    two, judge = judging(2), Scripted({"q0": ["what?", "yes"], "q1": ["no"]})
    with closing(ResponseCache(tmp_path / "cache")) as cache:
        ask(two, judge, tmp_path / "one", cache, Budget(None))
        counts = ask(two, Scripted({}), tmp_path / "other", cache, Budget(None))
    assert counts == {"asked": 0, "cached": 3, "failed": 0, "left_out": 0}
    assert results(two, tmp_path / "other") == results(two, tmp_path / "one") == [1.0, 0.0]
    lines = list(read_lines(tmp_path / "other", outcome_of_line))
    assert [line["cached"] for line in lines] == [True] * 3
    assert {(line["input_tokens"], line["output_tokens"]) for line in lines} == {(5, 1)}


def test_a_failure_is_not_remembered_by_the_cache(tmp_path: Path) -> None:
    one, judge = judging(1), Scripted({"q0": [None, "yes"]})
    with closing(ResponseCache(tmp_path / "cache")) as cache:
        ask(one, judge, tmp_path / "one", cache, Budget(None))
        ask(one, judge, tmp_path / "other", cache, Budget(None))
    assert results(one, tmp_path / "other") == [1.0]


def test_answers_that_are_not_asked_about_yet_are_not_judged(tmp_path: Path) -> None:
    assert results(judging(2), tmp_path / "none") == [NOT_JUDGED, NOT_JUDGED]
