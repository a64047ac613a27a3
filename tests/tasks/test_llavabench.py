from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.types import Missing, Response, Sample, Score, Scored
from tasks.llavabench import KEY, UNREADABLE, LlavaBench, lmms_pair, official_pair, sound_pair, summary
from tests.support.folders import write_jsonl
from tests.support.golden import golden_path

BENCH = LlavaBench()
REPLIES = st.one_of(
    st.text(),
    st.builds(
        "{}{}{}\n{}".format, st.integers(-2, 12), st.sampled_from([" ", ", ", ",", "/", "-"]), st.floats(), st.text()
    ),
)


def sample(name: str = "0", category: str = "conv") -> Sample:
    return Sample(name, "What is it?", None, "A bus.", meta={"category": category, "context": "A red bus."})


def judged(replies: list[str], categories: tuple[str, ...] = ("conv", "detail", "complex")) -> list[Scored]:
    run = []
    for index, reply in enumerate(replies):
        one = sample(str(index), categories[index % len(categories)])
        response = Response(one.id, "It is a bus.")
        run.append(Scored(one, response, BENCH.score_judged(one, response, {KEY: reply})))
    return run


def number(stored: Any) -> float:
    return math.nan if stored is None else float(stored)


@pytest.mark.golden
def test_replies_are_read_as_the_official_script_and_lmms_eval_read_them() -> None:
    for case in json.loads(golden_path("image", "llavabench.json").read_text())["parse_cases"]:
        official, lmms = ([number(one) for one in case[name]] for name in ("scores", "lmms_scores"))
        assert official_pair(case["review"]) == pytest.approx(official, abs=1e-9, nan_ok=True), case
        assert lmms_pair(case["review"]) == pytest.approx(lmms, abs=1e-9), case


@pytest.mark.golden
def test_what_the_official_script_reads_as_ratings_is_read_alike() -> None:
    for case in json.loads(golden_path("image", "llavabench.json").read_text())["parse_cases"]:
        official = [number(one) for one in case["scores"]]
        if all(0 <= one <= 10 for one in official):
            assert sound_pair(case["review"]) == tuple(official), case


@pytest.mark.golden
def test_every_printed_column_is_the_official_one() -> None:
    cases = json.loads(golden_path("image", "llavabench.json").read_text())["summary_cases"]
    for case in cases:
        rows = [(one["category"], tuple(one["tuple"])) for one in case["reviews"]]
        for name, columns in case["summary"].items():
            assert list(summary([pair for category, pair in rows if name in ("all", category)])) == columns, name
        assert summary([pair for _, pair in rows])[0] == case["lmms_all"]


@pytest.mark.golden
def test_a_run_of_the_golden_reviews_has_the_official_headline_and_table() -> None:
    cases = json.loads(golden_path("image", "llavabench.json").read_text())["summary_cases"]
    for case in (case for case in cases if all(min(one["tuple"]) >= 0 for one in case["reviews"])):
        run = []
        for one in case["reviews"]:
            item = sample(str(one["question_id"]), one["category"].removeprefix("llava_bench_"))
            reply = "{} {}\nBoth are fine.".format(*one["tuple"])
            response = Response(item.id, "text")
            run.append(Scored(item, response, BENCH.score_judged(item, response, {KEY: reply})))
        value = point(BENCH.headline, run)
        assert value is not None
        assert abs(value - case["summary"]["all"][0]) <= 0.06  # the printed one is of means rounded to three decimals
        table = BENCH.breakdown(run)
        for name, columns in case["summary"].items():
            assert [table[name][key] for key in ("score", "gpt4 x10", "model x10")] == columns, name
        assert BENCH.variants(run) == {"official": case["summary"]["all"][0], "lmms_eval": case["lmms_all"]}


@pytest.mark.parametrize(
    ("reply", "pair"),
    [
        ("8, 7", (8.0, 7.0)),
        ("\n 8/10 and 7/10", (8.0, 7.0)),
        ("Assistant 1: 8, Assistant 2: 7.5 (out of 10)", (8.0, 7.5)),
        ("**8 7**", (8.0, 7.0)),
        ("8-7", (8.0, 7.0)),
        ("1e1 9", (10.0, 9.0)),
        ("8 7 6", None),
        ("Assistant 1: 8\nAssistant 2: 7", None),
        ("nan 7", None),
        ("inf 3", None),
        ("-1 5", None),
        ("100 90", None),
        ("80% 70%", None),
        ("", None),
        ("I cannot tell.", None),
    ],
)
def test_only_two_clear_ratings_are_read(reply: str, pair: tuple[float, float] | None) -> None:
    assert sound_pair(reply) == pair


