from __future__ import annotations

import base64
import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.types import Response, Sample, Score, Scored
from tasks.mmbench import ROTATION, MmBench, MmBenchCn
from tests.support.golden import golden_path, published_path
from tests.support.tasks import score_text, score_texts

EN = MmBench()
SUFFIX = "\nAnswer with the option's letter from the given choices directly."
COLUMNS = (
    "index",
    "question",
    "hint",
    *"ABCD",
    "answer",
    "category",
    "image",
    "source",
    "l2-category",
    "comment",
    "split",
)
TEXTS = st.one_of(st.text(), st.text("ABCDZ .:()"), st.sampled_from(["A", "B.", "The answer is C"]))


def row(index: int, **changes: Any) -> dict[str, Any]:
    base = {"index": index, "question": "Which?", "A": "x", "B": "y", "answer": "A", "category": "ocr", "split": "dev"}
    return {**base, **changes}


def official_folder(root: Path, rows: list[dict[str, Any]], task: MmBench = EN) -> DataSource:
    path = root / task.card.folder
    path.parent.mkdir(parents=True)
    image = base64.b64encode(b"picture").decode()
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        table.writerows([{"image": image, **{k: v for k, v in one.items() if v is not None}} for one in rows])
    return DataSource("folder", root)


def question(index: int, answer: str = "A", options: str = "xy") -> Sample:
    texts = dict.fromkeys("ABCD") | dict(zip("ABCD", options, strict=False))
    meta = {
        "index": index,
        "group": index % ROTATION,
        "hint": "",
        "options": texts,
        "category": "c",
        "l2-category": None,
    }
    return Sample(str(index), "Which?", None, answer, tuple(options), meta)


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden answers, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "mmbench.json").read_text())
    samples = EN.samples(official_folder(tmp_path, data["rows"]))
    return data, score_texts(EN, samples, [one["prediction"] for one in data["rows"]])


@pytest.mark.golden
def test_each_row_is_scored_as_the_three_official_tools_score_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for item, one in zip(data["rows"], run, strict=True):
        assert isinstance(one.result, Score)
        expect = item["expect"]
        assert one.result.values["strict"] == expect["strict_letter"], item
        assert one.result.detail == {"letter": expect["vlmeval_infer"], "lmms_letter": expect["lmms_infer"]}, item
        assert one.result.values["accuracy"] == (expect["vlmeval_infer"] == item["answer"]), item
        assert one.result.values["lmms_eval"] == (expect["lmms_infer"] == item["answer"]), item


