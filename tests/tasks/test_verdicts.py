from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.types import Missing, Sample, Score, Scored
from tasks import verdicts
from tasks.verdicts import Printed, Verdict, sound_score, sound_verdict
from tests.support.golden import golden_path

REPLIES = st.one_of(
    st.text(),
    st.text("{}[]()'\":,.yesnopredscore0123456789 \\\n-+", max_size=60),
    st.builds(
        "{{'pred': {}, 'score': {}}}".format, st.text(max_size=8).map(repr), st.text("0123456789.e-+j'", max_size=9)
    ),
    st.builds("{{'score': 1{}}}".format, st.integers(0, 5000).map(lambda n: "0" * n)),
    st.sampled_from(["{" * 5000, "(" * 5000, "[" * 100000, "{'score': " * 3000, "-" * 50000 + "1", "\x00", "\ud800"]),
)
"""Anything a judge may say, near a verdict and far from one."""


def official_cases(task: str) -> list[dict[str, Any]]:
    cases = json.loads(golden_path("video", "judge_official.json").read_text())
    return [case for case in cases if (case["task"] == "qa") == (task == "qa")]


def last_replies(case: dict[str, Any]) -> list[str]:
    """The reply that decides an item: the last, since earlier ones only made the script ask again."""
    replies = [item["replies"][-1] for item in case["items"]]
    return [reply for reply in replies if isinstance(reply, str)]


@pytest.mark.golden
def test_the_official_accuracy_is_what_llava_minis_script_prints_or_dies_of() -> None:
    for case in official_cases("qa"):
        unusual = case["name"] in ("duplicate_id", "integer_id")  # how items are told apart, not how replies are read
        if case["impl"] != "llava_mini" or unusual:
            continue
        printed, expected = verdicts.official_accuracy(last_replies(case)), case["expect"]
        if expected["status"] == "ok":
            assert printed is not None, case
            assert printed.accuracy == pytest.approx(100 * expected["aggregate"]["accuracy"])
            assert printed.score == pytest.approx(expected["aggregate"]["average_score"])
        else:
            assert printed is None, case


@pytest.mark.golden
def test_the_original_script_prints_the_same_where_it_lives() -> None:
    for case in official_cases("qa"):
        if case["impl"] == "video_chatgpt" and case["expect"]["status"] == "ok" and case["name"] != "duplicate_id":
            printed = verdicts.official_accuracy(last_replies(case))
            assert printed is not None
            assert printed.accuracy == pytest.approx(100 * case["expect"]["aggregate"]["accuracy"])
            assert printed.score == pytest.approx(case["expect"]["aggregate"]["average_score"])


@pytest.mark.golden
def test_official_dimension_scores_are_those_of_both_scripts() -> None:
    for case in official_cases("dimension"):
        scores = [verdicts.official_score(reply) for reply in last_replies(case)]
        if case["expect"]["status"] == "ok":
            assert sum(score for score in scores if score is not None) / len(scores) == pytest.approx(
                case["expect"]["aggregate"]["average_score"]
            )
        assert (None in scores) == (case["expect"]["status"] != "ok"), case


@pytest.mark.golden
def test_lmms_eval_readings_are_lmms_evals() -> None:
    golden = json.loads(golden_path("video", "judge_lmms_eval.json").read_text())
    for case in golden["activitynetqa"]:
        answered = [reply for reply in case["replies"] if isinstance(reply, str)]
        verdict = verdicts.lmms_verdict(answered[-1]) if answered else None
        if "crash" in case["expect"]:
            assert verdict is None, case
        else:
            word = {"yes": True, "no": False}.get(case["expect"]["Correctness"].lower())
            assert verdict == Verdict(word, case["expect"]["score"]), case
    for case in golden["videochatgpt_items"]:
        answered = [reply for reply in case["replies"] if isinstance(reply, str)]
        assert verdicts.lmms_score(answered[-1] if answered else "") == case["expect"]["score"], case
    for case in golden["activitynetqa_aggregate"]:
        replies = [str({"pred": item["Correctness"], "score": item["score"]}) for item in case["items"]]
        printed = verdicts.lmms_accuracy(replies)
        assert printed is not None
        assert (printed.accuracy, printed.score) == pytest.approx((case["accuracy"], case["score"]))


@pytest.mark.parametrize(
    ("reply", "right", "score"),
    [
        ("{'pred': 'yes', 'score': 4}", True, 4.0),
        ('Sure!\n```json\n{"pred": "no", "score": 1.5, "ok": true}\n```\nBye {', False, 1.5),
        ("{'pred': ' YES ', 'score': 0} and {'pred': 'no', 'score': 5}", True, 0.0),
        ("[{'pred': 'No', 'score': 5, 'why': {'a': 1}}]", False, 5.0),
    ],
)
def test_a_clear_verdict_is_read_in_whatever_dress(reply: str, right: bool, score: float) -> None:
    assert sound_verdict(reply) == Verdict(right, score)
    assert sound_score(reply) == score


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "yes, 4",
        "{'pred': 'yes', 'score': 4",
        "{'pred': 'maybe', 'score': 2}",
        "{'pred': 'yes/no', 'score': 3}",
        "{'pred': 'eyes', 'score': 3}",
        "{'pred': True, 'score': 4}",
        "{'pred': 'yes'}",
        "{'score': 3}",
        "{'pred': 'yes', 'score': 7}",
        "{'pred': 'yes', 'score': -3}",
        "{'pred': 'yes', 'score': True}",
        "{'pred': 'yes', 'score': [4]}",
        "{'pred': 'yes', 'score': 1e999}",
        '{"pred": "yes", "score": NaN}',
        "{'yes', 4}",
    ],
)
def test_an_unclear_verdict_is_none_and_never_a_no(reply: str) -> None:
    assert sound_verdict(reply) is None


@given(REPLIES)
def test_no_reply_raises(reply: str) -> None:
    score, verdict = sound_score(reply), sound_verdict(reply)
    assert score is None or 0 <= score <= 5
    assert verdict is None or verdict.score == score
    verdicts.official_score(reply)
    verdicts.lmms_score(reply)
    verdicts.lmms_verdict(reply)


@given(st.lists(REPLIES, max_size=4))
def test_no_list_of_replies_raises(replies: Sequence[str]) -> None:
    for printed in (verdicts.official_accuracy(replies), verdicts.lmms_accuracy(replies)):
        assert printed is None or 0 <= printed.accuracy <= 100


def test_what_is_no_literal_counts_nowhere_and_a_bad_score_counts_nought_in_the_mean() -> None:
    replies = [
        "{'pred': 'yes', 'score': 4.8}",
        "Sure!",
        "{'pred': 'no', 'score': None}",
        "{'pred': 'maybe', 'score': 2}",
    ]
    assert verdicts.official_accuracy(replies) == Printed(100.0, 2.0)


@given(st.dictionaries(st.text(), st.text()))
def test_replies_are_kept_whether_read_or_not(replies: dict[str, str]) -> None:
    sample = Sample("s", "q", None, "a")
    for result in (verdicts.kept({}, replies), verdicts.unread(replies)):
        assert isinstance(result, Score | Missing)
        assert verdicts.replies_of(Scored(sample, None, result)) == replies
    assert verdicts.replies_of(Scored(sample, None, Missing("file not found", "/a.mp4"))) is None