def test_an_unreadable_reply_is_missing_and_only_the_official_figure_averages_it_in() -> None:
    run = judged(["8 4", "8, 4", "no idea"])
    result = run[2].result
    assert isinstance(result, Missing)
    assert (result.reason, result.detail) == (UNREADABLE, "no idea")
    assert point(BENCH.headline, run) == pytest.approx(50.0, abs=1e-9)
    assert BENCH.variants(run) == {
        "official": summary([(8, 4), (-1, -1), (-1, -1)])[0],
        "lmms_eval": summary([(8, 4), (8, 4), (-1, -1)])[0],
    }
    assert BENCH.breakdown(run)["official failed parses"] == 2
    assert worst_and_best(BENCH.headline, run) == (pytest.approx(100 * 8 / 26), pytest.approx(100 * 18 / 17))


def test_a_sample_without_reply_enters_no_figure() -> None:
    run = [*judged(["8 4"]), Scored(sample("9"), Response("9", "x"), Missing("not judged"))]
    assert BENCH.variants(run) == {"official": 50.0, "lmms_eval": 50.0}
    assert BENCH.variants(run[1:]) == {}
    assert BENCH.breakdown(run[1:]) == {"official failed parses": 0}
    assert point(BENCH.headline, run[1:]) is None


def test_a_reference_rated_nothing_has_no_ratio() -> None:
    run = judged(["0 5", "0 3"])
    assert point(BENCH.headline, run) is None
    assert math.isnan(BENCH.breakdown(run)["all"]["score"])


def test_interval_holds_the_headline() -> None:
    rng = random.Random(0)
    run = judged([f"{rng.randint(5, 10)} {rng.randint(1, 10)}" for _ in range(60)])
    interval = clustered_bootstrap(BENCH.headline, run, [one.sample.id for one in run], seed=0)
    value = point(BENCH.headline, run)
    assert interval is not None
    assert value is not None
    assert interval[0] < value < interval[1]


@given(REPLIES)
def test_any_reply_is_scored_or_missing(reply: str) -> None:
    (one,) = judged([reply])
    if isinstance(one.result, Score):
        assert all(0 <= value <= 10 for value in one.result.values.values())
        json.dumps(one.result.values, allow_nan=False)
    BENCH.breakdown([one])
    BENCH.variants([one])


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 10)), min_size=1), st.integers(1, 10), st.randoms())
def test_a_worst_rating_never_raises_the_score_and_order_does_not_matter(
    pairs: list[tuple[int, int]], reference: int, rng: random.Random
) -> None:
    replies = [f"{first} {second}" for first, second in pairs]
    before = point(BENCH.headline, judged(replies))
    after = point(BENCH.headline, judged([*replies, f"{reference} 0"]))
    assert before is not None
    assert after is not None
    assert after <= before + 1e-9
    run = judged(replies)
    rng.shuffle(run)
    assert point(BENCH.headline, run) == pytest.approx(before, abs=1e-9)


def official_folder(root: Path) -> DataSource:
    folder = root / "llava-bench-in-the-wild"
    (folder / "images").mkdir(parents=True)
    asked = [("001.jpg", "conv"), ("001.jpg", "detail"), ("002.jpg", "complex"), ("003.jpg", "conv")]
    write_jsonl(
        folder / "questions.jsonl",
        [
            {"question_id": index, "image": image, "category": category, "text": f"Question {index}?"}
            for index, (image, category) in enumerate(asked)
        ],
    )
    captions = [{"id": "001", "image": "001.jpg", "caption": ["A red bus.", "On a street."]}]
    write_jsonl(folder / "context.jsonl", [*captions, {"id": "002", "image": "002.jpg", "caption": "A cat."}])
    references = [
        {"question_id": index, "category": "llava_bench_conv", "text": f"Answer {index}."} for index in (2, 1, 0, 3)
    ]
    write_jsonl(folder / "answers_gpt4.jsonl", references)
    return DataSource("folder", root)


def test_folder_gives_context_and_reference_of_each_question(tmp_path: Path) -> None:
    samples = BENCH.samples(official_folder(tmp_path))
    assert [(one.id, one.answer, one.meta["context"], one.meta["category"]) for one in samples[:3]] == [
        ("0", "Answer 0.", "A red bus.\nOn a street.", "conv"),
        ("1", "Answer 1.", "A red bus.\nOn a street.", "detail"),
        ("2", "Answer 2.", "A cat.", "complex"),
    ]
    assert samples[3].broken == "no caption in llava-bench-in-the-wild/context.jsonl"
    assert BENCH.request(samples[0], "llava").text == "Question 0?"


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"answers_gpt4\.jsonl"):
        BENCH.samples(DataSource("folder", tmp_path))
