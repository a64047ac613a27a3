from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import point
from harness.types import Response, Sample, Score, Scored
from tasks.annotators import NO_LABEL
from tasks.vizwiz import TEST, TEST_IMAGES, VAL, VAL_IMAGES, VizWiz, unanswerability
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import golden_path, published_path
from tests.support.tasks import score_text, score_texts

VIZWIZ = VizWiz()
TEXTS = st.one_of(st.text(), st.sampled_from(["Unanswerable", "unanswerable", "dont know", "a can", "two"]))


def val_folder(root: Path, rows: list[dict[str, Any]]) -> DataSource:
    write_json(root / VAL, rows)
    (root / VAL_IMAGES).mkdir()
    return DataSource("folder", root)


def upload_folder(root: Path, rows: list[dict[str, Any]]) -> DataSource:
    write_jsonl(root / TEST, rows)
    (root / TEST_IMAGES).mkdir()
    return DataSource("folder", root)


def sample(answers: list[str], answerable: int = 1) -> Sample:
    meta = {"answers": answers, "answer_type": "other", "answerable": answerable}
    return Sample("1", "What is this?", None, answers[0], meta=meta)


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden predictions, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "vizwiz.json").read_text())
    samples = VIZWIZ.samples(val_folder(tmp_path, data["items"]))
    return data, score_texts(VIZWIZ, samples, [item["prediction"] for item in data["items"]])


@pytest.mark.golden
def test_each_answer_scores_as_official_and_lmms_eval_score_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for item, one in zip(data["items"], run, strict=True):
        assert isinstance(one.result, Score)
        expect, values = item["expect"], one.result.values
        assert one.result.detail["answer"] == expect["llava_submission"], item
        assert values["accuracy"] == pytest.approx(expect["official_acc_llava_submission"], abs=1e-9), item
        assert values["raw_text"] == pytest.approx(expect["official_acc_raw_prediction"], abs=1e-9), item
        assert values["lmms_eval"] == pytest.approx(expect["lmms_acc"], abs=1e-9), item


@pytest.mark.golden
def test_printed_numbers_and_means_are_the_official_ones(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    table, variants = VIZWIZ.breakdown(run), VIZWIZ.variants(run)
    uploaded, raw = (data["aggregate"][f"official_{name}"] for name in ("llava_submission", "raw_prediction"))
    for ours, official in ((table, uploaded), (table["raw text"], raw)):
        assert ours["overall"] == official["overall"]
        assert ours["unanswerability"] == official["unanswerability"]
    assert point(VIZWIZ.headline, run) == pytest.approx(100 * uploaded["mean"], abs=1e-9)
    assert variants["raw_text"] == pytest.approx(100 * raw["mean"], abs=1e-9)
    assert variants["lmms_eval"] == pytest.approx(100 * data["aggregate"]["lmms_mean"], abs=1e-9)


@pytest.mark.published
def test_prompt_is_llavas_to_the_byte(tmp_path: Path) -> None:
    cases = json.loads(published_path("prompts_sample.json").read_text())["vizwiz"]
    samples = VIZWIZ.samples(upload_folder(tmp_path, cases))
    for one, case in zip(samples, cases, strict=True):
        assert VIZWIZ.request(one, "llava").text == case["text"]
        assert one.id == str(case["question_id"])
        assert one.media is not None
        assert one.media.id == case["image"]


@pytest.mark.published
def test_an_official_record_gives_the_prompt_of_llavas_file(tmp_path: Path) -> None:
    cases = json.loads(published_path("prompts_sample.json").read_text())["vizwiz"]
    rows = [{"image": case["image"], "question": case["text"].split("\n")[0].upper()} for case in cases]
    samples = VIZWIZ.samples(val_folder(tmp_path, rows))
    assert [VIZWIZ.request(one, "llava").text for one in samples] == [case["text"] for case in cases]


def test_prompt_has_three_lines_and_the_question_one_capital(tmp_path: Path) -> None:
    (one,) = VIZWIZ.samples(val_folder(tmp_path, [{"image": "a.b.jpg", "question": "is this a CAN of Pepsi?"}]))
    request = VIZWIZ.request(one, "llava")
    assert one.id == "a.b"
    assert request.max_new_tokens == 128
    assert request.text == (
        "Is this a can of pepsi?\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n"
        "Answer the question using a single word or phrase."
    )


def test_annotators_answers_are_not_normalised() -> None:
    capital = VIZWIZ.score(sample(["Yes"] * 10), Response("1", "Yes"))
    assert isinstance(capital, Score)
    assert (capital.values["accuracy"], capital.values["lmms_eval"]) == (0.0, 1.0)


def test_typographic_apostrophes_of_the_official_table_do_not_meet_straight_ones() -> None:
    contraction = VIZWIZ.score(sample(["don't"] * 10), Response("1", "dont"))
    assert isinstance(contraction, Score)
    assert (contraction.values["accuracy"], contraction.values["raw_text"]) == (1.0, 0.0)


def test_questions_without_public_label_are_answered_and_not_scored(tmp_path: Path) -> None:
    row = {"question_id": 0, "image": "VizWiz_test_00000000.jpg", "text": "What?", "category": "default"}
    (one,) = VIZWIZ.samples(upload_folder(tmp_path, [row]))
    assert one.broken is None
    assert score_text(VIZWIZ, one, "can").result == NO_LABEL


def test_labelled_questions_come_before_those_to_upload(tmp_path: Path) -> None:
    upload_folder(tmp_path, [{"question_id": 0, "image": "VizWiz_test_00000000.jpg", "text": "What?"}])
    rows = [{"image": "VizWiz_val_00000000.jpg", "question": "What?", "answers": [{"answer": "can"}] * 10}]
    (one,) = VIZWIZ.samples(val_folder(tmp_path, rows))
    assert (one.id, one.answer) == ("VizWiz_val_00000000", "can")
    table = VIZWIZ.breakdown([score_text(VIZWIZ, one, "can")])
    assert table["overall"] == 100.0
    assert "unanswerability" not in table


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"vizwiz/val\.json"):
        VIZWIZ.samples(DataSource("folder", tmp_path))


@pytest.mark.parametrize(
    ("pairs", "average_precision", "f1"),
    [
        ([(True, True), (False, False)], 100.0, 100.0),
        ([(False, True), (False, False)], 50.0, 0.0),
        ([(True, False), (False, False)], 0.0, 0.0),
        ([(True, True), (True, False), (False, True), (False, False)], 50.0, 50.0),
    ],
)
def test_unanswerability_by_example(pairs: list[tuple[bool, bool]], average_precision: float, f1: float) -> None:
    assert unanswerability(pairs) == {"average_precision": average_precision, "f1_score": f1}


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_unanswerability_lies_between_0_and_100(pairs: list[tuple[bool, bool]]) -> None:
    assert all(0.0 <= value <= 100.0 for value in unanswerability(pairs).values())


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=10))
def test_any_text_is_scored(text: str, answers: list[str]) -> None:
    result = VIZWIZ.score(sample(answers), Response("1", text))
    assert isinstance(result, Score)
    assert all(0.0 <= value <= 1.0 for value in result.values.values())


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_wrong_answer_never_raises_the_score(texts: list[str]) -> None:
    run = [score_text(VIZWIZ, sample(["can"] * 6 + ["unanswerable"] * 4), text) for text in texts]
    wrong = score_text(VIZWIZ, sample(["can"] * 10), "bottle")
    before, after = point(VIZWIZ.headline, run), point(VIZWIZ.headline, [*run, wrong])
    assert before is not None
    assert after is not None
    assert after <= before + 1e-9
