from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import point, worst_and_best
from harness.types import Missing, Response, Sample, Score, Scored
from tasks.mmvet import HINT, KEY, UNREADABLE, MmVet, official_grade, sound_grade, tables
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import golden_path, published_path

VET = MmVet()
REPLIES = st.one_of(
    st.text(), st.floats().map(str), st.builds("{}{}".format, st.sampled_from([" ", "**", "-"]), st.floats())
)


def golden(part: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(golden_path("image", "mmvet.json").read_text())[part]
    return cases


def judged(replies: list[str], capabilities: list[list[str]] | None = None) -> list[Scored]:
    run = []
    for index, reply in enumerate(replies):
        meta = {"capabilities": capabilities[index] if capabilities else ["rec"]}
        one = Sample(str(index), "What is x?", None, "-1<AND>-5", meta=meta)
        response = Response(one.id, "x = 3")
        run.append(Scored(one, response, VET.score_judged(one, response, {KEY: reply})))
    return run


@pytest.mark.golden
def test_tables_of_one_and_several_judge_runs_are_the_official_ones() -> None:
    for case in golden("cases"):
        by_capability, by_set = tables((item["capability"], item["scores"]) for item in case["items"])
        assert by_capability == case["cap_score"]
        assert by_set == case["cap_int_score"]


@pytest.mark.golden
def test_a_run_of_the_golden_grades_has_the_tables_and_total_of_its_first_judge_run() -> None:
    for case in golden("cases"):
        items = case["items"]
        run = judged([str(item["scores"][0]) for item in items], [item["capability"] for item in items])
        assert point(VET.headline, run) == pytest.approx(case["lmms_total_first_run"], abs=1e-9)
        assert VET.variants(run)["official"] == pytest.approx(case["lmms_total_first_run"], abs=1e-9)
        table = VET.breakdown(run)
        if case["num_run"] == 1:
            assert (table["capability"], table["integration"]) == (case["cap_score"], case["cap_int_score"])
        assert table["capability"]["runs"] == case["cap_score"]["runs"][:1]


@pytest.mark.golden
def test_replies_are_graded_as_officially_but_for_those_that_are_no_number() -> None:
    for case in golden("judge_reply_cases"):
        if not case["is_nan"]:
            assert official_grade(case["replies"]) == case["score"], case


@pytest.mark.golden
def test_the_judge_is_asked_again_as_often_and_as_warm_as_officially() -> None:
    one = Sample("0", "q", None, "a", meta={"capabilities": ["rec"]})
    for case in golden("judge_reply_cases"):
        if case["is_nan"]:
            continue
        (request,) = VET.judge_requests(one, Response("0", "p"), {})
        asked, text = [request], request.messages[0][1]
        for reply in [*case["replies"], *[case["replies"][-1]] * 9]:
            again = VET.asked_again(asked[-1], reply)
            if again is None:
                break
            asked.append(again)
        assert [one.temperature for one in asked] == case["temperatures"], case
        assert {one.max_tokens for one in asked} == {case["max_tokens"]}
        assert len({one.key for one in asked}) == len(asked) == case["n_calls"]
        assert all(one.messages[0][1] == text + HINT for one in asked[1:])


@pytest.mark.golden
@pytest.mark.published
def test_prompt_is_the_question_alone_as_in_llavas_file() -> None:
    for row in json.loads(published_path("prompts_sample.json").read_text())["mmvet"]:
        one = Sample(str(row["question_id"]), row["text"], None, "")
        assert VET.request(one, "llava").text == row["text"]


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("0.5", 0.5),
        (" 0.5", 0.5),
        (".5", 0.5),
        ("1", 1.0),
        ("0.5\nbecause", 0.5),
        ("Correctness: 0.5", 0.5),
        ("**0.5**", 0.5),
        ("Correctness: 0", None),
        (" 0.", None),
        ("**1", None),
        ("1.1", None),
        ("-0.1", None),
        ("0,5", None),
        ("100%", None),
        ("0.3 0.4", None),
        ("nan", None),
        ("NaN 0.5", 0.5),
        ("half", None),
        ("", None),
    ],
)
def test_only_one_clear_grade_is_read(reply: str, grade: float | None) -> None:
    assert sound_grade(reply) == grade