@pytest.mark.golden
def test_each_question_with_its_rotations_has_the_official_state(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for group in data["groups"]:
        part = [one for one in run if one.sample.meta["group"] == group["group"]]
        assert sorted(int(one.sample.id) for one in part) == sorted(group["rows"])
        variants, table = EN.variants(part), EN.breakdown(part)
        assert point(EN.headline, part) == 100 * group["vlmeval_exact_matching"], group
        assert variants["circular_strict"] == 100 * group["strict_letter_circular"], group
        assert variants["first_pass_strict"] == 100 * group["first_pass_strict"], group
        assert variants["lmms_eval"] == 100 * (group["lmms_state"] == 1), group
        assert table["unread questions"] == (group["vlmeval_state"] == "needs_llm_judge"), group
        assert (table["category"], table["l2-category"]) == (
            {group["category"]: point(EN.headline, part)},
            {group["l2"]: point(EN.headline, part)},
        )


@pytest.mark.golden
def test_headline_variants_and_categories_are_the_official_ones(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    official, variants, table = data["aggregate"], EN.variants(run), EN.breakdown(run)
    assert point(EN.headline, run) == pytest.approx(100 * official["circular_vlmeval_exact_matching"], abs=1e-9)
    assert variants["circular_strict"] == pytest.approx(100 * official["circular_strict"], abs=1e-9)
    assert variants["all_rows_strict"] == pytest.approx(100 * official["vanilla_strict"], abs=1e-9)
    assert table["questions"] == official["n_groups"]
    percent = {category: 100 * value for category, value in official["per_category_vlmeval"].items()}
    assert table["category"] == pytest.approx(percent, abs=1e-9)


@pytest.mark.published
def test_prompt_is_llavas_to_the_byte(tmp_path: Path) -> None:
    cases = json.loads(published_path("prompts_sample.json").read_text())["mmbench"]
    rows = [{**row(0), **case, **dict(zip("ABCD", case["options"], strict=False))} for case in cases]
    for case, one in zip(cases, EN.samples(official_folder(tmp_path, rows)), strict=True):
        assert EN.request(one, "llava").text == case["prompt"] + SUFFIX


def test_options_end_at_the_first_missing_one_but_matching_knows_them_all(tmp_path: Path) -> None:
    (one,) = EN.samples(official_folder(tmp_path, [row(5, B="None", C="zebra", hint="nan")]))
    assert EN.request(one, "llava").text == f"Which?\nA. x{SUFFIX}"
    assert one.choices == ("x",)
    assert EN.score(one, Response("5", "a zebra")).detail["letter"] == "C"


def test_presets_differ_in_wording(tmp_path: Path) -> None:
    (one,) = EN.samples(official_folder(tmp_path, [row(5, hint="Look.")]))
    llava, lmms = (EN.request(one, prompt) for prompt in EN.card.prompts)
    assert llava.text == f"Look.\nWhich?\nA. x\nB. y{SUFFIX}"
    assert lmms.text == f"Look. Which? There are several options:\nA. x\nB. y\n\n{SUFFIX}"
    assert llava.max_new_tokens == lmms.max_new_tokens == 1024


def test_chinese_questions_end_with_the_chinese_instruction(tmp_path: Path) -> None:
    task = MmBenchCn()
    (one,) = task.samples(official_folder(tmp_path, [row(5, question="哪个")], task))
    assert task.request(one, "llava").text == "哪个\nA. x\nB. y\n请直接回答选项字母。"


def test_rotations_share_a_group_and_equal_pictures_a_medium(tmp_path: Path) -> None:
    samples = EN.samples(official_folder(tmp_path, [row(7), row(ROTATION + 7), row(8)]))
    assert [one.meta["group"] for one in samples] == [7, 7, 8]
    assert len({one.media.id for one in samples if one.media}) == 1


def test_a_question_is_right_only_if_every_rotation_is() -> None:
    samples = [question(1), question(ROTATION + 1, "B"), question(2), question(ROTATION + 2, "B")]
    run = score_texts(EN, samples, ["A", "B", "A", "A"])
    variants = EN.variants(run)
    assert point(EN.headline, run) == 50.0
    assert (variants["first_pass"], variants["all_rows"]) == (100.0, 75.0)


def test_unread_answers_are_wrong_and_counted_unless_the_question_is_lost_anyway() -> None:
    samples = [question(1), question(ROTATION + 1, "B"), question(2), question(ROTATION + 2, "B")]
    run = score_texts(EN, samples, ["A", "hm", "hm", "A"])
    assert point(EN.headline, run) == 0.0
    assert EN.breakdown(run)["unread questions"] == 1


def test_a_question_with_a_missing_rotation_is_out_of_the_value_and_bounds_it() -> None:
    samples = [question(1), question(ROTATION + 1, "B"), question(2), question(ROTATION + 2, "B")]
    run = score_texts(EN, samples, ["A", None, "A", "B"])
    assert point(EN.headline, run) == 100.0
    assert worst_and_best(EN.headline, run) == (50.0, 100.0)
    clusters = [one.sample.meta["group"] for one in run]
    assert clustered_bootstrap(EN.headline, run, clusters, seed=0) == (100.0, 100.0)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"mmbench_dev_20230712\.tsv"):
        EN.samples(DataSource("folder", tmp_path))


def test_nothing_scored_prints_no_number() -> None:
    run = [score_text(EN, question(1), None)]
    assert EN.variants(run) == {}
    assert EN.breakdown(run) == {"questions": 1, "unread questions": 0}


@given(TEXTS)
def test_any_text_is_scored(text: str) -> None:
    assert set(EN.score(question(1), Response("1", text)).values.values()) <= {0.0, 1.0}


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("AB"), TEXTS), max_size=10)


def answered(rows: list[tuple[int, str, str]]) -> list[Scored]:
    return [
        score_text(EN, question(place * ROTATION + group, answer), text)
        for place, (group, answer, text) in enumerate(rows)
    ]


@given(ROWS, st.integers(0, 4))
def test_a_wrong_answer_never_raises_the_score(rows: list[tuple[int, str, str]], group: int) -> None:
    run = answered(rows)
    before, after = point(EN.headline, run), point(EN.headline, answered([*rows, (group, "A", "B")]))
    assert after is not None
    assert after <= (before or 0.0)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_does_not_matter(rows: list[tuple[int, str, str]], rng: random.Random) -> None:
    run = answered(rows)
    shuffled = rng.sample(run, len(run))
    assert EN.breakdown(shuffled) == EN.breakdown(run)
    assert EN.variants(shuffled) == pytest.approx(EN.variants(run))