def test_an_unreadable_reply_is_missing_and_only_the_official_figure_counts_it_as_nothing() -> None:
    run = judged(["1.0", " 0.5", "abc"])
    result = run[2].result
    assert isinstance(result, Missing)
    assert (result.reason, result.detail) == (UNREADABLE, "abc")
    assert point(VET.headline, run) == pytest.approx(75.0, abs=1e-9)
    assert VET.variants(run) == {"official": pytest.approx(100 / 3, abs=1e-9)}
    assert worst_and_best(VET.headline, run) == (pytest.approx(50.0), pytest.approx(250 / 3))


def test_a_sample_without_reply_enters_no_figure() -> None:
    (graded,) = judged(["1.0"])
    waiting = Scored(graded.sample, graded.response, Missing("not judged"))
    assert VET.variants([graded, waiting]) == {"official": 100.0}
    assert VET.variants([waiting]) == {}
    assert VET.breakdown([waiting]) == {}


def test_tables_say_how_many_samples_each_line_has() -> None:
    table = VET.breakdown(judged(["1", "0", "abc"], [["rec", "ocr"], ["ocr"], ["ocr"]]))
    assert table["samples"] == {"capability": {"ocr": 2, "rec": 1}, "integration": {"ocr": 1, "ocr_rec": 1}}


@given(REPLIES)
def test_any_reply_is_scored_or_missing(reply: str) -> None:
    (one,) = judged([reply])
    if isinstance(one.result, Score):
        assert all(0 <= value <= 1 for value in one.result.values.values())
    assert 0 <= VET.variants([one])["official"] <= 100
    VET.breakdown([one])


@given(st.lists(st.floats(0, 1).map(lambda grade: f"{grade:.2f}"), min_size=1), st.randoms())
def test_a_wrong_answer_never_raises_the_score_and_order_does_not_matter(grades: list[str], rng: random.Random) -> None:
    before, after = (point(VET.headline, judged(given)) for given in (grades, [*grades, "0.0"]))
    assert before is not None
    assert after is not None
    assert after <= before + 1e-9
    run = judged(grades)
    rng.shuffle(run)
    assert point(VET.headline, run) == pytest.approx(before, abs=1e-9)


def official_folder(root: Path) -> DataSource:
    (root / "mm-vet" / "images").mkdir(parents=True)
    rows = [
        {"image": f"v1_{index // 2}.png", "text": f"Question {index}?", "category": "conv", "question_id": index}
        for index in range(4)
    ]
    write_jsonl(root / "mm-vet" / "llava-mm-vet.jsonl", rows)
    entry = {"answer": "-1<AND>-5<OR>x", "capability": ["ocr", "math"], "imagesource": "s"}
    write_json(root / "mm-vet" / "mm-vet.json", {f"v1_{index}": entry for index in range(3)})
    return DataSource("folder", root)


def test_folder_gives_answers_and_capabilities_by_id(tmp_path: Path) -> None:
    samples = VET.samples(official_folder(tmp_path))
    assert [one.id for one in samples] == ["0", "1", "2", "3"]
    assert (samples[0].answer, samples[0].meta["capabilities"]) == ("-1<AND>-5<OR>x", ["ocr", "math"])
    assert [one.media and one.media.id for one in samples] == ["v1_0.png", "v1_0.png", "v1_1.png", "v1_1.png"]
    assert samples[3].broken == "no entry v1_3 in mm-vet/mm-vet.json"
    assert "v1_2" in VET.names(samples[2])


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"mm-vet\.json"):
        VET.samples(DataSource("folder", tmp_path))


def test_lmms_eval_asks_for_reasoning_before_the_question() -> None:
    one = Sample("0", "What is x?", None, "")
    text = VET.request(one, "lmms-eval").text
    assert text.startswith("First please perform reasoning")
    assert text.endswith("\nWhat is x?")
